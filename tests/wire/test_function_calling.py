"""Automatic function calling over real gRPC: unary and streamed, sync and async."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime
import math
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import pydantic
import pytest

import genai_grpc as genai
from genai_grpc import errors, protos
from genai_grpc.local import STALL, ScriptEngine
from genai_grpc.types import AutomaticFunctionCalling
from tests.conftest import Api


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


async def slow_add(a: int, b: int) -> int:
    """Add two numbers, asynchronously."""
    await asyncio.sleep(0)
    return a + b


def call_part(name: str, /, call_id: str = "", **arguments: Any) -> protos.Part:
    """A part with a function call."""
    call = protos.FunctionCall(name=name, id=call_id)
    call.args.update(arguments)
    return protos.Part(function_call=call)


def reply(*parts: protos.Part) -> protos.GenerateContentResponse:
    """A reply with these parts."""
    content = protos.Content(role="model", parts=parts)
    return protos.GenerateContentResponse(
        candidates=[protos.Candidate(content=content, finish_reason=protos.Candidate.STOP)]
    )


def function_responses(request: protos.GenerateContentRequest) -> list[Any]:
    """The function responses in the last turn of a request."""
    return [dict(part.function_response.response) for part in request.contents[-1].parts]


@pytest.fixture(params=[False, True], ids=["unary", "streamed"])
def stream(request: pytest.FixtureRequest) -> bool:
    """Whether replies are streamed."""
    return bool(request.param)


def send(api: Api, chat: genai.ChatSession, message: str, stream: bool, **options: Any) -> Any:
    """Send a message, and read the reply to its end."""
    response = api.send(chat, message, stream=stream, **options)
    if stream:
        api.resolve(response)
    return response


def start_chat(model: genai.GenerativeModel, *tools: Any, **settings: Any) -> genai.ChatSession:
    """A chat in which these functions answer the model's calls."""
    model_with_tools = genai.GenerativeModel("gemini-pro", tools=list(tools), client=model.client)
    automatic: Any = AutomaticFunctionCalling(**settings) if settings else True
    return model_with_tools.start_chat(enable_automatic_function_calling=automatic)


def test_call(api: Api, model: genai.GenerativeModel, script: ScriptEngine, stream: bool, dialect: str) -> None:
    """The function gets whole numbers as int, its result is sent with the call's ID, and the next reply is returned."""
    numbers: list[Any] = []

    def double(number: int) -> int:
        numbers.append(number)
        return number * 2

    script.reply(reply(call_part("double", call_id="c1", number=21))).reply("It is", " 42.")
    chat = start_chat(model, double)
    response = send(api, chat, "Double 21", stream)
    assert response.text == "It is 42."
    assert numbers == [21]
    assert type(numbers[0]) is int
    sent = script.requests[1].contents[-1].parts[0].function_response
    call_id = "c1" if dialect == "gemini" else ""  # Vertex AI has none
    assert (sent.id, sent.name, dict(sent.response)) == (call_id, "double", {"result": 42.0})
    assert [turn.role for turn in chat.history] == ["user", "model", "user", "model"]


def test_parallel_calls(api: Api, model: genai.GenerativeModel, script: ScriptEngine, stream: bool) -> None:
    """All calls of one reply are answered in one turn, in order."""
    script.reply(reply(call_part("add", a=1, b=2), call_part("add", a=3, b=4))).reply("3 and 7")
    response = send(api, start_chat(model, add), "Add", stream)
    assert response.text == "3 and 7"
    assert function_responses(script.requests[1]) == [{"result": 3}, {"result": 7}]


def test_several_rounds(api: Api, model: genai.GenerativeModel, script: ScriptEngine, stream: bool) -> None:
    """The model may call again after an answer; every request has the tools and the tool config."""
    script.reply(reply(call_part("add", a=1, b=2))).reply(reply(call_part("add", a=3, b=3))).reply("6")
    config = {"function_calling_config": "auto"}
    response = send(api, start_chat(model, add), "Add", stream, tool_config=config)
    assert response.text == "6"
    for request in script.requests:
        assert request.tool_config.function_calling_config.mode == protos.FunctionCallingConfig.AUTO
        assert request.tools[0].function_declarations[0].name == "add"


def test_max_rounds(api: Api, model: genai.GenerativeModel, script: ScriptEngine, stream: bool) -> None:
    """A model that calls functions in more than `max_rounds` replies raises, and the history does not change."""
    for _ in range(3):
        script.reply(reply(call_part("add", a=1, b=2)))
    chat = start_chat(model, add, max_rounds=2)
    with pytest.raises(errors.FunctionCallingError, match="after 2 rounds"):
        send(api, chat, "Add", stream)
    if stream:
        chat.rewind()
    assert chat.history == []


