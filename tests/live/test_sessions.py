"""Live sessions over real gRPC: turns, interruptions, resumption, and their end."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import genai_grpc as genai
from genai_grpc import errors
from genai_grpc.live import LiveSession
from genai_grpc.local import STALL, ScriptEngine, serve
from genai_grpc.local.server import Server
from tests.live.sessions import opened, read_turn, text_of


def prompts(script: ScriptEngine) -> list[list[str]]:
    """The texts of each prompt that the engine got."""
    return [
        [f"{turn.role}: {part.text}" for turn in request.contents for part in turn.parts] for request in script.requests
    ]


def test_turns(server: Server, script: ScriptEngine) -> None:
    """Each reply arrives in chunks as the engine makes them, and every prompt has the conversation so far."""
    script.reply("Hello", " you").reply("Still here")

    async def main() -> None:
        async with opened(server) as session:
            await session.send_client_content("Hi")
            first = await read_turn(session)
            await session.send_client_content(["How", "are you?"])
            second = await read_turn(session)
        assert [message.text for message in first if message.text] == ["Hello", " you"]
        assert [message.generation_complete for message in first[-2:]] == [True, False]
        assert first[-1].turn_complete
        assert text_of(second) == "Still here"

    asyncio.run(main())
    assert prompts(script) == [
        ["user: Hi"],
        ["user: Hi", "model: Hello", "model:  you", "user: How", "user: are you?"],
    ]


def test_setup(server: Server, script: ScriptEngine) -> None:
    """The settings of the session are those of each prompt."""
    script.reply("Hello")
    config = {
        "generation_config": {"temperature": 0.5},
        "system_instruction": "Be brief.",
        "tools": [{"function_declarations": [{"name": "now", "description": "The time."}]}],
    }

    async def main() -> None:
        async with opened(server, config) as session:
            await session.send_client_content("Hi")
            await read_turn(session)

    asyncio.run(main())
    [request] = script.requests
    assert request.generation_config.temperature == 0.5
    assert request.system_instruction.parts[0].text == "Be brief."
    assert request.tools[0].function_declarations[0].name == "now"


def test_turns_that_are_not_complete(server: Server, script: ScriptEngine) -> None:
    """Turns can be added without a reply, such as those of an earlier conversation."""
    script.reply("Alice")
    history: Any = [{"role": "user", "parts": ["I am Alice."]}, {"role": "model", "parts": ["Hello."]}]

    async def main() -> None:
        async with opened(server) as session:
            await session.send_client_content(history, turn_complete=False)
            await session.send_client_content("Who am I?")
            assert text_of(await read_turn(session)) == "Alice"

    asyncio.run(main())
    assert prompts(script) == [["user: I am Alice.", "model: Hello.", "user: Who am I?"]]


def test_interruption(server: Server, script: ScriptEngine) -> None:
    """New input ends the reply in progress; what it had said stays in the conversation."""
    script.reply("One, two,", STALL).reply("Stopped")

    async def main() -> None:
        async with opened(server) as session:
            await session.send_client_content("Count.")
            messages = aiter(session)
            assert (await anext(messages)).text == "One, two,"
            await session.send_realtime_input(text="Stop")
            assert (await anext(messages)).interrupted
            assert text_of(await read_turn(session)) == "Stopped"

    asyncio.run(main())
    assert prompts(script)[1] == ["user: Count.", "model: One, two,", "user: Stop"]


def test_no_interruption(server: Server, script: ScriptEngine) -> None:
    """With NO_INTERRUPTION, streamed input waits for the end of the reply; client content ends it all the same."""
    script.reply("One,", genai.local.Delay(0.05), " two").reply("Then")
    config = {"realtime_input_config": {"activity_handling": "NO_INTERRUPTION"}}

    async def main() -> None:
        async with opened(server, config) as session:
            await session.send_client_content("Count.")
            await session.send_realtime_input(text="And then?")
            assert text_of(await read_turn(session)) == "One, two"
            assert text_of(await read_turn(session)) == "Then"

    asyncio.run(main())


def test_streamed_input(server: Server, script: ScriptEngine) -> None:
    """Input that the client marks is one turn, of all that was sent between the marks."""
    script.reply("A cat")
    config = {"realtime_input_config": {"automatic_activity_detection": {"disabled": True}}}

    async def main() -> None:
        async with opened(server, config) as session:
            await session.send_realtime_input(activity_start=True)
            await session.send_realtime_input(video={"mime_type": "image/png", "data": b"1"})
            await session.send_realtime_input(audio={"mime_type": "audio/pcm", "data": b"2"})
            await session.send_realtime_input(text="What is it?")
            await session.send_realtime_input(activity_end=True)
            assert text_of(await read_turn(session)) == "A cat"

    asyncio.run(main())
    [request] = script.requests
    media = [part.inline_data.data for part in request.contents[0].parts[:2]]
    assert (media, request.contents[0].parts[2].text) == ([b"1", b"2"], "What is it?")


def test_end_of_an_audio_stream(server: Server, script: ScriptEngine) -> None:
    """The end of an audio stream completes the turn."""
    script.reply("Heard")

    async def main() -> None:
        async with opened(server) as session:
            await session.send_realtime_input(audio={"mime_type": "audio/pcm", "data": b"1"})
            await session.send_realtime_input(audio_stream_end=True)
            assert text_of(await read_turn(session)) == "Heard"

    asyncio.run(main())


def test_resumption(server: Server, script: ScriptEngine) -> None:
    """A session goes on in another one, by its handle; the handle before that is valid, too."""
    script.reply("Hello Alice").reply("Again").reply("Alice").reply("Before")

    async def main() -> None:
        async with opened(server, {"session_resumption": True}) as session:
            assert session.handle is None
            await session.send_client_content("I am Alice.")
            await read_turn(session)
            first = session.handle
            await session.send_client_content("Again?")
            await read_turn(session)
        async with opened(server, {"session_resumption": session.handle}) as resumed:
            await resumed.send_client_content("Who am I?")
            assert text_of(await read_turn(resumed)) == "Alice"
        async with opened(server, {"session_resumption": first}) as resumed:
            await resumed.send_client_content("And before?")
            assert text_of(await read_turn(resumed)) == "Before"

    asyncio.run(main())
    hello, again = ["user: I am Alice.", "model: Hello Alice"], ["user: Again?", "model: Again"]
    assert prompts(script)[2:] == [[*hello, *again, "user: Who am I?"], [*hello, "user: And before?"]]


def test_handle_of_another_caller(server: Server, script: ScriptEngine) -> None:
    """A handle is for the caller whose session it is, and an unknown one is NOT_FOUND."""
    script.reply("Hello")

    async def main() -> None:
        async with opened(server, {"session_resumption": True}) as session:
            await session.send_client_content("Hi")
            await read_turn(session)
        async with genai.Client("another", endpoint=server.endpoint) as client:
            for handle in str(session.handle), "unknown":
                with pytest.raises(errors.NotFound, match="no session can be resumed"):
                    async with client.live.connect("gemini-pro", {"session_resumption": handle}):
                        pytest.fail("the session was resumed")

    asyncio.run(main())


def test_resumption_after_a_restart(tmp_path: Any) -> None:
    """With a state directory, a session is resumed on the server that follows."""
    first, second = ScriptEngine().reply("Hello"), ScriptEngine().reply("Again")

    async def talk(server: Server, config: Any, text: str) -> LiveSession:
        async with opened(server, config) as session:
            await session.send_client_content(text)
            await read_turn(session)
        return session

    with serve(first, state_dir=tmp_path) as server:
        session = asyncio.run(talk(server, {"session_resumption": True}, "Hi"))
    with serve(second, state_dir=tmp_path) as server:
        asyncio.run(talk(server, {"session_resumption": session.handle}, "Who?"))
    assert prompts(second) == [["user: Hi", "model: Hello", "user: Who?"]]


def test_compression(server: Server, script: ScriptEngine) -> None:
    """A long conversation loses its oldest turns, and begins with one of the user."""
    script.reply("one two three four").reply("five six seven eight").reply("nine")
    config = {"context_window_compression": {"trigger_tokens": 9, "sliding_window": {"target_tokens": 7}}}

    async def main() -> None:
        async with opened(server, config) as session:
            for text in "a", "b", "c":
                await session.send_client_content(text)
                await read_turn(session)

    asyncio.run(main())
    assert prompts(script)[-1] == ["user: b", "model: five six seven eight", "user: c"]


def test_default_client(server: Server, script: ScriptEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """`live.connect` uses the default client."""
    script.reply("Hello")
    monkeypatch.setenv("GENAI_GRPC_ENDPOINT", server.endpoint)
    genai.configure()

    async def main() -> None:
        async with genai.live.connect("gemini-pro") as session:
            await session.send_client_content("Hi")
            assert text_of(await read_turn(session)) == "Hello"

    asyncio.run(main())


def test_timeout_of_the_setup_alone(script: ScriptEngine) -> None:
    """The timeout is that of the first answer, and the session outlives it."""
    script.reply(genai.local.Delay(0.3), "Hello")

    async def main(server: Server) -> None:
        async with opened(server, request_options={"timeout": 0.2}) as session:
            await session.send_client_content("Hi")
            assert text_of(await read_turn(session)) == "Hello"

    with serve(script) as server:
        asyncio.run(main(server))


def test_unavailable_server(server: Server) -> None:
    """A server that cannot be reached is retried within the timeout, like that of any other call."""

    async def main() -> None:
        server.stop()
        async with opened(server, request_options={"timeout": 0.5}):
            pytest.fail("the session was opened")

    with pytest.raises(errors.ServiceUnavailable) as raised:
        asyncio.run(main())
    assert raised.value.attempts > 1
