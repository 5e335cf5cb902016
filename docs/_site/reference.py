"""The reference's pages of modules: which there are, and which public names each describes.

A name is described on one page, and the pages of other modules that have it link there. Nothing here needs the site
generator, so that the tests can compare the pages with the package.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Final

import sources
from sources import Module

PACKAGE: Final = "genai_grpc"
# Listed in a table, since they are old names for what other pages describe.
OLD: Final = f"{PACKAGE}.generativeai"
# The table of an enum's or a message's fields is on a page of `messages.py`.
MESSAGES: Final = f"{PACKAGE}.protos"
# An import with an effect and a command: neither has names for programs.
WITHOUT_NAMES: Final = tuple(f"{PACKAGE}.{name}" for name in ("__main__", "as_google_generativeai", "cli"))
# Parts of a public module that lists their names itself.
PARTS: Final = (f"{PACKAGE}.local.", f"{PACKAGE}.cli.", f"{PACKAGE}.testing.", f"{PACKAGE}.bulk.")
OPTIONS: Final = "\n    options:\n      heading_level: 2"


@dataclass
class Page:
    """The page of a module.

    Attributes:
        module: The module.
        described: The names that the page describes.
        linked: The names that another page describes, with the dotted names there.
    """

    module: Module
    described: list[str] = field(default_factory=list)
    linked: dict[str, str] = field(default_factory=dict)

    @property
    def path(self) -> str:
        """The page's file, relative to docs/."""
        return (
            f"reference/{'index' if self.module.name == PACKAGE else self.module.name.removeprefix(PACKAGE + '.')}.md"
        )


def public_modules() -> list[Module]:
    """The modules that programs import from, but for those of google.generativeai and that of the messages."""
    names = [
        name
        for name in sources.submodules(PACKAGE)
        if name not in (*WITHOUT_NAMES, OLD, MESSAGES) and not name.startswith((f"{OLD}.", *PARTS))
    ]
    return [module for name in (PACKAGE, *names) if (module := sources.read_module(name))]


@cache
def owners() -> Mapping[str, str]:
    """For each definition, the public name by which it is described.

    It is that of the module that defines it, else of another one; of `types` or the package only if no other has it.
    """
    found: dict[str, str] = {}
    modules = public_modules()
    for module in sorted(modules, key=lambda each: (each.name == PACKAGE, each.name == f"{PACKAGE}.types")):
        for name, place in module.origins.items():
            if sources.source(place):
                continue  # a module
            if place == f"{module.name}.{name}":
                found[place] = place
            else:
                found.setdefault(place, f"{module.name}.{name}")
    return found


def pages() -> list[Page]:
    """The pages of the modules."""
    found = []
    for module in public_modules():
        page = Page(module)
        for name, place in module.origins.items():
            owner = owners().get(place, place)
            if owner == f"{module.name}.{name}" and not sources.source(owner):
                page.described.append(name)
            else:
                page.linked[name] = owner
        found.append(page)
    return found


def markdown(page: Page) -> str:
    """The source of a page, in the syntax of mkdocstrings."""
    module = page.module
    blocks = [
        f"# {module.name}\n",
        f"::: {module.name}\n    options:\n      members: false\n      show_root_heading: false\n",
    ]
    if page.linked:
        rows = [
            f"| {_anchor(module.name, name)}[`{name}`][{owner}] | {sources.summary(owner_origin(owner))} |"
            for name, owner in page.linked.items()
        ]
        blocks.append("\n".join(["| name | |", "|---|---|", *rows, ""]))
    for name in page.described:
        place = f"{module.name}.{name}"
        defined = sources.definition(place)
        if defined == place:
            blocks.append(f"::: {defined}{OPTIONS}\n")
        else:
            heading = f"\n      heading: {name}\n      toc_label: {name}"
            blocks.append(f"[](){{#{place}}}\n\n::: {defined}{OPTIONS}{heading}\n")
    return "\n".join(blocks)


def owner_origin(owner: str) -> str:
    """The definition that a public name has."""
    return next((place for place, name in owners().items() if name == owner), owner)


@cache
def old_names() -> str:
    """The page of google.generativeai's modules: each name, and what describes it."""
    lines = [
        "# Modules of google.generativeai\n",
        sources.summary(OLD) + "\n",
        "Modules of `genai_grpc.generativeai.types` can also be imported from `genai_grpc.types`, as in"
        " `from genai_grpc.types import content_types`."
        " [Migrate from google.generativeai](../migrating.md) says what differs.\n",
    ]
    for name in (OLD, *sources.submodules(OLD)):
        module = sources.read_module(name)
        if module is None or name == f"{OLD}.protos":
            continue
        lines += [f"## {name}\n", "| name | |", "|---|---|"]
        for each, place in module.origins.items():
            owner = owners().get(place)
            link = f"[`{owner}`][{owner}]" if owner else sources.summary(place)
            lines.append(f"| {_anchor(name, each)}`{each}` | {link} |")
        lines.append("")
    return "\n".join(lines)


def _anchor(module: str, name: str) -> str:
    return f'<span id="{module}.{name}"></span>'
