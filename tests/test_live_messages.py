"""The messages of live sessions, from what a program passes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from genai_grpc import protos
from genai_grpc._live_messages import LiveMessage, to_realtime_input, to_setup, to_tool_response

MARKS: Any = {"audio_stream_end": False, "activity_start": False, "activity_end": False}


def add(left: float, right: float) -> float:
    """Add two numbers."""
    return left + right


def test_setup() -> None:
    """Each setting goes to its field."""
    setup, functions = to_setup(
        "gemini-pro",
        {
            "generation_config": {"response_modalities": ["TEXT"], "max_output_tokens": 9},
            "system_instruction": "Be brief.",
            "tools": [add],
            "realtime_input_config": {"activity_handling": "NO_INTERRUPTION"},
            "session_resumption": "a handle",
            "context_window_compression": True,
            "input_audio_transcription": True,
            "output_audio_transcription": False,
        },
    )
    assert setup == protos.BidiGenerateContentSetup(
        model="models/gemini-pro",
        generation_config={"response_modalities": ["TEXT"], "max_output_tokens": 9},
        system_instruction={"parts": [{"text": "Be brief."}]},
        tools=setup.tools,
        realtime_input_config={"activity_handling": "NO_INTERRUPTION"},
        session_resumption={"handle": "a handle"},
        context_window_compression={"sliding_window": {}},
        input_audio_transcription={},
    )
    assert [declared.name for tool in setup.tools for declared in tool.function_declarations] == ["add"]
    assert functions is not None


def test_setup_of_a_message() -> None:
    """A message is taken as it is, but for the model; its tools have no functions."""
    message = protos.BidiGenerateContentSetup(
        session_resumption={}, tools=[{"function_declarations": [{"name": "add"}]}]
    )
    setup, functions = to_setup("gemini-pro", message)
    assert setup == protos.BidiGenerateContentSetup(
        model="models/gemini-pro", session_resumption={}, tools=message.tools
    )
    assert functions is not None
    assert functions.function(protos.FunctionCall(name="add")) is None
    assert message.model == ""


@pytest.mark.parametrize(
    ("config", "error", "problem"),
    [
        ({"temperature": 1}, TypeError, "config has 'temperature'.*goes into generation_config"),
        ({"model": "m"}, TypeError, "config has 'model'"),
        ([], TypeError, "a dict or a protos.BidiGenerateContentSetup; got list"),
        ({"realtime_input_config": {"nothing": 1}}, (TypeError, ValueError), "nothing"),
        ({"generation_config": {"nothing": 1}}, (TypeError, ValueError), "nothing"),
    ],
)
def test_wrong_setup(config: Any, error: Any, problem: str) -> None:
    """A setting that is wrong is an error that names it."""
    with pytest.raises(error, match=problem):
        to_setup("gemini-pro", config)


def test_realtime_input(tmp_path: Path) -> None:
    """Media are what prompts take as media."""
    image = tmp_path / "cat.gif"
    image.write_bytes(b"GIF89a")
    message = to_realtime_input({"mime_type": "audio/pcm", "data": b"1"}, image, "Hi", **MARKS | {"activity_end": True})
    assert message == protos.BidiGenerateContentRealtimeInput(
        audio={"mime_type": "audio/pcm", "data": b"1"},
        video={"mime_type": "image/gif", "data": b"GIF89a"},
        text="Hi",
        activity_end={},
    )


@pytest.mark.parametrize(
    ("media", "problem"),
    [(None, "there is no input"), ("a text", "audio is a dict with mime_type and data"), (1, "int")],
)
def test_wrong_input(media: Any, problem: str) -> None:
    """What is no media is an error, and so is nothing."""
    with pytest.raises(TypeError, match=problem):
        to_realtime_input(media, None, None, **MARKS)


def test_empty_text() -> None:
    """An empty text is a text."""
    assert to_realtime_input(None, None, "", **MARKS).HasField("text")


@pytest.mark.parametrize("many", [True, False])
def test_tool_response(many: bool) -> None:
    """Results are messages or dicts, one or several."""
    given: Any = {"id": "1", "name": "add", "response": {"result": 3}}
    message = to_tool_response([given, protos.FunctionResponse(id="2")] if many else given)
    assert [response.id for response in message.function_responses] == (["1", "2"] if many else ["1"])


def test_wrong_tool_response() -> None:
    """A result without the id of its call is an error, and so is another value."""
    with pytest.raises(ValueError, match="the response of add has no id"):
        to_tool_response({"name": "add"})
    with pytest.raises(TypeError, match="got int"):
        to_tool_response(1)


def test_message() -> None:
    """A message of the service has what it carries, and nothing where it carries nothing."""
    turn = {"parts": [{"text": "Hm.", "thought": True}, {"text": "Hi"}, {"inline_data": {"data": b"1"}}]}
    content = {
        "model_turn": turn,
        "interrupted": True,
        "generation_complete": True,
        "turn_complete": True,
        "input_transcription": {"text": "in"},
        "output_transcription": {"text": "out"},
    }
    usage = {"total_token_count": 3}
    message = LiveMessage(protos.BidiGenerateContentServerMessage(server_content=content, usage_metadata=usage))
    assert (message.text, message.data, len(message.parts)) == ("Hi", b"1", 3)
    assert message.interrupted
    assert message.generation_complete
    assert message.turn_complete
    assert (message.input_transcription, message.output_transcription) == ("in", "out")
    assert message.usage_metadata is not None
    assert message.usage_metadata.total_token_count == 3
    assert "Hi" in repr(message)

    call = protos.BidiGenerateContentServerMessage(tool_call={"function_calls": [{"id": "1", "name": "add"}]})
    assert [each.name for each in LiveMessage(call).function_calls] == ["add"]
    cancelled = protos.BidiGenerateContentServerMessage(tool_call_cancellation={"ids": ["1"]})
    assert LiveMessage(cancelled).cancelled_calls == ["1"]
    leaving = protos.BidiGenerateContentServerMessage(go_away={"time_left": {"seconds": 1, "nanos": 500_000_000}})
    assert LiveMessage(leaving).time_left == 1.5

    nothing = LiveMessage(protos.BidiGenerateContentServerMessage())
    assert (nothing.text, nothing.data, nothing.parts, nothing.function_calls) == ("", b"", [], [])
    assert (nothing.time_left, nothing.usage_metadata, nothing.cancelled_calls) == (None, None, [])
    assert nothing.to_proto() == protos.BidiGenerateContentServerMessage()
