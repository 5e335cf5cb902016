"""What is read from types: once for each, and no longer than the type lives."""

from __future__ import annotations

import dataclasses
import gc
import json
import pickle
import typing
import weakref
from types import GenericAlias
from typing import Annotated, Any, Literal

import pydantic
import pytest
from google.protobuf.json_format import MessageToDict

from genai_grpc._coerce.schema.proto_schema import to_schema
from tests.coerce.schema.sample_types import INT, Person, object_schema


def diamond(levels: int) -> type:
    """A type whose fields share a type, whose fields share a type, and so on."""
    below: Any = int
    for level in range(levels):
        below = dataclasses.make_dataclass(f"Level{level}", [("left", below), ("right", below)])
    return typing.cast("type", below)


@pytest.mark.parametrize("levels", [2, 12])
def test_shared_types(levels: int) -> None:
    """Types that share types are read once; they share definitions where a Schema would repeat them many times."""
    result = to_schema(diamond(levels))
    if levels == 2:
        level = object_schema(["left", "right"], left=INT, right=INT)
        assert result.schema is not None
        assert MessageToDict(result.schema) == object_schema(["left", "right"], left=level, right=level)
    else:
        assert result.json_schema is not None
        assert sorted(result.json_schema["$defs"]) == sorted(f"Level{level}" for level in range(levels - 1))
        assert len(json.dumps(result.json_schema)) < 200 * levels


def test_types_are_read_once() -> None:
    """A type is read once, also within other types, and does not outlive the program's use of it."""
    local = dataclasses.make_dataclass("Local", [("number", int)])
    assert to_schema(local) is to_schema(local)
    assert to_schema(GenericAlias(list, (local,))) is to_schema(GenericAlias(list, (local,)))
    weak = weakref.ref(local)
    del local
    gc.collect()
    assert weak() is None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (int | str, str | int),
        (Literal[1], Literal[True]),
        (Annotated[int, pydantic.Field(ge=1)], Annotated[int, pydantic.Field(ge=2)]),
    ],
    ids=str,
)
def test_similar_types(one: Any, other: Any) -> None:
    """Types that Python calls equal, or almost, have schemas of their own."""
    assert to_schema(one) != to_schema(other)


def test_fields_are_copies() -> None:
    """A change to the schema of one request does not change that of the next."""
    to_schema(Person).fields("schema", "json_schema")["schema"].description = "Nobody."
    assert to_schema(Person).fields("schema", "json_schema")["schema"].description != "Nobody."


def test_classes_by_value() -> None:
    """What is cached of a class is left out of copies of its attributes, as programs pickle them."""
    local = dataclasses.make_dataclass("Local", [("number", int)])
    to_schema(local)
    assert pickle.loads(pickle.dumps(dict(vars(local))["__genai_grpc_types__"])) == {}


def test_classes_with_the_same_name() -> None:
    """Two classes with the same name get different definition names."""

    def make() -> type:
        return dataclasses.make_dataclass("Link", [("next", "Link | None")])

    first, second = make(), make()
    schema = to_schema(dataclasses.make_dataclass("Both", [("a", first), ("b", second)]))
    assert schema.json_schema is not None
    assert list(schema.json_schema["$defs"]) == ["Link", "Link2"]
