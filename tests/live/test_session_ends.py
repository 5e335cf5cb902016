"""How live sessions end: by the program, the client, the server and the engine; and what is refused."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

import genai_grpc as genai
from genai_grpc import errors, protos
from genai_grpc.local import STALL, ScriptEngine, serve
from genai_grpc.local.server import Server
from genai_grpc.testing import FaultProxy
from tests.live.sessions import opened, read_turn, text_of


def test_go_away(script: ScriptEngine) -> None:
    """A server that stops says so, and ends the session with ABORTED when its time is over."""
    server = serve(script)
    server.start()
    waiting = threading.Event()

    async def main() -> None:
        async with opened(server) as session:
            messages = aiter(session)
            reading = asyncio.ensure_future(anext(messages))
            await asyncio.to_thread(waiting.set)
            stopping = asyncio.ensure_future(asyncio.to_thread(server.stop, 0.5))
            assert (await reading).time_left == 0.5
            with pytest.raises(errors.Aborted, match="resume the session"):
                await anext(messages)
            await stopping

    asyncio.run(main())


def test_stop_in_mid_reply(script: ScriptEngine) -> None:
    """A server that stops ends a reply in progress, too."""
    script.reply("One,", STALL)
    server = serve(script)
    server.start()

    async def main() -> None:
        async with opened(server) as session:
            await session.send_client_content("Count.")
            messages = aiter(session)
            assert (await anext(messages)).text == "One,"
            stopping = asyncio.ensure_future(asyncio.to_thread(server.stop, 0.1))
            assert (await anext(messages)).time_left == 0.1
            with pytest.raises(errors.Aborted):
                await anext(messages)
            await stopping

    asyncio.run(main())
    script.wait_cancelled(1)


def test_block_that_is_left(server: Server, script: ScriptEngine) -> None:
    """A session ends with its block: the engine stops, and nothing stays in flight."""
    script.reply("One,", STALL)

    async def main() -> None:
        async with genai.Client(endpoint=server.endpoint) as client:
            async with client.live.connect("gemini-pro") as session:
                await session.send_client_content("Count.")
                assert (await anext(aiter(session))).text == "One,"
                assert client.stats().in_flight == 1
            assert client.stats().in_flight == 0
            with pytest.raises(errors.Cancelled):
                await session.send_client_content("More")

    asyncio.run(main())
    script.wait_cancelled(1)


def test_interceptor(server: Server, script: ScriptEngine) -> None:
    """Interceptors see a session as one call; to leave its block is its normal end."""
    script.reply("Hello")
    ends: list[Any] = []

    class Observer(genai.types.Interceptor):
        def before(self, call: genai.types.CallInfo) -> Any:
            return call

        def after(self, state: Any, error: BaseException | None, reply: Any) -> None:
            ends.append((state.method.rpartition("/")[2], state.request.setup.model, error))

    async def main() -> None:
        async with (
            genai.Client(endpoint=server.endpoint, interceptors=[Observer()]) as client,
            client.live.connect("gemini-pro") as session,
        ):
            await session.send_client_content("Hi")
            await read_turn(session)
            assert ends == []

    asyncio.run(main())
    assert ends == [("BidiGenerateContent", "models/gemini-pro", None)]


def test_client_that_is_closed(server: Server, script: ScriptEngine) -> None:
    """A client that is closed ends its sessions: who reads and who writes gets ClientClosed."""
    script.reply("One,", STALL)

    async def main() -> None:
        client = genai.Client(endpoint=server.endpoint)
        async with client.live.connect("gemini-pro") as session:
            await session.send_client_content("Count.")
            messages = aiter(session)
            assert (await anext(messages)).text == "One,"
            reading = asyncio.ensure_future(anext(messages))
            await asyncio.sleep(0)
            await client.aclose()
            with pytest.raises(errors.ClientClosed):
                await reading
            with pytest.raises(errors.ClientClosed):
                await session.send_client_content("More")

    asyncio.run(main())
    script.wait_cancelled(1)


def test_reading_that_is_cancelled(server: Server, script: ScriptEngine) -> None:
    """A task that waits for a message can be cancelled, and the message is there for the next one."""
    script.reply(genai.local.Delay(0.1), "Hello")

    async def main() -> None:
        async with opened(server) as session:
            await session.send_client_content("Hi")
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(read_turn(session), 0.01)
            assert text_of(await read_turn(session)) == "Hello"

    asyncio.run(main())


def test_two_readers(server: Server) -> None:
    """Two tasks cannot receive at once."""

    async def main() -> None:
        async with opened(server) as session:
            first = asyncio.ensure_future(read_turn(session))
            await asyncio.sleep(0)
            with pytest.raises(RuntimeError, match="another task receives"):
                await read_turn(session)
            first.cancel()

    asyncio.run(main())


def test_engine_that_fails(server: Server, script: ScriptEngine) -> None:
    """An error of the engine ends the session with its status, for the reader, and then for who writes."""
    script.reply("One,", errors.DataLoss("the rest is lost"))

    async def main() -> None:
        async with opened(server) as session:
            await session.send_client_content("Count.")
            messages = aiter(session)
            assert (await anext(messages)).text == "One,"
            with pytest.raises(errors.DataLoss, match="the rest is lost"):
                await anext(messages)
            with pytest.raises(errors.DataLoss):
                await session.send_client_content("More")

    asyncio.run(main())


def test_setup_without_an_answer(server: Server) -> None:
    """A setup that is not answered within the timeout is DEADLINE_EXCEEDED, and leaves nothing in flight."""

    async def main() -> None:
        with FaultProxy(server.endpoint) as proxy:
            proxy.stall("down")
            async with genai.Client(endpoint=proxy.endpoint) as client:
                with pytest.raises(errors.DeadlineExceeded, match="did not answer the first message"):
                    async with client.live.connect("gemini-pro", request_options={"timeout": 0.3}):
                        pytest.fail("the session was opened")
                assert client.stats().in_flight == 0

    asyncio.run(main())


@pytest.mark.parametrize(
    ("message", "problem"),
    [
        ({"setup": {"model": "models/script"}}, "one `setup`"),
        ({}, "the message is empty"),
        ({"tool_response": {"function_responses": [{"id": "1"}]}}, "no function call with the id '1'"),
        ({"realtime_input": {"activity_start": {}}}, "automatic_activity_detection.disabled"),
        ({"client_content": {"turns": [{"role": "pope", "parts": [{"text": "Hi"}]}], "turn_complete": True}}, "role"),
    ],
)
def test_wrong_message(server: Server, message: Any, problem: str) -> None:
    """A message that the session does not expect ends it with INVALID_ARGUMENT."""

    async def main() -> None:
        async with opened(server) as session:
            await session.send(protos.BidiGenerateContentClientMessage(**message))
            with pytest.raises(errors.InvalidArgument, match=problem):
                await read_turn(session)

    asyncio.run(main())


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        ({"generation_config": {"stop_sequences": ["x"]}}, "does not take generation_config.stop_sequences"),
        ({"generation_config": {"response_mime_type": "application/json"}}, "response_mime_type"),
    ],
)
def test_wrong_setup(server: Server, config: Any, problem: str) -> None:
    """A setup that a session cannot have is INVALID_ARGUMENT, when it is opened."""

    async def main() -> None:
        async with opened(server, config):
            pytest.fail("the session was opened")

    with pytest.raises(errors.InvalidArgument, match=problem):
        asyncio.run(main())


def test_marks_in_the_wrong_place(server: Server) -> None:
    """In a session that marks its turns, input between turns is INVALID_ARGUMENT."""
    config = {"realtime_input_config": {"automatic_activity_detection": {"disabled": True}}}

    async def main() -> None:
        async with opened(server, config) as session:
            await session.send_realtime_input(text="Hi")
            with pytest.raises(errors.InvalidArgument, match="send activity_start before"):
                await read_turn(session)

    asyncio.run(main())


def test_media_that_the_engine_cannot_read() -> None:
    """Media of another type are refused by name."""

    async def main(server: Server) -> None:
        async with opened(server) as session:
            await session.send_realtime_input(audio={"mime_type": "audio/pcm", "data": b"1"})
            with pytest.raises(errors.InvalidArgument, match="cannot read audio/pcm.*realtime_input.audio"):
                await read_turn(session)

    with serve(ScriptEngine(supported_mime_types=[])) as server:
        asyncio.run(main(server))
