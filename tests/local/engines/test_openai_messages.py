"""Prompts and replies in the form of OpenAI's chat completions."""

from __future__ import annotations

import json
from typing import Any

import pytest

from genai_grpc import errors, protos
from genai_grpc.local.engines.openai.messages import ReplyParser, to_body, to_texts

ADD: Any = {
    "name": "add",
    "description": "Add.",
    "parameters": {"type": "OBJECT", "properties": {"left": {"type": "NUMBER"}}, "required": ["left"]},
}


def body_of(**fields: Any) -> Any:
    return to_body("m", protos.GenerateContentRequest(**fields))


def parse(*chunks: Any) -> list[protos.GenerateContentResponse]:
    parser = ReplyParser("m")
    return [reply for reply in map(parser.add, chunks) if reply is not None]


def delta(finish_reason: str | None = None, **fields: Any) -> Any:
    return {"choices": [{"index": 0, "delta": fields, "finish_reason": finish_reason}]}


def test_prompt() -> None:
    """Turns are messages, thoughts are left out, and settings have their names."""
    body = body_of(
        system_instruction={"parts": [{"text": "Be brief."}]},
        contents=[
            {"role": "user", "parts": [{"text": "Hi"}, {"text": "there"}]},
            {"role": "model", "parts": [{"text": "Hm.", "thought": True}, {"text": "Hello"}]},
            {"role": "user", "parts": [{"text": "See"}, {"inline_data": {"mime_type": "image/png", "data": b"1"}}]},
        ],
        generation_config={"temperature": 0, "max_output_tokens": 9, "stop_sequences": ["x"], "top_k": 3},
    )
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,MQ=="}}
    assert body == {
        "model": "m",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Hi\nthere"},
            {"role": "assistant", "content": "Hello"},
            {"role": "user", "content": [{"type": "text", "text": "See"}, image]},
        ],
        "temperature": 0,
        "max_tokens": 9,
        "top_k": 3,
        "stop": ["x"],
    }


@pytest.mark.parametrize("has_id", [True, False])
def test_functions(has_id: bool) -> None:
    """Tools, calls and results have their forms; a result names its call, also without an id of the caller's."""
    call_id = {"id": "c-1"} if has_id else {}
    body = body_of(
        contents=[
            {"role": "user", "parts": [{"text": "1 + 2?"}]},
            {"role": "model", "parts": [{"function_call": {"name": "add", "args": {"left": 1}, **call_id}}]},
            {"role": "user", "parts": [{"function_response": {"name": "add", "response": {"sum": 3}, **call_id}}]},
        ],
        tools=[{"function_declarations": [ADD]}],
        tool_config={"function_calling_config": {"mode": "ANY"}},
    )
    _, call, result = body["messages"]
    assert call["content"] is None
    [made] = call["tool_calls"]
    assert made["function"]["name"] == "add"
    assert json.loads(made["function"]["arguments"]) == {"left": 1}
    assert result == {"role": "tool", "tool_call_id": made["id"], "content": '{"sum": 3}'}
    assert (made["id"] == "c-1") == has_id
    [tool] = body["tools"]
    assert tool["function"]["parameters"]["properties"] == {"left": {"type": "number"}}
    assert body["tool_choice"] == "required"


def test_choice_of_functions() -> None:
    """The functions that may be called are sent, and how; a tool that only Google runs is refused."""
    contents = [{"parts": [{"text": "1 + 2?"}]}]
    tools = [{"function_declarations": [ADD, {"name": "now"}]}]

    def sent(**config: Any) -> tuple[list[str], str | None]:
        body = body_of(contents=contents, tools=tools, tool_config={"function_calling_config": config})
        return [tool["function"]["name"] for tool in body.get("tools", [])], body.get("tool_choice")

    assert sent() == (["add", "now"], "auto")
    assert sent(mode="ANY") == (["add", "now"], "required")
    assert sent(mode="ANY", allowed_function_names=["now"]) == (["now"], "required")
    assert sent(mode="NONE") == ([], None)
    with pytest.raises(errors.InvalidArgument, match="has 'later'; declared are add, now"):
        sent(mode="ANY", allowed_function_names=["later"])
    with pytest.raises(errors.InvalidArgument, match="is google_search, which this server cannot run"):
        body_of(contents=contents, tools=[{"google_search": {}}])


