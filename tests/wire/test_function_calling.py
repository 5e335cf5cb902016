"""Automatic function calling over real gRPC: at once and streamed, sync and async."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

import genai_grpc as genai
from genai_grpc import errors, protos
from genai_grpc.types import AutomaticFunctionCalling

if TYPE_CHECKING:
    from genai_grpc.local import ScriptEngine


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


async def slow_add(a: int, b: int) -> int:
    """Add two numbers, later."""
    await asyncio.sleep(0)
    return a + b


def calling(name: str, /, call_id: str = "", **arguments: Any) -> protos.Part:
    """A part with a function call."""
    call = protos.FunctionCall(name=name, id=call_id)
    call.args.update(arguments)
    return protos.Part(function_call=call)


def reply(*parts: protos.Part) -> protos.GenerateContentResponse:
    """A reply of these parts."""
    content = protos.Content(role="model", parts=parts)
    return protos.GenerateContentResponse(
        candidates=[protos.Candidate(content=content, finish_reason=protos.Candidate.STOP)]
    )


def answers(request: protos.GenerateContentRequest) -> list[Any]:
    """The function responses in the last turn of a request."""
    return [dict(part.function_response.response) for part in request.contents[-1].parts]


@pytest.fixture(params=[False, True], ids=["whole", "streamed"])
def stream(request: pytest.FixtureRequest) -> bool:
    """Whether replies are streamed."""
    return bool(request.param)


def send(api: Any, chat: genai.ChatSession, message: str, stream: bool, **options: Any) -> Any:
    """Send a message, and read the reply to its end."""
    response = api.send(chat, message, stream=stream, **options)
    if stream:
        api.resolve(response)
    return response


def chat_of(model: genai.GenerativeModel, *tools: Any, **how: Any) -> genai.ChatSession:
    """A chat that answers calls with these functions."""
    tooled = genai.GenerativeModel("gemini-pro", tools=list(tools), client=model.client)
    automatic: Any = AutomaticFunctionCalling(**how) if how else True
    return tooled.start_chat(enable_automatic_function_calling=automatic)


def test_a_call(api: Any, model: genai.GenerativeModel, script: ScriptEngine, stream: bool) -> None:
    """A call is answered by its function, with its id and whole numbers, and the answer in words is the reply."""
    seen: list[Any] = []

    def double(number: int) -> int:
        seen.append(number)
        return number * 2

    script.reply(reply(calling("double", call_id="c1", number=21))).reply("It is", " 42.")
    chat = chat_of(model, double)
    response = send(api, chat, "Double 21", stream)
    assert response.text == "It is 42."
    assert seen == [21]
    assert type(seen[0]) is int
    answer = script.requests[1].contents[-1].parts[0].function_response
    assert (answer.id, answer.name, dict(answer.response)) == ("c1", "double", {"result": 42.0})
    assert [turn.role for turn in chat.history] == ["user", "model", "user", "model"]


def test_parallel_calls(api: Any, model: genai.GenerativeModel, script: ScriptEngine, stream: bool) -> None:
    """All calls of one reply are answered in one turn, in their order."""
    script.reply(reply(calling("add", a=1, b=2), calling("add", a=3, b=4))).reply("3 and 7")
    response = send(api, chat_of(model, add), "Add", stream)
    assert response.text == "3 and 7"
    assert answers(script.requests[1]) == [{"result": 3}, {"result": 7}]


def test_several_rounds(api: Any, model: genai.GenerativeModel, script: ScriptEngine, stream: bool) -> None:
    """The model may call again after an answer; tools and tool config go with each request."""
    script.reply(reply(calling("add", a=1, b=2))).reply(reply(calling("add", a=3, b=3))).reply("6")
    config = {"function_calling_config": "auto"}
    response = send(api, chat_of(model, add), "Add", stream, tool_config=config)
    assert response.text == "6"
    for request in script.requests:
        assert request.tool_config.function_calling_config.mode == protos.FunctionCallingConfig.AUTO
        assert request.tools[0].function_declarations[0].name == "add"


def test_the_bound(api: Any, model: genai.GenerativeModel, script: ScriptEngine, stream: bool) -> None:
    """A model that never stops calling meets a bound, and the history is as it was."""
    for _ in range(3):
        script.reply(reply(calling("add", a=1, b=2)))
    chat = chat_of(model, add, max_rounds=2)
    with pytest.raises(errors.FunctionCallingError, match="after 2 rounds"):
        send(api, chat, "Add", stream)
    if stream:
        chat.rewind()
    assert chat.history == []


def test_a_call_without_a_function(api: Any, model: genai.GenerativeModel, script: ScriptEngine, stream: bool) -> None:
    """A reply with a call that no function answers is the program's to answer, all of it."""
    script.reply(reply(calling("add", a=1, b=2), calling("other")))
    response = send(api, chat_of(model, add, {"name": "other"}), "Add", stream)
    assert [call.name for call in response.function_calls] == ["add", "other"]


