"""Typed responses, and saved ones, over real gRPC."""

from __future__ import annotations

import dataclasses
import enum
import pickle

import pytest

import genai_grpc as genai
from genai_grpc.local import ScriptEngine
from genai_grpc.types import GenerateContentResponse
from tests.conftest import Api


@dataclasses.dataclass
class Person:
    """A person."""

    name: str
    age: int


class Mood(enum.Enum):
    """The mood of a text."""

    GOOD = "good"
    BAD = "bad"


@pytest.mark.parametrize("stream", [False, True], ids=["unary", "streamed"])
def test_parsed(api: Api, model: genai.GenerativeModel, script: ScriptEngine, stream: bool) -> None:
    """The schema of a Python type is sent, and `parsed` is of that type."""
    script.reply('[{"name": "Ada",', ' "age": 36.0}]')
    config = {"response_mime_type": "application/json", "response_schema": list[Person]}
    response = api.generate(model, "Who?", generation_config=config, stream=stream)
    if stream:
        api.resolve(response)
    assert response.parsed == [Person("Ada", 36)]
    schema = script.requests[0].generation_config.response_schema
    assert list(schema.items.required) == ["name", "age"]


def test_schema_of_model(api: Api, client: genai.Client, script: ScriptEngine) -> None:
    """The schema of the model applies to every call that has none of its own."""
    config = genai.GenerationConfig(response_mime_type="application/json", response_schema=Person)
    model = genai.GenerativeModel(generation_config=config, client=client)
    script.reply('{"name": "Ada", "age": 36}').reply("[1]")
    assert api.send(model.start_chat(), "Who?").parsed == Person("Ada", 36)
    assert api.generate(model, "How many?", generation_config={"response_schema": list[int]}).parsed == [1]


def test_enum(api: Api, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """A response of MIME type text/x.enum is parsed as a member of the Enum."""
    script.reply("good")
    config = {"response_mime_type": "text/x.enum", "response_schema": Mood}
    assert api.generate(model, "How is it?", generation_config=config).parsed is Mood.GOOD


def test_invalid_json(api: Api, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """A response that is not JSON, or does not fit the type, is a ValueError that says why."""
    script.reply("Hello").reply('{"name": 3, "age": 36}')
    config = {"response_schema": Person}
    with pytest.raises(ValueError, match="not JSON.*response_mime_type"):
        _ = api.generate(model, "Who?", generation_config=config).parsed
    with pytest.raises(ValueError, match=r"the answer\.name: expected str, got 3"):
        _ = api.generate(model, "Who?", generation_config=config).parsed


def test_pickle(api: Api, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """A complete response can be pickled, with its schema; an open stream cannot."""
    script.reply('{"name": "Ada",', ' "age": 36}')
    response = api.generate(model, "Who?", generation_config={"response_schema": Person}, stream=True)
    with pytest.raises(TypeError, match="resolve"):
        pickle.dumps(response)
    api.resolve(response)
    copied = pickle.loads(pickle.dumps(response))
    assert (copied.text, copied.parsed) == (response.text, Person("Ada", 36))


def test_json_round_trip(api: Api, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """A response round-trips through JSON; invalid JSON is a ValueError."""
    script.reply("Hello", " world")
    response = api.generate(model, "Hi")
    copied = GenerateContentResponse.from_json(response.to_json())
    assert (copied.text, copied.usage_metadata) == ("Hello world", response.usage_metadata)
    with pytest.raises(ValueError, match="cannot read a response"):
        GenerateContentResponse.from_json("[")


def test_notebook(api: Api, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """A notebook shows the text of a response, or its repr if it has no text yet."""
    script.reply("*Hello*").reply("Hel", "lo")
    assert api.generate(model, "Hi")._repr_markdown_() == "*Hello*"
    assert "done=False" in api.generate(model, "Hi", stream=True)._repr_markdown_()