def test_json() -> None:
    """JSON output is a response format, with the schema as JSON Schema."""
    config = {
        "response_mime_type": "application/json",
        "response_schema": {"type": "ARRAY", "items": {"type": "STRING"}},
    }
    schema = {"type": "array", "items": {"type": "string"}}
    contents = [{"parts": [{"text": "Hi"}]}]
    found = body_of(contents=contents, generation_config=config)["response_format"]
    assert found == {"type": "json_schema", "json_schema": {"name": "reply", "schema": schema, "strict": True}}
    plain = {"response_mime_type": "application/json"}
    assert body_of(contents=contents, generation_config=plain)["response_format"] == {"type": "json_object"}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"generation_config": {"candidate_count": 2}}, "candidate_count is 2"),
        ({"generation_config": {"response_mime_type": "text/x.enum"}}, "response_mime_type is 'text/x.enum'"),
        ({"contents": [{"parts": [{"function_response": {"name": "f"}}]}]}, "a result of f, and no call of it before"),
    ],
)
def test_wrong_prompt(fields: Any, message: str) -> None:
    """What has no form is INVALID_ARGUMENT."""
    with pytest.raises(errors.InvalidArgument, match=message):
        body_of(**fields)


def test_reply() -> None:
    """Text, thoughts, the finish reason and the usage are those of the chunks."""
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    replies = parse(
        delta(role="assistant"),
        delta(reasoning_content="Hm."),
        delta(content="Hel"),
        delta("length", content="lo"),
        {"choices": [], "usage": usage, "model": "real"},
    )
    parts = [part for reply in replies for candidate in reply.candidates for part in candidate.content.parts]
    assert [(part.text, part.thought) for part in parts] == [("Hm.", True), ("Hel", False), ("lo", False)]
    assert replies[-2].candidates[0].finish_reason == protos.Candidate.FinishReason.MAX_TOKENS
    assert replies[-1].usage_metadata.total_token_count == 5
    assert replies[-1].model_version == "real"


def test_calls_in_pieces() -> None:
    """Function calls are put together from their pieces."""
    first = {"index": 0, "id": "c-1", "function": {"name": "add", "arguments": '{"left"'}}
    replies = parse(
        delta(tool_calls=[first]),
        delta(tool_calls=[{"index": 0, "function": {"arguments": ": 1}"}}]),
        delta(tool_calls=[{"index": 1, "function": {"name": "now"}}]),
        delta("tool_calls"),
    )
    [reply] = replies
    calls = [part.function_call for part in reply.candidates[0].content.parts]
    assert [(call.name, dict(call.args)) for call in calls] == [("add", {"left": 1}), ("now", {})]
    assert calls[0].id == "c-1"
    assert calls[1].id
    assert reply.candidates[0].finish_reason == protos.Candidate.FinishReason.STOP


def test_malformed_call() -> None:
    """Arguments that are no JSON object are MALFORMED_FUNCTION_CALL."""
    call = {"index": 0, "function": {"name": "add", "arguments": "{"}}
    [reply] = parse(delta("tool_calls", tool_calls=[call]))
    assert reply.candidates[0].finish_reason == protos.Candidate.FinishReason.MALFORMED_FUNCTION_CALL
    assert not reply.candidates[0].content.parts


def test_texts() -> None:
    """A text to embed has the title first."""
    request = protos.EmbedContentRequest(title="T", content={"parts": [{"text": "a"}, {"text": "b"}]})
    assert to_texts([request]) == ["T\na\nb"]
