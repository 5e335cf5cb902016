"""Functions that build values of a type from plain JSON; made once for each type."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from functools import partial
from typing import Any, Final, TypeAlias

from genai_grpc._coerce.schema.model import (
    AnyType,
    ArrayType,
    EnumType,
    JSONType,
    MapType,
    ObjectType,
    Ref,
    ScalarType,
    TupleType,
    TypeSchema,
    UnionType,
)
from genai_grpc._coerce.schema.scalars import SCALARS

__all__ = ["build"]

# The Python types of the values of a JSON type.
JSON_TYPES: Final[Mapping[str, tuple[type, ...]]] = {
    "string": (str,),
    "integer": (int, float),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}

Builder: TypeAlias = Callable[[Any], Any]
"""Builds a value, or raises a Mismatch."""


def build(schema: TypeSchema, value: Any, path: str) -> Any:
    """Convert plain JSON to an instance of the type that `schema` was read from.

    Raises:
        ValueError: The JSON does not match the type; the message names the location.
    """
    builder: Builder | None = schema.derived.get("build")
    if builder is None:
        builder = schema.derived["build"] = _Builders(schema.definitions).of(schema.root)
    try:
        return builder(value)
    except Mismatch as mismatch:
        raise ValueError(mismatch.message(path)) from mismatch.__cause__


class Mismatch(ValueError):
    """JSON that does not match a type.

    Attributes:
        message: The error's message, for the path of the value.
    """

    def __init__(self, message: Callable[[str], str]) -> None:
        super().__init__()
        self.message = message

    def within(self, location: str) -> Mismatch:
        """The same error for the path of the value that contains it, at this location."""
        mismatch = Mismatch(lambda path: self.message(path + location))
        mismatch.__cause__ = self.__cause__
        return mismatch


class _Builders:
    """The builders of nodes that share definitions."""

    def __init__(self, definitions: Mapping[str, JSONType]) -> None:
        self._definitions = definitions
        self._defined: dict[str, Builder] = {}

    def of(self, node: JSONType) -> Builder:
        """The builder of a node."""
        build = self._of(node) if node.validate is None else partial(_call, node.validate)
        return partial(_nullable, build) if node.nullable else build

    def _of(self, node: JSONType) -> Builder:
        match node:
            case AnyType():
                return _unchanged
            case ScalarType(python_type=python_type):
                return partial(_scalar, python_type, *SCALARS[python_type])
            case EnumType():
                return partial(_member, node)
            case ArrayType(items=items, factory=factory):
                return partial(_array, self.of(items), factory)
            case TupleType(items=nodes):
                return partial(_tuple, list(map(self.of, nodes)))
            case MapType(values=values):
                return partial(_map, self.of(values))
            case ObjectType(fields=fields, factory=factory):
                required = frozenset(field.name for field in fields if field.required)
                return partial(_object, {field.name: self.of(field.type) for field in fields}, required, factory)
            case UnionType(options=options):
                scalars = {option.python_type: self.of(option) for option in options if isinstance(option, ScalarType)}
                declared = [(partial(self._declares, option), self.of(option)) for option in options]
                return partial(_first_match, declared, scalars)
            case Ref(name=name):
                return partial(self._definition, name)

    def _declares(self, node: JSONType, value: Any) -> bool:
        """Whether the schema of a node names such a value; builders are lenient, and take others too."""
        match node:
            case ScalarType(json_type=json_type):
                return type(value) in JSON_TYPES[json_type]
            case EnumType(values=values):
                return any(value == known and type(value) is type(known) for known in values)
            case ArrayType() | TupleType():
                return isinstance(value, list)
            case MapType() | ObjectType():
                return isinstance(value, dict)
            case UnionType(options=options):
                return any(self._declares(option, value) for option in options)
            case Ref(name=name):
                return self._declares(self._definitions[name], value)
        return True

    def _definition(self, name: str, value: Any) -> Any:
        # At the first use, since a definition may refer to itself.
        if name not in self._defined:
            self._defined[name] = self.of(self._definitions[name])
        return self._defined[name](value)


def _unchanged(value: Any) -> Any:
    return value


def _nullable(build: Builder, value: Any) -> Any:
    return None if value is None else build(value)


def _scalar(python_type: type, accepted: tuple[type, ...], convert: Builder, value: Any) -> Any:
    if type(value) not in accepted:
        raise _unexpected(python_type, value)
    try:
        return convert(value)
    except (ArithmeticError, ValueError):
        raise _unexpected(python_type, value) from None


def _member(node: EnumType, value: Any) -> Any:
    for known, member in zip(node.values, node.members or node.values, strict=True):
        # True == 1, but they are different JSON values.
        if value == known and isinstance(value, bool) is isinstance(known, bool):
            return member
    for member in node.members:
        # A model may answer with a value although the schema lists the names, and vice versa.
        if isinstance(member, Enum) and not isinstance(value, bool) and value in (member.name, member.value):
            return member
    raise Mismatch(lambda path: f"{path}: {value!r} is not one of {', '.join(map(repr, node.values))}")


def _array(build: Builder, factory: Builder, value: Any) -> Any:
    items: list[Any] = []
    for item in _expect(list, value):
        try:
            items.append(build(item))
        except Mismatch as mismatch:
            raise mismatch.within(f"[{len(items)}]") from mismatch.__cause__
    return items if factory is list else _call(factory, items)


def _tuple(builders: list[Builder], value: Any) -> Any:
    if len(_expect(list, value)) != len(builders):
        raise Mismatch(lambda path: f"{path} has {len(value)} items; it must have {len(builders)}")
    return tuple(
        _item(build, item, f"[{number}]") for number, (build, item) in enumerate(zip(builders, value, strict=True))
    )


def _map(build: Builder, value: Any) -> Any:
    return {key: _item(build, item, f"[{key!r}]") for key, item in _expect(dict, value).items()}


def _item(build: Builder, value: Any, location: str) -> Any:
    try:
        return build(value)
    except Mismatch as mismatch:
        raise mismatch.within(location) from mismatch.__cause__


def _object(builders: Mapping[str, Builder], required: frozenset[str], factory: Callable[..., Any], value: Any) -> Any:
    if isinstance(value, list) and isinstance(factory, type) and issubclass(factory, tuple):
        # `json.dumps` writes a NamedTuple as a list.
        names = list(builders)
        value = {names[n] if n < len(names) else str(n): item for n, item in enumerate(value)}
    entries: dict[str, Any] = _expect(dict, value)
    if unknown := entries.keys() - builders.keys():
        raise Mismatch(lambda path: f"{path} has no {', '.join(sorted(unknown))}; it has {', '.join(builders)}")
    if missing := required - entries.keys():
        raise Mismatch(lambda path: f"{path} lacks {', '.join(name for name in builders if name in missing)}")
    arguments = {}
    for name, build in builders.items():
        if name in entries:
            try:
                arguments[name] = build(entries[name])
            except Mismatch as mismatch:
                raise mismatch.within(f".{name}") from mismatch.__cause__
    return arguments if factory is dict else _call(lambda keywords: factory(**keywords), arguments)


def _first_match(
    options: Sequence[tuple[Callable[[Any], bool], Builder]], scalars: Mapping[type, Builder], value: Any
) -> Any:
    # A number keeps its type, int or float, if that is an option; and a text its time, of date and datetime.
    # Next are options whose schemas name such a value.
    exact = [scalars[type(value)]] if type(value) in (int, float) and type(value) in scalars else []
    if isinstance(value, str) and {datetime.date, datetime.datetime} <= scalars.keys():
        exact = [scalars[datetime.datetime if len(value) > len("2000-01-31") else datetime.date]]
    declared = [build for declares, build in options if declares(value)]
    mismatches = []
    for build in [*exact, *declared, *(build for _, build in options)]:
        try:
            return build(value)
        except Mismatch as mismatch:
            mismatches.append(mismatch)

    def message(path: str) -> str:
        causes = dict.fromkeys(mismatch.message(path) for mismatch in mismatches)
        return f"{path} matches none of its types: {'; '.join(causes)}"

    raise Mismatch(message)


def _call(factory: Builder, value: Any) -> Any:
    """Call the factory; its TypeError and ValueError become a Mismatch."""
    try:
        return factory(value)
    except (TypeError, ValueError) as error:
        text = str(error)
        raise Mismatch(lambda path: f"{path}: {text}") from error


def _expect(python_type: type, value: Any) -> Any:
    if not isinstance(value, python_type):
        raise _unexpected(python_type, value)
    return value


def _unexpected(python_type: type, value: Any) -> Mismatch:
    return Mismatch(lambda path: f"{path}: expected {python_type.__name__}, got {value!r}")