def test_call_without_function(api: Api, model: genai.GenerativeModel, script: ScriptEngine, stream: bool) -> None:
    """A reply with a call for which there is no function is returned, and none of its calls is answered."""
    script.reply(reply(call_part("add", a=1, b=2), call_part("other")))
    response = send(api, start_chat(model, add, {"name": "other"}), "Add", stream)
    assert [call.name for call in response.function_calls] == ["add", "other"]


def test_exception_raised(api: Api, model: genai.GenerativeModel, script: ScriptEngine, stream: bool) -> None:
    """An exception of a function is raised in the program by default."""

    def fail() -> None:
        raise LookupError("no such thing")

    script.reply(reply(call_part("fail")))
    with pytest.raises(LookupError, match="no such thing"):
        send(api, start_chat(model, fail), "Fail", stream)


def test_exception_sent_to_model(api: Api, model: genai.GenerativeModel, script: ScriptEngine, stream: bool) -> None:
    """With on_error="model", an exception of a function is sent to the model, as are invalid arguments."""

    def fail(number: int) -> None:
        raise LookupError(f"no {number}")

    script.reply(reply(call_part("fail", number=1), call_part("fail", digit=1))).reply("Sorry")
    assert send(api, start_chat(model, fail, on_error="model"), "Fail", stream).text == "Sorry"
    first, second = function_responses(script.requests[1])
    assert first == {"error": "LookupError: no 1"}
    assert "digit" in second["error"]


def test_results(api: Api, model: genai.GenerativeModel, script: ScriptEngine, stream: bool) -> None:
    """Dataclasses, dates and NaN are sent as JSON, and the history has a JSON form."""

    @dataclasses.dataclass
    class Weather:
        day: datetime.date
        rain: float

    def weather(day: datetime.date) -> Weather:
        return Weather(day, math.nan)

    script.reply(reply(call_part("weather", day="2024-02-29"))).reply("No data")
    chat = start_chat(model, weather)
    send(api, chat, "Rain?", stream)
    assert function_responses(script.requests[1]) == [{"day": "2024-02-29", "rain": None}]
    assert genai.ChatSession.from_json(chat.model, chat.to_json()).history == chat.history


def numbers() -> Iterator[int]:
    """Fail after the first item."""
    yield 1
    raise LookupError("no more")


def image() -> Any:
    """Return what JSON cannot express, which is not declared."""
    return {"image": b"png"}


@pytest.mark.parametrize(
    ("function", "error"),
    [(numbers, "LookupError: no more"), (image, "TypeError: the result of image['image']: cannot make JSON of bytes")],
)
def test_unusable_results(
    api: Api,
    model: genai.GenerativeModel,
    script: ScriptEngine,
    stream: bool,
    function: Callable[[], Any],
    error: str,
) -> None:
    """A result without a JSON form raises in the program or, with on_error="model", is an error for the model."""
    name = function.__name__
    script.reply(reply(call_part(name))).reply(reply(call_part(name))).reply("Sorry")
    with pytest.raises((LookupError, TypeError)) as raised:
        send(api, start_chat(model, function), "Call", stream)
    assert f"{type(raised.value).__name__}: {raised.value}".startswith(error)
    assert send(api, start_chat(model, function, on_error="model"), "Call", stream).text == "Sorry"
    (response,) = function_responses(script.requests[-1])
    assert response["error"].startswith(error)


def test_unusable_return_type(api: Api, model: genai.GenerativeModel, script: ScriptEngine, stream: bool) -> None:
    """A function whose return type has no JSON form is refused before anything is sent."""

    def screenshot() -> bytes:
        raise AssertionError  # it is not called

    with pytest.raises(TypeError, match="the result of screenshot: JSON has no bytes"):
        send(api, start_chat(model, screenshot, on_error="model"), "Look", stream)
    assert not script.requests


def test_limits(api: Api, model: genai.GenerativeModel, script: ScriptEngine, stream: bool) -> None:
    """An argument beyond a declared limit is an error: the function is not called."""
    called: list[int] = []

    def dim(percent: Annotated[int, pydantic.Field(ge=0, le=100)]) -> None:
        called.append(percent)

    script.reply(reply(call_part("dim", percent=101), call_part("dim", percent=100))).reply("Done")
    script.reply(reply(call_part("dim", percent=-1)))
    send(api, start_chat(model, dim, on_error="model"), "Dim", stream)
    assert called == [100]
    assert function_responses(script.requests[1]) == [
        {"error": "ValueError: dim(percent): 101 must be at most 100"},
        {"result": None},
    ]
    with pytest.raises(ValueError, match=r"dim\(percent\): -1 must be at least 0"):
        send(api, start_chat(model, dim), "Dim", stream)


