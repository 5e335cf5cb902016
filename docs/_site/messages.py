"""The reference's pages of messages and enums: one for each proto file, from the classes and their comments."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

import sources

# The Python module of each package's messages, and the folder of its pages.
PACKAGES: Final = {"genai_grpc_protos.v1beta": "messages", "genai_grpc_protos.aiplatform_v1": "messages-vertex-ai"}
PROTO_PACKAGES: Final = ("google.ai.generativelanguage.v1beta", "google.cloud.aiplatform.v1")
SCALARS: Final = {
    value: name.removeprefix("TYPE_").lower()
    for name, value in vars(FieldDescriptor).items()
    if name.startswith("TYPE_")
}


@dataclass(frozen=True)
class Page:
    """The page of a proto file.

    Attributes:
        path: The page's file, relative to docs/.
        title: The proto file's name, without its folder.
        names: The messages and enums of the top level, in the order of the file.
        text: The source of the page.
    """

    path: str
    title: str
    names: tuple[str, ...]
    text: str


def pages(package: str) -> list[Page]:
    """The pages of a package's messages, by file."""
    module = importlib.import_module(package)
    found = []
    for file in sorted(set(module._MODULES.values())):
        names = tuple(name for name, home in module._MODULES.items() if home == file)
        comments = _comments(f"{package}.{file}")
        title = file.removesuffix("_pb2")
        described = {name: getattr(module, name).DESCRIPTOR for name in names}
        lines = [f"# {title}.proto\n", *_overview(described, comments)]
        for descriptor in described.values():
            lines += _describe(package, descriptor, comments, 2)
        found.append(Page(f"reference/{PACKAGES[package]}/{title}.md", title, names, "\n".join(lines)))
    return found


def index(package: str, title: str, introduction: str) -> str:
    """The page that lists a package's messages and enums, with links."""
    heading = f"# {title}" + (" {#genai_grpc.protos}" if package == "genai_grpc_protos.v1beta" else "")
    rows = []
    for page in pages(package):
        comments = _comments(f"{package}.{page.title}_pb2")
        rows += [f"| [`{name}`][{package}.{name}] | `{page.title}.proto` | {comments[name]} |" for name in page.names]
    return "\n".join([f"{heading}\n", introduction + "\n", "| name | file | |", "|---|---|---|", *sorted(rows), ""])


def _overview(described: Mapping[str, Any], comments: Mapping[str, str]) -> Iterator[str]:
    yield from (comments.get("", "") + "\n",) if comments.get("") else ()
    yield ", ".join(f"[{name}][{descriptor.full_name}]" for name, descriptor in described.items()) + "\n"


def _describe(
    package: str, descriptor: Descriptor | EnumDescriptor, comments: Mapping[str, str], level: int
) -> Iterator[str]:
    path = descriptor.full_name.removeprefix(f"{descriptor.file.package}.")
    # The aliases: by the proto's name, as types are linked, and by the modules of Python.
    aliases = [f"[](){{#{descriptor.full_name}}}"]
    if package == "genai_grpc_protos.v1beta":
        aliases += [f"[](){{#genai_grpc.protos.{path}}}", f"[](){{#genai_grpc.generativeai.protos.{path}}}"]
    yield "\n".join([*aliases, f"{'#' * level} {path} {{#{package}.{path}}}\n"])
    yield comments.get(path, "") + "\n"
    if isinstance(descriptor, EnumDescriptor):
        yield "| value | number | |\n|---|---:|---|"
        for value in descriptor.values:
            yield f"| `{value.name}` | {value.number} | {comments.get(f'{path}.{value.name}', '')} |"
        yield ""
        return
    if descriptor.fields:
        yield "| field | type | |\n|---|---|---|"
    for field in descriptor.fields:
        yield f"| `{field.name}` | {_type(field)} | {comments.get(f'{path}.{field.name}', '')} |"
    yield ""
    for enum in descriptor.enum_types:
        yield from _describe(package, enum, comments, min(level + 1, 6))
    for nested in descriptor.nested_types:
        if not nested.GetOptions().map_entry:
            yield from _describe(package, nested, comments, min(level + 1, 6))


def _type(field: FieldDescriptor) -> str:
    entry = field.message_type
    if entry is not None and entry.GetOptions().map_entry:
        return f"map of {_type(entry.fields_by_name['key'])} to {_type(entry.fields_by_name['value'])}"
    target = field.message_type or field.enum_type
    if target is None:
        name = SCALARS[field.type]
    else:
        short = target.full_name.removeprefix(f"{target.file.package}.")
        name = f"[{short}][{target.full_name}]" if target.file.package in PROTO_PACKAGES else f"`{target.full_name}`"
    return f"list of {name}" if _is_repeated(field) else name


def _is_repeated(field: FieldDescriptor) -> bool:
    if hasattr(field, "is_repeated"):
        return field.is_repeated
    return bool(getattr(field, "label") == FieldDescriptor.LABEL_REPEATED)  # noqa: B009 -- protobuf 5; newer ones warn


@cache
def _comments(module: str) -> Mapping[str, str]:
    """The comments of a generated module, by the path of the class or attribute; that of the file is under ""."""
    path = sources.ROOT.joinpath("generated", "python", *module.split(".")).with_suffix(".pyi")
    tree = ast.parse(path.read_text())
    found = {}
    lines = (ast.get_docstring(tree) or "").splitlines()
    found[""] = _line("\n".join(line for line in lines if not line.startswith(("@generated", "isort:"))))
    for name, text in _attributes(tree.body, ""):
        found.setdefault(name, _line(text))
    return found


def _attributes(body: list[ast.stmt], prefix: str) -> Iterator[tuple[str, str]]:
    for statement, following in zip(body, [*body[1:], None], strict=True):
        match statement:
            case ast.ClassDef(name=name):
                yield prefix + name, ast.get_docstring(statement) or ""
                yield from _attributes(statement.body, f"{prefix}{name}.")
            case ast.FunctionDef(name=name) if ast.get_docstring(statement):
                yield prefix + name, ast.get_docstring(statement) or ""
            case ast.AnnAssign(target=ast.Name(id=name)):
                match following:
                    case ast.Expr(value=ast.Constant(value=str() as text)):
                        yield prefix + name, text
                        yield prefix + name.removesuffix("_"), text  # `type_`, which is also `type`


def _line(text: str) -> str:
    """A comment as a line of a table."""
    return " ".join(text.split()).replace("|", "\\|")
