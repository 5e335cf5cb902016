"""Calls over HTTP/JSON in an interpreter that has no grpcio."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest

import genai_grpc as genai
from genai_grpc.local import ScriptEngine
from genai_grpc.local.server import Server

PROGRAM = """
import asyncio, sys

sys.modules["grpc"] = None  # an import of it fails
import genai_grpc as genai

async def main(client):
    model = genai.GenerativeModel(client=client)
    print((await model.generate_content_async("Hi")).text)
    async for chunk in await model.generate_content_async("Hi", stream=True):
        print(chunk.text)
    await client.aclose()

with genai.Client("a-key", transport="rest", endpoint=sys.argv[1]) as client:
    client.connect(timeout=10)
    print(client.ready())
    model = genai.GenerativeModel(client=client)
    print(model.generate_content("Hi").text)
    print([chunk.text for chunk in model.generate_content("Hi", stream=True)])
    print(model.start_chat().send_message("Hi").text, model.count_tokens("one two").total_tokens)
    try:
        genai.get_model("none", client=client)
    except genai.errors.NotFound as error:
        print(error.code, error.status)
    asyncio.run(main(client))
try:
    genai.get_model("none", client=genai.Client(endpoint="http://127.0.0.1:1"))
except ImportError as error:
    print(error.name)
"""
OUTPUT = """\
True
Hello
['It', ' streams']
A chat 2
404 NOT_FOUND
Async
It
 streams
grpc
"""


def test_without_grpc(server: Server, script: ScriptEngine) -> None:
    """Unary calls, streams, chats and errors work; a client over gRPC is an ImportError."""
    script.reply("Hello").reply("It", " streams").reply("A chat").reply("Async").reply("It", " streams")
    command = [sys.executable, "-c", PROGRAM, str(server.http_endpoint)]
    completed = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert (completed.stdout, completed.stderr) == (OUTPUT, "")


def test_missing_aiohttp(monkeypatch: pytest.MonkeyPatch, server: Server, script: ScriptEngine) -> None:
    """Without aiohttp, sync calls work, and the error of async ones says what to install."""
    monkeypatch.setitem(sys.modules, "aiohttp", None)
    script.reply("Hello")
    with genai.Client(transport="rest", endpoint=server.http_endpoint) as client:
        model = genai.GenerativeModel(client=client)
        assert model.generate_content("Hi").text == "Hello"
        with pytest.raises(ImportError, match=r"need aiohttp; pip install 'genai-grpc\[rest\]'"):
            asyncio.run(model.generate_content_async("Hi"))
