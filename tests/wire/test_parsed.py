"""Typed answers, and answers put away, over real gRPC."""

from __future__ import annotations

import dataclasses
import enum
import pickle
from typing import Any

import pytest

import genai_grpc as genai
from genai_grpc.local import ScriptEngine
from genai_grpc.types import GenerateContentResponse


@dataclasses.dataclass
class Person:
    """Somebody."""

    name: str
    age: int


class Mood(enum.Enum):
    """How it reads."""

    GOOD = "good"
    BAD = "bad"


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_parsed(api: Any, model: genai.GenerativeModel, script: ScriptEngine, stream: bool) -> None:
    """An answer is of the type that was asked for, and the schema of that type was sent."""
    script.reply('[{"name": "Ada",', ' "age": 36.0}]')
    config = {"response_mime_type": "application/json", "response_schema": list[Person]}
    response = api.generate(model, "Who?", generation_config=config, stream=stream)
    if stream:
        api.resolve(response)
    assert response.parsed == [Person("Ada", 36)]
    schema = script.requests[0].generation_config.response_schema
    assert list(schema.items.required) == ["name", "age"]


def test_the_models_schema(api: Any, client: genai.Client, script: ScriptEngine) -> None:
    """A schema among the model's defaults serves every call, until a call has one of its own."""
    config = genai.GenerationConfig(response_mime_type="application/json", response_schema=Person)
    model = genai.GenerativeModel(generation_config=config, client=client)
    script.reply('{"name": "Ada", "age": 36}').reply("[1]")
    assert api.send(model.start_chat(), "Who?").parsed == Person("Ada", 36)
    assert api.generate(model, "How many?", generation_config={"response_schema": list[int]}).parsed == [1]


def test_a_bare_word(api: Any, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """An answer of the type text/x.enum is a member of the Enum."""
    script.reply("good")
    config = {"response_mime_type": "text/x.enum", "response_schema": Mood}
    assert api.generate(model, "How is it?", generation_config=config).parsed is Mood.GOOD


def test_an_answer_that_does_not_fit(api: Any, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """An answer that is no JSON, or of another type, is a ValueError that says why."""
    script.reply("Hello").reply('{"name": 3, "age": 36}')
    config = {"response_schema": Person}
    with pytest.raises(ValueError, match="not JSON.*response_mime_type"):
        _ = api.generate(model, "Who?", generation_config=config).parsed
    with pytest.raises(ValueError, match=r"the answer\.name: expected str, got 3"):
        _ = api.generate(model, "Who?", generation_config=config).parsed


def test_a_pickled_response(api: Any, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """A response that is complete can be pickled, with the type of its answer; an open stream cannot."""
    script.reply('{"name": "Ada",', ' "age": 36}')
    response = api.generate(model, "Who?", generation_config={"response_schema": Person}, stream=True)
    with pytest.raises(TypeError, match="resolve"):
        pickle.dumps(response)
    api.resolve(response)
    again = pickle.loads(pickle.dumps(response))  # noqa: S301 -- our own bytes
    assert (again.text, again.parsed) == (response.text, Person("Ada", 36))


def test_json(api: Any, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """A response goes through JSON and back."""
    script.reply("Hello", " world")
    response = api.generate(model, "Hi")
    again = GenerateContentResponse.from_json(response.to_json())
    assert (again.text, again.usage_metadata) == ("Hello world", response.usage_metadata)
    with pytest.raises(ValueError, match="cannot read a response"):
        GenerateContentResponse.from_json("[")


def test_notebooks(api: Any, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """A notebook shows the text of an answer, and what there is of one without text."""
    script.reply("*Hello*").reply("Hel", "lo")
    assert api.generate(model, "Hi")._repr_markdown_() == "*Hello*"
    assert "done=False" in api.generate(model, "Hi", stream=True)._repr_markdown_()