def test_positional_only(api: Api, model: genai.GenerativeModel, script: ScriptEngine, stream: bool) -> None:
    """Functions in C and positional-only parameters are called by position."""
    script.reply(reply(call_part("sqrt", x=4))).reply("2")
    send(api, start_chat(model, math.sqrt), "Root", stream)
    assert function_responses(script.requests[1]) == [{"result": 2}]


def test_approval(api: Api, model: genai.GenerativeModel, script: ScriptEngine, stream: bool) -> None:
    """`approve` may reject a call before it runs, with a reason for the model."""
    deleted: list[int] = []

    def delete(number: int) -> str:
        deleted.append(number)
        return "done"

    def approve(call: protos.FunctionCall) -> object:
        verdicts = {1.0: True, 2.0: False, 3.0: "not on a Friday"}
        return verdicts[call.args["number"]]  # type: ignore[index]  # a number, as scripted

    script.reply(reply(*(call_part("delete", number=number) for number in (1, 2, 3)))).reply("One is gone")
    send(api, start_chat(model, delete, approve=approve), "Delete", stream)
    assert deleted == [1]
    assert [next(iter(response.values())) for response in function_responses(script.requests[1])] == [
        "done",
        "the user did not approve this call",
        "not on a Friday",
    ]


def test_coroutine_functions(model: genai.GenerativeModel, script: ScriptEngine, stream: bool) -> None:
    """Coroutine functions are awaited in async chats, and refused in sync ones with what to call instead."""

    async def send_async() -> str:
        chat = start_chat(model, slow_add)
        response = await chat.send_message_async("Add", stream=stream)
        await response.resolve()
        return response.text

    script.reply(reply(call_part("slow_add", a=1, b=2), call_part("slow_add", a=2, b=2))).reply("3 and 4")
    assert asyncio.run(send_async()) == "3 and 4"
    assert function_responses(script.requests[1]) == [{"result": 3}, {"result": 4}]
    script.reply(reply(call_part("slow_add", a=1, b=2)))
    with pytest.raises(TypeError, match="send_message_async"):
        start_chat(model, slow_add).send_message("Add", stream=stream).resolve()


def test_rewind(api: Api, model: genai.GenerativeModel, script: ScriptEngine, stream: bool) -> None:
    """Rewinding removes the message and its reply, with the function calls between them."""
    script.reply(reply(call_part("add", a=1, b=2))).reply("3").reply(reply(call_part("add", a=1, b=1))).reply("2")
    chat = start_chat(model, add)
    send(api, chat, "1 + 2?", stream)
    send(api, chat, "1 + 1?", stream)
    for question, answer in (("1 + 1?", "2"), ("1 + 2?", "3")):
        sent, received = chat.rewind()
        assert (sent.parts[0].text, received.parts[0].text) == (question, answer)
    assert chat.history == []


def test_chunks_of_every_round(api: Api, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """A stream yields the chunks of every reply as they arrive; afterwards it has the last reply."""
    script.reply("Let me see.", reply(call_part("add", a=1, b=2))).reply("It is", " 3.")
    response = api.send(start_chat(model, add), "1 + 2?", stream=True)
    chunks = api.chunks(response)
    parts = [chunk.parts[0] for chunk in iter(lambda: api.next(chunks), None)]
    assert [part.text or part.function_call.name for part in parts] == ["Let me see.", "add", "It is", " 3."]
    assert response.text == "It is 3."


def test_closing_between_rounds(api: Api, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """Closing a stream cancels the call that is open."""
    script.reply(reply(call_part("add", a=1, b=2))).reply("It is", STALL)
    response = api.send(start_chat(model, add), "1 + 2?", stream=True)
    chunks = api.chunks(response)
    api.next(chunks)
    assert api.next(chunks).text == "It is"
    api.close(response)
    script.wait_cancelled()


def test_json_round_trip(api: Api, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """A history round-trips through JSON, function calls and thought signatures included."""
    signed = protos.Part(text="3", thought_signature=b"\x00signed")
    script.reply(reply(call_part("add", call_id="c1", a=1, b=2))).reply(reply(signed))
    chat = start_chat(model, add)
    api.send(chat, "1 + 2?")
    loaded = genai.ChatSession.from_json(chat.model, chat.to_json())
    assert loaded.history == chat.history
    assert loaded.history[-1].parts[0].thought_signature == b"\x00signed"
