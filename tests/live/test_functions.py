"""Function calls in live sessions: by hand, by the session, and their cancellation."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from genai_grpc import errors, testing, types
from genai_grpc.live import LiveMessage, LiveSession
from genai_grpc.local import ScriptEngine
from genai_grpc.local.server import Server
from tests.live.sessions import opened, read_turn, text_of

DECLARED = {"tools": [{"function_declarations": [{"name": "add", "description": "Add two numbers."}]}]}


def add(left: float, right: float) -> float:
    """Add two numbers."""
    return left + right


def calls(*numbers: tuple[float, float]) -> Any:
    """A reply that calls `add`."""
    return testing.response(*[testing.function_call("add", left=left, right=right) for left, right in numbers])


async def first_calls(session: LiveSession) -> LiveMessage:
    """The first message with function calls."""
    async for message in session:
        if message.function_calls:
            return message
    raise AssertionError("the session ended")


def test_by_hand(server: Server, script: ScriptEngine) -> None:
    """The program answers function calls by their ids; the model goes on once all results are there."""
    script.reply(calls((1, 2), (3, 4))).reply("3 and 7")

    async def main() -> None:
        async with opened(server, DECLARED) as session:
            await session.send_client_content("1 + 2, 3 + 4?")
            message = await first_calls(session)
            for call in message.function_calls:
                arguments: Any = call.args
                result = {"sum": arguments["left"] + arguments["right"]}
                await session.send_tool_response({"id": call.id, "name": call.name, "response": result})
            assert text_of(await read_turn(session)) == "3 and 7"

    asyncio.run(main())
    results = script.requests[1].contents[-1].parts
    assert [part.function_response.response["sum"] for part in results] == [3, 7]
    ids = [part.function_call.id for part in script.requests[1].contents[-2].parts]
    assert ids == [part.function_response.id for part in results]
    assert all(ids)


@pytest.mark.parametrize("awaitable", [False, True])
def test_automatic(server: Server, script: ScriptEngine, awaitable: bool) -> None:
    """The session calls the functions among the tools, and awaits coroutine functions."""

    async def add_async(left: float, right: float) -> float:
        """Add two numbers."""
        await asyncio.sleep(0)
        return left + right

    add_async.__name__ = "add"
    script.reply(calls((1, 2))).reply(calls((3, 4))).reply("Done")

    async def main() -> None:
        config = {"tools": [add_async if awaitable else add]}
        async with opened(server, config, enable_automatic_function_calling=True) as session:
            await session.send_client_content("Add.")
            messages = await read_turn(session)
        assert text_of(messages) == "Done"
        assert [len(message.function_calls) for message in messages if message.function_calls] == [1, 1]

    asyncio.run(main())
    results = [request.contents[-1].parts[0].function_response.response["result"] for request in script.requests[1:]]
    assert results == [3, 7]


def test_interrupted_functions(server: Server, script: ScriptEngine) -> None:
    """New input cancels the calls that wait for results, and the functions that run; the model does not see them."""
    script.reply("Wait.", calls((1, 2))).reply("Never mind")
    started, cancelled = asyncio.Event(), []

    async def slow(left: float, right: float) -> float:
        """Add two numbers."""
        started.set()
        try:
            await asyncio.sleep(100)
        except asyncio.CancelledError:
            cancelled.append((left, right))
            raise
        return 0

    slow.__name__ = "add"

    async def main() -> None:
        async with opened(server, {"tools": [slow]}, enable_automatic_function_calling=True) as session:
            await session.send_client_content("Add.")
            reading = asyncio.ensure_future(read_turn(session))
            await started.wait()
            await session.send_client_content("Forget it.")
            messages = await reading
            [ids] = [message.cancelled_calls for message in messages if message.cancelled_calls]
            [made] = [message.function_calls for message in messages if message.function_calls]
            assert ids == [call.id for call in made]
            assert text_of(messages) == "Wait.Never mind"

    asyncio.run(main())
    assert cancelled == [(1, 2)]
    assert not any(part.HasField("function_call") for turn in script.requests[1].contents for part in turn.parts)


def test_function_that_raises(server: Server, script: ScriptEngine) -> None:
    """An exception of a function is raised where messages are received; or the model gets it."""
    script.reply(calls((1, 2))).reply(calls((1, 2))).reply("It failed")

    def failing(left: float, right: float) -> float:
        """Add two numbers."""
        raise ZeroDivisionError(f"{left} and {right}")

    failing.__name__ = "add"

    async def main() -> None:
        async with opened(server, {"tools": [failing]}, enable_automatic_function_calling=True) as session:
            await session.send_client_content("Add.")
            with pytest.raises(ZeroDivisionError):
                await read_turn(session)
        to_model = types.AutomaticFunctionCalling(on_error="model")
        async with opened(server, {"tools": [failing]}, enable_automatic_function_calling=to_model) as session:
            await session.send_client_content("Add.")
            assert text_of(await read_turn(session)) == "It failed"

    asyncio.run(main())
    [part] = script.requests[-1].contents[-1].parts
    assert "ZeroDivisionError" in str(part.function_response.response["error"])


def test_too_many_rounds(server: Server, script: ScriptEngine) -> None:
    """A model that goes on calling functions is an error."""
    script.reply(calls((1, 2))).reply(calls((1, 2)))
    once = types.AutomaticFunctionCalling(max_rounds=1)

    async def main() -> None:
        async with opened(server, {"tools": [add]}, enable_automatic_function_calling=once) as session:
            await session.send_client_content("Add.")
            await read_turn(session)

    with pytest.raises(errors.FunctionCallingError, match="after 1 rounds"):
        asyncio.run(main())


def test_function_without_a_function(server: Server, script: ScriptEngine) -> None:
    """Calls of functions that are only declared are left to the program."""
    script.reply(calls((1, 2))).reply("3")

    async def main() -> None:
        async with opened(server, DECLARED, enable_automatic_function_calling=True) as session:
            await session.send_client_content("Add.")
            [call] = (await first_calls(session)).function_calls
            await session.send_tool_response([{"id": call.id, "name": "add", "response": {"result": 3}}])
            assert text_of(await read_turn(session)) == "3"

    asyncio.run(main())
