"""For drawn types: each value is accepted by the schema that is sent, and is read back from its JSON."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import json
import uuid
from collections.abc import Callable
from types import GenericAlias
from typing import Annotated, Any, Literal, NamedTuple, Optional, Union

import pydantic
import pytest
from google.protobuf.json_format import MessageToDict
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typing_extensions import TypedDict

from genai_grpc._coerce.schema.parse import parse_text
from genai_grpc._coerce.settings import to_generation_config
from genai_grpc._coerce.tools import FunctionDeclaration
from genai_grpc.local.engines.llama.output_grammar import to_json_schema, to_python

jsonschema = pytest.importorskip("jsonschema")

UTC = datetime.timezone.utc


class Colour(enum.Enum):
    RED = "red"
    TRUE = "true"


class Size(enum.IntEnum):
    SMALL = 1
    LARGE = 2


@dataclasses.dataclass
class Node:
    value: int
    children: list[Node] = dataclasses.field(default_factory=list)


class Tree(pydantic.BaseModel):
    value: str
    left: Optional[Tree] = None  # noqa: UP045


def sent_schema(python_type: Any) -> dict[str, Any]:
    """The schema in a request, as JSON Schema."""
    config = to_generation_config({"response_schema": python_type})
    if config.HasField("response_schema"):
        return to_json_schema(config.response_schema)
    schema: dict[str, Any] = to_python(config.response_json_schema)
    return schema


def plain(value: Any) -> Any:
    """The value as plain JSON, as a model writes it."""
    match value:
        case enum.Enum():
            return value.value if isinstance(value.value, str) else value.name
        case pydantic.BaseModel():
            return value.model_dump(mode="json")
        case tuple() if hasattr(value, "_asdict"):
            return plain(value._asdict())
        case list() | tuple() | set() | frozenset():
            return [plain(item) for item in value]
        case dict():
            return {key: plain(item) for key, item in value.items()}
        case datetime.datetime() | datetime.date() | datetime.time():
            return value.isoformat()
        case datetime.timedelta():
            sign = "-" if value < datetime.timedelta(0) else ""
            return f"{sign}P{abs(value).days}DT{abs(value).seconds}.{abs(value).microseconds:06}S"
        case uuid.UUID():
            return str(value)
        case decimal.Decimal():
            return float(value)
    if dataclasses.is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    return value


@dataclasses.dataclass(frozen=True)
class Typed:
    """A type, the strategy of its values, and what its JSON is, so that unions have no ambiguous values."""

    type: Any
    values: st.SearchStrategy[Any]
    json: str
    hashable: bool = True


finite = st.floats(allow_nan=False, allow_infinity=False)
SCALARS = [
    Typed(int, st.integers(), "number"),
    Typed(float, finite, "number"),
    Typed(bool, st.booleans(), "boolean"),
    Typed(str, st.text(), "string"),
    Typed(Colour, st.sampled_from(Colour), "string"),
    Typed(Size, st.sampled_from(Size), "string"),
    Typed(Literal["a", "null", "1"], st.sampled_from(["a", "null", "1"]), "string"),
    Typed(Literal[1, 2], st.sampled_from([1, 2]), "number"),
    Typed(Annotated[int, pydantic.Field(gt=0, lt=9)], st.integers(1, 8), "number"),
    Typed(Annotated[float, pydantic.Field(gt=0, le=1)], st.floats(0, 1, exclude_min=True), "number"),
    Typed(Annotated[int, pydantic.Field(multiple_of=5)], st.integers(-9, 9).map(lambda n: 5 * n), "number"),
    Typed(Annotated[str, pydantic.Field(max_length=0)], st.just(""), "string"),
    Typed(datetime.datetime, st.datetimes(timezones=st.just(UTC)), "string"),
    Typed(datetime.date, st.dates(), "string"),
    Typed(datetime.time, st.times(), "string"),
    Typed(datetime.timedelta, st.timedeltas(datetime.timedelta(-99), datetime.timedelta(99)), "string"),
    Typed(uuid.UUID, st.uuids(), "string"),
    Typed(decimal.Decimal, st.decimals(-999, 999, places=3), "number"),
]
NESTED = [
    Typed(
        Node,
        st.recursive(
            st.builds(Node, st.integers()),
            lambda x: st.builds(Node, st.integers(), st.lists(x, max_size=2)),
            max_leaves=3,
        ),
        "object",
        False,
    ),
    Typed(
        Tree,
        st.recursive(
            st.builds(Tree, value=st.text()), lambda x: st.builds(Tree, value=st.text(), left=x), max_leaves=3
        ),
        "object",
        False,
    ),
]


def containers(typed: Typed) -> st.SearchStrategy[Typed]:
    """Containers of one type."""
    values = typed.values
    found = [
        Typed(GenericAlias(list, (typed.type,)), st.lists(values, max_size=3), "array", False),
        Typed(GenericAlias(tuple, (typed.type, ...)), st.lists(values, max_size=3).map(tuple), "array", typed.hashable),
        Typed(GenericAlias(tuple, (typed.type, int)), st.tuples(values, st.integers()), "array", typed.hashable),
        Typed(GenericAlias(dict, (str, typed.type)), st.dictionaries(st.text(), values, max_size=3), "object", False),
    ]
    if typed.json != "null":
        found.append(Typed(Optional[typed.type], st.none() | values, "null", typed.hashable))  # noqa: UP045
    if typed.hashable:
        found.append(Typed(GenericAlias(set, (typed.type,)), st.sets(values, max_size=3), "array", False))
        found.append(Typed(GenericAlias(frozenset, (typed.type,)), st.frozensets(values, max_size=3), "array"))
    return st.sampled_from(found)


def union(options: list[Typed]) -> Typed:
    """The union of types with different JSON."""
    typing_union: Any = Union
    return Typed(
        typing_union[tuple(option.type for option in options)],
        st.one_of(*(option.values for option in options)),
        "null",  # not to be part of another union
        all(option.hashable for option in options),
    )


def classes(fields: list[Typed]) -> st.SearchStrategy[Typed]:
    """Classes with fields of these types; the names are short, and the same in each class."""
    types: dict[str, Any] = {name: field.type for name, field in zip("abc", fields, strict=False)}
    values: dict[str, Any] = {name: field.values for name, field in zip("abc", fields, strict=False)}
    hashable = all(field.hashable for field in fields)
    typed_dict: Any = TypedDict  # which type checkers know as a special form
    makers: list[Callable[[], Any]] = [
        lambda: dataclasses.make_dataclass("Data", types.items(), frozen=True),
        lambda: NamedTuple("Named", list(types.items())),
        lambda: pydantic.create_model("Model", **types),
    ]
    made = st.sampled_from(makers).map(lambda make: make())
    return st.one_of(
        made.map(lambda cls: Typed(cls, st.builds(cls, **values), "object", hashable and not _is_model(cls))),
        st.builds(lambda: Typed(typed_dict("Dict", types), st.fixed_dictionaries(values), "object", False)),
    )


def _is_model(cls: type) -> bool:
    return issubclass(cls, pydantic.BaseModel)


types = st.recursive(
    st.sampled_from([*SCALARS, *NESTED]),
    lambda inner: st.one_of(
        inner.flatmap(containers),
        st.lists(
            inner.filter(lambda typed: typed.json != "null"), min_size=2, max_size=3, unique_by=lambda each: each.json
        ).map(union),
        st.lists(inner, min_size=1, max_size=3).flatmap(classes),
    ),
    max_leaves=5,
)


@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(types, st.data())
def test_values_of_types(typed: Typed, data: st.DataObject) -> None:
    """Each value of a type is accepted by the schema that is sent, and is equal when read back."""
    schema = sent_schema(typed.type)
    jsonschema.Draft202012Validator.check_schema(schema)
    value = data.draw(typed.values)
    written = plain(value)
    jsonschema.validate(written, schema)
    parsed = parse_text(typed.type, json.dumps(written))
    assert parsed == value
    assert type(parsed) is type(value)


def broken(value: Any, choose: Callable[[int], int]) -> Any:
    """The JSON with an array of null, which no type has, in place of one of its leaves; None if it has no leaves."""
    match value:
        case dict() if value:
            keys = list(value)
            key = keys[choose(len(keys))]
            return None if (inner := broken(value[key], choose)) is None else {**value, key: inner}
        case list() if value:
            index = choose(len(value))
            inner = broken(value[index], choose)
            return None if inner is None else [*value[:index], inner, *value[index + 1 :]]
        case dict() | list() | None:
            return None
    return [None]


@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(types, st.data())
def test_other_values(typed: Typed, data: st.DataObject) -> None:
    """JSON with a value of another type at any place is rejected by the schema that is sent, and not parsed."""
    written = broken(plain(data.draw(typed.values)), lambda count: data.draw(st.integers(0, count - 1)))
    if written is None:
        return
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(written, sent_schema(typed.type))
    with pytest.raises(ValueError, match="answer"):
        parse_text(typed.type, json.dumps(written))


@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(types, st.data())
def test_schemas_as_dicts(typed: Typed, data: st.DataObject) -> None:
    """A type's Schema as a dict is the same Schema; pydantic's JSON Schema of a type accepts its values when sent."""
    config = to_generation_config({"response_schema": typed.type})
    if config.HasField("response_schema"):
        for names in (False, True):
            schema = MessageToDict(config.response_schema, preserving_proto_field_name=names)
            assert to_generation_config({"response_schema": schema}) == config
    try:
        adapter = pydantic.TypeAdapter(typed.type)
        written = adapter.dump_python(data.draw(typed.values), mode="json", warnings=False)
        json_schema = adapter.json_schema(mode="serialization")
    except (pydantic.errors.PydanticUserError, pydantic.errors.PydanticSchemaGenerationError):
        return  # pydantic does not support the type
    jsonschema.validate(written, sent_schema(json_schema))
    parameters = {
        "type": "object",
        "properties": {"a": {**json_schema, "$defs": {}}},
        "$defs": json_schema.get("$defs", {}),
    }
    declaration = FunctionDeclaration(name="f", parameters=parameters).to_proto()
    jsonschema.validate({"a": written}, to_python(declaration.parameters_json_schema))
