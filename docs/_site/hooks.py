"""What the site needs beyond its Markdown files: the home page, the reference, links that leave docs/, and llms.txt.

mkdocs calls the functions `on_…` in the order in which they stand here.
"""

from __future__ import annotations

import html
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files

sys.path.insert(0, os.fspath(Path(__file__).parent))

import messages
import reference
import sources

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.pages import Page

REPOSITORY: Final = Path(__file__).parents[2]
LINK: Final = re.compile(r"(?P<open>\]\()(?!\w+:|/|#)(?P<target>[^)\s]+)(?=[)\s])")
FENCE: Final = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


def slugify(heading: str, separator: str) -> str:
    """The anchor of a heading, as GitHub forms it, so that links hold on both."""
    return re.sub(r"[^\w\- ]", "", html.unescape(re.sub(r"<[^>]+>", "", heading)).strip().lower()).replace(
        " ", separator
    )


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Set the anchors, add pages that the navigation does not name, and list the pages of llms.txt by its sections."""
    config.mdx_configs["toc"]["slugify"] = slugify
    sections: list[dict[str, Any]] = config.nav or []
    named = set(_paths(sections))
    docs = Path(config.docs_dir)
    others = sorted(path.name for path in docs.glob("*.md") if path.name not in named)
    next(section["How-to guides"] for section in sections if "How-to guides" in section).extend(others)
    next(section["Reference"] for section in sections if "Reference" in section).extend(_reference_nav())
    llms = config.plugins["llmstxt"].config
    for section in sections:
        [(title, content)] = section.items()
        if title != "Reference":
            llms.sections[title] = list(_paths([content]))
    llms.sections["Reference"] = [*_paths([section["Reference"] for section in sections if "Reference" in section])]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made from other sources."""
    for path, text in _generated_pages():
        files.append(File.generated(config, path, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Make links to files outside docs/ lead to the repository. The home page is the README, of its top folder."""
    folder = REPOSITORY if page.file.src_uri == "index.md" else Path(config.docs_dir, page.file.src_uri).parent

    def rewrite(match: re.Match[str]) -> str:
        target, hash_, anchor = match["target"].partition("#")
        path = Path(os.path.normpath(folder / target)) if target else None
        if path is None or not path.exists():
            return match[0]
        if path == REPOSITORY / "README.md":
            return f"{match['open']}{_to_page('index.md', page)}{hash_}{anchor}"
        if path.is_relative_to(config.docs_dir):
            inside = path.relative_to(config.docs_dir).as_posix()
            return f"{match['open']}{_to_page(inside, page)}{hash_}{anchor}"
        kind = "tree" if path.is_dir() else "blob"
        return f"{match['open']}{config.repo_url}/{kind}/main/{path.relative_to(REPOSITORY).as_posix()}{hash_}{anchor}"

    pieces, end = [], 0
    for fence in FENCE.finditer(markdown):
        pieces += [LINK.sub(rewrite, markdown[end : fence.start()]), fence[0]]
        end = fence.end()
    return "".join([*pieces, LINK.sub(rewrite, markdown[end:])])


def on_post_build(config: MkDocsConfig) -> None:
    """Check that each public name has an anchor on some page."""
    ids: set[str] = set()
    for page in Path(config.site_dir, "reference").rglob("*.html"):
        ids.update(re.findall(r'\bid="([^"]+)"', page.read_text()))
    if missing := sorted(set(public_names()) - ids):
        raise PluginError(f"the reference does not describe these public names: {', '.join(missing)}")


def public_names() -> Iterator[str]:
    """Every public name, as programs write it."""
    modules = [sources.read_module(name) for name in (reference.OLD, *sources.submodules(reference.OLD))]
    for module in (*reference.public_modules(), *filter(None, modules)):
        yield from (f"{module.name}.{name}" for name in module.names)
    for package in messages.PACKAGES:
        for page in messages.pages(package):
            yield from (f"{package}.{name}" for name in page.names)


def _generated_pages() -> Iterator[tuple[str, str]]:
    """The path and the source of each page that is not a file of docs/."""
    yield "index.md", "---\ntitle: genai_grpc\n---\n" + (REPOSITORY / "README.md").read_text()
    yield "changelog.md", (REPOSITORY / "CHANGELOG.md").read_text()
    for page in reference.pages():
        yield page.path, reference.markdown(page)
    yield "reference/generativeai.md", reference.old_names()
    for package, (title, introduction) in MESSAGE_PAGES.items():
        yield f"reference/{messages.PACKAGES[package]}/index.md", messages.index(package, title, introduction)
        for each in messages.pages(package):
            yield each.path, each.text


MESSAGE_PAGES: Final = {
    "genai_grpc_protos.v1beta": (
        "Messages of the Gemini API",
        "`genai_grpc.protos` has every message and enum of `google.ai.generativelanguage.v1beta`. A function of this"
        " package that takes a message takes a dict with the same fields in its place.",
    ),
    "genai_grpc_protos.aiplatform_v1": (
        "Messages of Vertex AI",
        "`genai_grpc_protos.aiplatform_v1` has the messages of the generative part of `google.cloud.aiplatform.v1`. It"
        " is loaded when a program imports it.",
    ),
}


def _reference_nav() -> list[Any]:
    """The pages of the reference: modules, messages, and the old modules."""
    nav: list[Any] = [{page.module.name: page.path} for page in reference.pages()]
    for package, (title, _) in MESSAGE_PAGES.items():
        folder = f"reference/{messages.PACKAGES[package]}"
        nav.append({title: [f"{folder}/index.md", *(each.path for each in messages.pages(package))]})
    return [*nav, {"Modules of google.generativeai": "reference/generativeai.md"}]


def _paths(nav: Any) -> Iterator[str]:
    """The pages that a part of the navigation names."""
    match nav:
        case str():
            yield nav
        case list():
            for each in nav:
                yield from _paths(each)
        case dict():
            for each in nav.values():
                yield from _paths(each)


def _to_page(path: str, page: Page) -> str:
    return os.path.relpath(path, Path(page.file.src_uri).parent)
