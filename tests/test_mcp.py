"""Tools of a real MCP server over stdio, in async models and chats."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

import genai_grpc as genai
from genai_grpc import protos
from genai_grpc.local import ScriptEngine, Server
from genai_grpc.testing import function_call
from genai_grpc.testing import response as reply_of

mcp = pytest.importorskip("mcp")

SERVER = Path(__file__).with_name("mcp_server.py")


def with_session(server: Server, work: Callable[[Any, genai.Client], Awaitable[Any]]) -> Any:
    """Run `work` with a session of the MCP server and a client."""
    from mcp.client.stdio import stdio_client

    async def main() -> Any:
        parameters = mcp.StdioServerParameters(command=sys.executable, args=[str(SERVER)])
        async with (
            stdio_client(parameters) as (read, write),
            mcp.ClientSession(read, write) as session,
            genai.Client(endpoint=server.endpoint) as client,
        ):
            await session.initialize()
            return await asyncio.wait_for(work(session, client), 60)

    return asyncio.run(main())


def test_declarations(server: Server) -> None:
    """Tools are declared with their names, descriptions and JSON Schemas; a prefix keeps those of two servers apart."""

    async def work(session: Any, client: genai.Client) -> Any:
        declared = await genai.mcp.tools(session)
        prefixed = await genai.mcp.tools(session, prefix="tales_")
        with pytest.raises(ValueError, match="two MCP servers have a tool 'add'; list one of them with"):
            await genai.mcp.tools(session, session)
        model = genai.GenerativeModel(tools=[*declared, *prefixed], client=client)
        assert (await model.count_tokens_async("Hello")).total_tokens == 1
        return declared

    declared = with_session(server, work)
    assert [tool.name for tool in declared] == ["add", "greet", "fail", "draw", "wait"]
    add = declared[0].to_proto()
    assert add.description == "Add two numbers."
    schema = genai.types.FunctionDeclaration.from_proto(add).to_proto().parameters_json_schema
    assert schema.struct_value.fields["required"].list_value.values[0].string_value == "a"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("call", "response"),
    [
        (function_call("add", a=2, b=3), {"total": 5}),
        (function_call("greet", name="Lily"), {"result": "Hello, Lily"}),
        (function_call("greet", name="Lily", polite=True), {"result": "Good day, Lily"}),
        (function_call("fail"), {"error": "Error executing tool fail"}),
        (function_call("greet", nobody=1), None),
        (
            function_call("draw"),
            {"result": ["a dot", {"type": "image", "mimeType": "image/png", "data": "iVBORw=="}]},
        ),
    ],
)
def test_calls(server: Server, script: ScriptEngine, call: Any, response: Any, stream: bool) -> None:
    """The model's calls are answered by the server, in whole and in streamed replies; errors go to the model."""
    script.reply(reply_of(call)).reply("Done.")

    async def work(session: Any, client: genai.Client) -> Any:
        model = genai.GenerativeModel(tools=await genai.mcp.tools(session), client=client)
        chat = model.start_chat(enable_automatic_function_calling=True)
        reply = await chat.send_message_async("Go on.", stream=stream)
        await reply.resolve()
        assert reply.text == "Done."
        return chat.history[2].parts[0].function_response

    answered = with_session(server, work)
    assert isinstance(answered, protos.FunctionResponse)
    found = genai.protos.FunctionResponse.to_dict(answered)["response"]
    if response is None:
        assert "validation error" in found["error"]
    else:
        assert found == response


def test_cancellation(server: Server, script: ScriptEngine) -> None:
    """A call that is cancelled, or whose time is up, ends the wait for the tool."""
    script.reply(reply_of(function_call("wait")))

    async def work(session: Any, client: genai.Client) -> None:
        model = genai.GenerativeModel(tools=await genai.mcp.tools(session), client=client)
        chat = model.start_chat(enable_automatic_function_calling=True)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(chat.send_message_async("Wait."), 0.5)

    with_session(server, work)


def test_session_among_the_tools(server: Server, script: ScriptEngine) -> None:
    """A session itself, and a sync chat with its tools, are refused with what to do."""
    script.reply(reply_of(function_call("add", a=1, b=2)))

    async def work(session: Any, client: genai.Client) -> None:
        with pytest.raises(TypeError, match=r"pass tools=await genai_grpc.mcp.tools\(session\)"):
            genai.GenerativeModel(tools=[session])
        model = genai.GenerativeModel(tools=await genai.mcp.tools(session), client=client)
        chat = model.start_chat(enable_automatic_function_calling=True)
        with pytest.raises(TypeError, match="add is a coroutine function, which a sync call cannot await"):
            chat.send_message("Add.")

    with_session(server, work)


@pytest.mark.llama
@pytest.mark.slow
def test_real_model() -> None:
    """The real model calls a tool of the server."""
    from genai_grpc.local import serve

    async def work(session: Any, client: genai.Client) -> Any:
        [greet] = [tool for tool in await genai.mcp.tools(session) if tool.name == "greet"]
        chat = genai.GenerativeModel(tools=[greet], client=client).start_chat(enable_automatic_function_calling=True)
        await chat.send_message_async("Greet a person by name: Lily")
        return [part.function_response for turn in chat.history for part in turn.parts if "function_response" in part]

    with serve() as server:
        [response, *_] = with_session(server, work)
    assert "Lily" in response.response["result"]
