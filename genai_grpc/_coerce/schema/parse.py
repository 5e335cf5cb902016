"""Plain JSON to values of Python types."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, get_origin

from genai_grpc._coerce.schema.build import build
from genai_grpc._coerce.schema.model import (
    ArrayType,
    EnumType,
    JSONType,
    MapType,
    Ref,
    TupleType,
    TypeSchema,
    UnionType,
    children,
)
from genai_grpc._coerce.schema.python_types import PydanticValidator, read_type
from genai_grpc._coerce.settings import WordAnswer
from genai_grpc_protos._convert import as_message

__all__ = ["build", "parse_as", "parse_text"]


def parse_as(python_type: Any, value: Any, path: str = "answer") -> Any:
    """Convert plain JSON that follows a type's schema to an instance of the type.

    Integral floats become int where the type is int. Of a union, the first type is used whose schema names such a value
    and that matches, or else the first that matches: "1" is a str in `Decimal | str`, though Decimals are read from str
    too. JSON of a schema that was passed as a Schema or a dict is returned unchanged.

    Args:
        python_type: The type, as `to_schema` takes it.
        value: The JSON, as `json.loads` returns it.
        path: Name of the value, for errors.

    Raises:
        ValueError: The JSON does not match the type; the message names the location.
        TypeError: The type is not supported.

    >>> parse_as(dict[str, list[int]], {"primes": [2.0, 3.0]})
    {'primes': [2, 3]}
    """
    if isinstance(python_type, Mapping) or as_message(python_type) is not None:
        return value
    return build(read_type(python_type, path), value, path)


def parse_text(python_type: Any, text: str, path: str = "answer") -> Any:
    """Convert the text of an answer to an instance of the type of its schema.

    The type decides how the text is read. If all values of the type are words, such as `red`, the text is one of them,
    whatever else it would be as JSON; or else JSON such as `"red"`. If only some are, as in `Colour | int`, the text is
    JSON, or else a word. White space around is ignored.

    Args:
        python_type: The type, as `to_schema` takes it; None for any JSON; or, for an answer of MIME type text/x.enum, a
            WordAnswer, which is a word first.
        text: The answer.
        path: Name of the value, for errors.

    Raises:
        json.JSONDecodeError: It is not JSON.
        ValueError: The JSON does not match the type; the message names the location.
        TypeError: The type is not supported.

    >>> import enum
    >>> parse_text(enum.Enum("Switch", {"ON": "1", "OFF": "0"}), "1").name
    'ON'
    """
    word_first = isinstance(python_type, WordAnswer)
    if word_first:
        python_type = python_type.python_type
    if python_type is None or isinstance(python_type, Mapping) or as_message(python_type) is not None:
        return text.strip() if word_first else json.loads(text)
    schema = read_type(python_type, path)
    if (reading := schema.derived.get("parse_text")) is None:
        reading = schema.derived["parse_text"] = _reading(python_type, schema)
    word = reading.word(text)
    if word is not None and (word_first or reading.is_word(word)):
        return build(schema, word, path)
    if reading.from_text is not None:
        try:
            return reading.from_text(text)
        except ValueError:
            pass  # the error names the location below, or the text is JSON that a strict type takes as integers only
    try:
        value = json.loads(text)
    except ValueError:
        if word is None:
            raise
        value = word
    return build(schema, value, path)


@dataclass(frozen=True, slots=True)
class _Reading:
    """How the text of an answer of some type is read.

    Attributes:
        words: The words that are values of the type, by themselves.
        only_words: Whether each value of the type, other than None, is a word.
        nullable: Whether None is a value of the type.
        from_text: Builds the value from JSON, if a library does that.
    """

    words: frozenset[str]
    only_words: bool
    nullable: bool
    from_text: Callable[[str], Any] | None

    def word(self, text: str) -> str | None:
        """Return the word that the text is; None if it is none."""
        return next((word for word in (text, text.strip()) if word in self.words), None) if self.words else None

    def is_word(self, word: str) -> bool:
        """Whether a text that is a word is nothing else."""
        return self.only_words and not (self.nullable and word == "null")


def _reading(python_type: Any, schema: TypeSchema) -> _Reading:
    alternatives = list(_alternatives(schema.root, schema.definitions))
    words = {word for node in alternatives if isinstance(node, EnumType) for word in _words(node)}
    only_words = all(
        isinstance(node, EnumType) and all(isinstance(value, str) for value in node.values) for node in alternatives
    )
    try:
        build(schema, None, "")
        nullable = True
    except ValueError:
        nullable = False
    return _Reading(frozenset(words), only_words, nullable, _text_validator(python_type, schema))


def _alternatives(node: JSONType, definitions: Mapping[str, JSONType]) -> Iterator[JSONType]:
    """Yield the node, or of a union its options."""
    match node:
        case Ref(name=name):
            yield from _alternatives(definitions[name], definitions)
        case UnionType(options=options):
            for option in options:
                yield from _alternatives(option, definitions)
        case _:
            yield node


def _words(node: EnumType) -> Iterator[str]:
    """Yield what a model may answer for a value of an enum: the values that are str, and the members' names."""
    yield from (value for value in node.values if isinstance(value, str))
    for member in node.members:
        if isinstance(member, Enum):
            yield from (name for name in (member.name, member.value) if isinstance(name, str))


def _text_validator(python_type: Any, schema: TypeSchema) -> Callable[[str], Any] | None:
    """Return pydantic's parser of JSON, for a type of pydantic and for a list, tuple or dict of such types.

    It takes a quarter of the time of `json.loads` and `build`: see benchmarks/micro/schemas.py. Other types are built
    here, as fast as their rules allow: pydantic reads a member of an enum by value only, msgspec no float as an int.
    """
    if schema.root.validate is not None:
        return schema.root.validate.from_text
    if get_origin(python_type) in (list, tuple, dict) and _is_validated(schema.root, schema.definitions):
        from pydantic import TypeAdapter  # imported already, by the program that defines the types

        return PydanticValidator(TypeAdapter(python_type)).from_text
    return None


def _is_validated(node: JSONType, definitions: Mapping[str, JSONType]) -> bool:
    """Whether the node is of pydantic, or an array or map of such nodes."""
    if node.validate is not None:
        return True
    return isinstance(node, (ArrayType, TupleType, MapType)) and all(
        _is_validated(child, definitions) for child in children(node)
    )