def test_an_exception_to_the_caller(api: Any, model: genai.GenerativeModel, script: ScriptEngine, stream: bool) -> None:
    """What a function raises reaches the caller."""

    def fail() -> None:
        raise LookupError("no such thing")

    script.reply(reply(calling("fail")))
    with pytest.raises(LookupError, match="no such thing"):
        send(api, chat_of(model, fail), "Fail", stream)


def test_an_exception_to_the_model(api: Any, model: genai.GenerativeModel, script: ScriptEngine, stream: bool) -> None:
    """What a function raises is told to the model, if asked; wrong arguments too."""

    def fail(number: int) -> None:
        raise LookupError(f"no {number}")

    script.reply(reply(calling("fail", number=1), calling("fail", digit=1))).reply("Sorry")
    assert send(api, chat_of(model, fail, on_error="model"), "Fail", stream).text == "Sorry"
    first, second = answers(script.requests[1])
    assert first == {"error": "LookupError: no 1"}
    assert "digit" in second["error"]


def test_approval(api: Any, model: genai.GenerativeModel, script: ScriptEngine, stream: bool) -> None:
    """A call may be vetoed before it runs, with a reason for the model."""
    ran: list[int] = []

    def delete(number: int) -> str:
        ran.append(number)
        return "done"

    def approve(call: protos.FunctionCall) -> object:
        verdicts = {1.0: True, 2.0: False, 3.0: "not on a Friday"}
        return verdicts[call.args["number"]]  # type: ignore[index]  # a number, as was scripted

    script.reply(reply(*(calling("delete", number=number) for number in (1, 2, 3)))).reply("One is gone")
    send(api, chat_of(model, delete, approve=approve), "Delete", stream)
    assert ran == [1]
    assert [next(iter(answer.values())) for answer in answers(script.requests[1])] == [
        "done",
        "the user did not approve this call",
        "not on a Friday",
    ]


def test_coroutine_functions(model: genai.GenerativeModel, script: ScriptEngine, stream: bool) -> None:
    """Coroutine functions are awaited in async chats, and refused clearly in sync ones."""

    async def converse() -> str:
        async with model.client:
            chat = chat_of(model, slow_add)
            response = await chat.send_message_async("Add", stream=stream)
            await response.resolve()
            return response.text

    script.reply(reply(calling("slow_add", a=1, b=2), calling("slow_add", a=2, b=2))).reply("3 and 4")
    assert asyncio.run(converse()) == "3 and 4"
    assert answers(script.requests[1]) == [{"result": 3}, {"result": 4}]
    script.reply(reply(calling("slow_add", a=1, b=2)))
    with pytest.raises(TypeError, match="send_message_async"):
        chat_of(model, slow_add).send_message("Add", stream=stream).resolve()


def test_rewind(api: Any, model: genai.GenerativeModel, script: ScriptEngine, stream: bool) -> None:
    """Rewinding takes back the message with the calls that it led to."""
    script.reply(reply(calling("add", a=1, b=2))).reply("3").reply(reply(calling("add", a=1, b=1))).reply("2")
    chat = chat_of(model, add)
    send(api, chat, "1 + 2?", stream)
    send(api, chat, "1 + 1?", stream)
    for question, answer in (("1 + 1?", "2"), ("1 + 2?", "3")):
        sent, received = chat.rewind()
        assert (sent.parts[0].text, received.parts[0].text) == (question, answer)
    assert chat.history == []


def test_chunks_of_all_rounds(api: Any, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """A stream hands out the chunks of every reply as they come; what is read after is the last reply."""
    script.reply("Let me see.", reply(calling("add", a=1, b=2))).reply("It is", " 3.")
    response = api.send(chat_of(model, add), "1 + 2?", stream=True)
    chunks = api.chunks(response)
    parts = [chunk.parts[0] for chunk in iter(lambda: api.next(chunks), None)]
    assert [part.text or part.function_call.name for part in parts] == ["Let me see.", "add", "It is", " 3."]
    assert response.text == "It is 3."


def test_closing_between_rounds(api: Any, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """Closing a stream ends the call that is open at that moment."""
    from genai_grpc.local import STALL

    script.reply(reply(calling("add", a=1, b=2))).reply("It is", STALL)
    response = api.send(chat_of(model, add), "1 + 2?", stream=True)
    chunks = api.chunks(response)
    api.next(chunks)
    assert api.next(chunks).text == "It is"
    api.close(response)
    script.wait_cancelled()


def test_a_chat_saved(api: Any, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """A history goes through JSON and back, with its calls and thought signatures."""
    signed = protos.Part(text="3", thought_signature=b"\x00signed")
    script.reply(reply(calling("add", call_id="c1", a=1, b=2))).reply(reply(signed))
    chat = chat_of(model, add)
    api.send(chat, "1 + 2?")
    loaded = genai.ChatSession.from_json(chat.model, chat.to_json())
    assert loaded.history == chat.history
    assert loaded.history[-1].parts[0].thought_signature == b"\x00signed"
