from __future__ import annotations

import pytest
from google.protobuf import json_format

from genai_grpc import protos
from genai_grpc.errors import InvalidArgument
from genai_grpc.local.engines.llama.function_arguments import (
    restrict_to_text,
    to_arguments_prompt,
    to_arguments_schema,
    to_call,
)

WEATHER = protos.FunctionDeclaration(
    name="get_weather",
    description="Weather.",
    parameters=protos.Schema(
        type=protos.Type.OBJECT, properties={"city": protos.Schema(type=protos.Type.STRING)}, required=["city"]
    ),
)


def test_restriction_to_text() -> None:
    """Free text is restricted to words of the user's text, and enums to its names; strings with a format stay."""
    schema = {
        "type": "object",
        "properties": {
            "who": {"type": "string"},
            "size": {"type": "string", "enum": ["small", "large"]},
            "unit": {"type": "string", "enum": ["cm", "inch"]},
            "day": {"type": "string", "format": "date"},
            "tags": {"type": "array", "items": {"type": "string", "maxLength": 4}},
            "either": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        },
    }
    properties = restrict_to_text(schema, "Anna's large, hat.")["properties"]
    assert properties["who"]["enum"] == [
        "Anna's",
        "Anna",
        "Anna's large",
        "Anna's large, hat",
        "large",
        "large, hat",
        "hat",
    ]
    assert properties["size"]["enum"] == ["large"]
    assert properties["unit"]["enum"] == ["cm", "inch"]
    assert properties["day"] == {"type": "string", "format": "date"}
    assert properties["tags"] == {"maxItems": 8, "type": "array", "items": {"type": "string", "enum": ["Anna", "hat"]}}
    assert properties["either"]["anyOf"][0]["enum"][0] == "Anna's"
    assert restrict_to_text({"type": "string"}, "") == {"type": "string"}


def test_prompt() -> None:
    """The prompt ends with the function and the user's text."""
    assert to_arguments_prompt(WEATHER, "Rain\nin Oslo?").text.endswith(
        "\n# get_weather: Weather. city: string\nUser: Rain in Oslo?\nJSON:"
    )


def test_parameters_in_the_prompt() -> None:
    """The prompt names each parameter with its type or names, and its description."""
    function = protos.FunctionDeclaration(name="f", description="One.\n\nTwo.")
    schema = {
        "properties": {
            "kind": {"type": "string", "enum": ["sweet", "salty"], "description": "Of the dish."},
            "count": {"type": ["integer", "null"]},
            "any": {},
            "true": True,
        }
    }
    json_format.ParseDict(schema, function.parameters_json_schema)
    parameters = 'any: any, count: integer or null, kind: "sweet" or "salty" (Of the dish.), true: any'
    assert f"\n# f: One. {parameters}\nUser: Hi\n" in to_arguments_prompt(function, "Hi").text


def test_call() -> None:
    """Arguments in JSON become those of a call."""
    call = to_call(WEATHER, '{"city": "Oslo", "days": 2}', "call-1")
    assert (call.id, call.name, dict(call.args)) == ("call-1", "get_weather", {"city": "Oslo", "days": 2})


def test_parameters() -> None:
    """Parameters are a Schema, a JSON Schema of an object, or missing; anything else is an error."""
    assert '"Oslo"' in to_arguments_schema(WEATHER, "Oslo").rule
    assert "Oslo" not in to_arguments_schema(WEATHER, "Oslo").probe
    function = protos.FunctionDeclaration(name="f")
    assert '"properties": {}' in to_arguments_schema(function, "Oslo").rule
    function.parameters_json_schema.string_value = "x"
    with pytest.raises(InvalidArgument, match='parameters of f are "x"'):
        to_arguments_schema(function, "Oslo")
    function.parameters.type = protos.Type.OBJECT
    with pytest.raises(InvalidArgument, match="f has parameters and parameters_json_schema"):
        to_arguments_schema(function, "Oslo")
