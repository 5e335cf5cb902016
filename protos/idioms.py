"""Rewrites mypy-protobuf's stubs for the conveniences that the message and enum classes have (python/_idioms.py)."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["rewrite", "rewrite_enums"]

TYPING: Final = "genai_grpc_protos._typing"
MESSAGE: Final = r"((?:Global___|genai_grpc_protos\.)[\w.]+?)(?<!ValueType)"
MAPPING: Final = "collections.abc.Mapping[builtins.str, typing.Any]"

# The three classes of an enum: its values, their names, and the enum with its comment.
ENUM: Final = re.compile(
    r"^(?P<indent> *)class _(?P<name>\w+):\n"
    r" +ValueType = [^\n]+\n +V: [^\n]+\n\n"
    r"(?P=indent)class _(?P=name)EnumTypeWrapper\(.*?\[(?P<scope>[\w.]*?)_(?P=name)\.ValueType\][^\n]*\n"
    r"(?P<members>(?:(?P=indent) {4}[^\n]*\n)+)\n"
    r"(?P=indent)class (?P=name)\(_(?P=name), metaclass=_(?P=name)EnumTypeWrapper\):(?: \.\.\.)?\n"
    r"(?P<comment>(?:(?P=indent) {4}[^\n]*\n)*)",
    re.MULTILINE,
)

VALUE_TYPE: Final = re.compile(r"(?<=\w)\.ValueType\b")

# Names that the conveniences also spell with an underscore at the end.
UNDERSCORED: Final = "format|license|type"

REPLACEMENTS: Final = (
    # Messages get the conveniences' types.
    (r"\(google\.protobuf\.message\.Message\):", f"({TYPING}.Message):"),
    # The constructor takes a dict or a message, and dicts for nested messages.
    (
        r"def __init__\(\n( +)self,\n +\*,\n",
        r"def __init__(\n\1self,\n\1mapping: typing.Any = ...,\n\1/,\n\1*,\n"
        r"\1ignore_unknown_fields: builtins.bool = ...,\n",
    ),
    (
        rf"^( +\w+: collections\.abc\.Iterable\[){MESSAGE}\] \| None = \.\.\.,",
        rf"\1\2 | {MAPPING}] | None = ...,",
    ),
    (
        rf"^( +\w+: ){MESSAGE} \| None = \.\.\.,",
        r"\1\2 | typing.Any | None = ...,",
    ),
)
# A nested or repeated field, read as a property; it can be assigned, too.
PROPERTY: Final = re.compile(
    r"^(?P<indent> +)@property\n +def (?P<name>\w+)\(self\) -> [^\n]+?:"
    r"(?: \.\.\.\n|\n(?P=indent)    \"\"\".*?\"\"\"\n)",
    re.MULTILINE | re.DOTALL,
)
# A field whose name is also spelled with an underscore.
FIELD: Final = re.compile(rf"^(?P<indent> +)(?P<name>{UNDERSCORED}): (?P<type>\S+)\n", re.MULTILINE)
PARAMETER: Final = re.compile(rf"^(?P<indent> +)(?P<name>{UNDERSCORED}): (?P<type>.+?) = \.\.\.,\n", re.MULTILINE)


def rewrite(stub: str) -> str:
    """Return the stub of a module with the types of the conveniences."""
    stub = _import_types(ENUM.sub(_enum, stub))
    for pattern, replacement in REPLACEMENTS:
        stub = re.sub(pattern, replacement, stub, flags=re.MULTILINE)
    stub = PROPERTY.sub(lambda found: found[0] + _setter(found["indent"], found["name"]), stub)
    stub = FIELD.sub(lambda found: f"{found[0]}{found['indent']}{found['name']}_: {found['type']}\n", stub)
    stub = PARAMETER.sub(lambda found: f"{found[0]}{found['indent']}{found['name']}_: {found['type']} = ...,\n", stub)
    return VALUE_TYPE.sub("", stub)


def rewrite_enums(stub: str) -> str:
    """Return the stub of a module with the types of the enums' conveniences only, as those of well-known types."""
    rewritten = ENUM.sub(_enum, stub)
    return stub if rewritten == stub else VALUE_TYPE.sub("", _import_types(rewritten))


def _import_types(stub: str) -> str:
    stub = stub.replace("import google.protobuf.internal.enum_type_wrapper\n", "")
    return stub.replace("import google.protobuf.message\n", f"import google.protobuf.message\nimport {TYPING}\n")


def _setter(indent: str, name: str) -> str:
    return f"{indent}@{name}.setter\n{indent}def {name}(self, value: typing.Any) -> None: ...\n"


def _enum(found: re.Match[str]) -> str:
    """An enum as one class, whose members are of that class, as those of an IntEnum."""
    indent, name, scope = found["indent"], found["name"], found["scope"]
    return (
        f"{indent}class {name}({TYPING}.EnumMember, metaclass={TYPING}.EnumType):\n{found['comment']}"
        f"{indent}    ValueType: typing_extensions.TypeAlias = {scope}{name}\n"
        + re.sub(rf"\b_{name}\.ValueType", name, found["members"])
    )
