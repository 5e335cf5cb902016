"""Models, chats and cached contents in pickles, loaded by another process."""

from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import genai_grpc as genai
from genai_grpc import testing
from genai_grpc.caching import CachedContent
from genai_grpc.local import ScriptEngine, serve
from genai_grpc.local.server import Server
from tests.conftest import Api, Connect

KEY = "AIzaSy-a-very-secret-key"
PROTOCOLS = range(2, pickle.HIGHEST_PROTOCOL + 1)
PROGRAM = """
import pickle, sys
import genai_grpc as genai

loaded = pickle.loads(sys.stdin.buffer.read())
match loaded:
    case genai.Client():
        print(genai.get_model("gemini-pro", client=loaded).name)
    case genai.GenerativeModel():
        print(loaded.generate_content("Hi").text)
    case genai.ChatSession():
        print(loaded.send_message("Hi").text)
        print([turn.parts[0].text for turn in loaded.history])
    case genai.caching.CachedContent():
        loaded.update(ttl=60)
        print(genai.GenerativeModel.from_cached_content(loaded).generate_content("Hi").text)
"""


@pytest.fixture
def server(script: ScriptEngine) -> Iterator[Server]:
    """A server that requires the key."""
    with serve(script, api_key=KEY) as running:
        yield running


@pytest.fixture
def client(connect: Connect, server: Server) -> Iterator[genai.Client]:
    """A client with the key."""
    with connect(server, KEY) as connected:
        yield connected


def run_loaded(data: bytes, **environment: str) -> str:
    """The output of a process that loads a pickle and uses it, or its error."""
    path = os.pathsep.join(filter(None, [str(Path.cwd()), *sys.path]))
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input=data,
        env={**os.environ, "PYTHONPATH": path, **environment},
        capture_output=True,
        timeout=60,
    )
    return (done.stderr or done.stdout).decode()


def double(number: int) -> int:
    """Double a number."""
    return 2 * number


def holders(client: genai.Client) -> dict[str, Any]:
    """A client and what holds one, and a chat that has made calls."""
    model = genai.GenerativeModel(
        tools=[double],
        generation_config={"temperature": 0.5, "response_schema": list[int]},
        safety_settings="low",
        system_instruction="Be brief.",
        client=client,
    )
    chat = model.start_chat(
        history=[{"role": "user", "parts": "One"}, {"role": "model", "parts": "Two"}],
        enable_automatic_function_calling=True,
    )
    chat.send_message("Three")
    return {
        "client": client,
        "model": model,
        "chat": chat,
        "cached content": CachedContent.create("gemini-pro", contents="A long tale.", client=client),
    }


@pytest.mark.parametrize("name", ["client", "model", "chat", "cached content"])
def test_other_process(client: genai.Client, script: ScriptEngine, name: str) -> None:
    """What is loaded in another process works there, with the key of its environment; the pickle has no key."""
    script.reply("Four")
    data = pickle.dumps(holders(client)[name])
    assert KEY.encode() not in data
    if name != "client":
        script.reply("Five")
    expected = {"client": "models/gemini-pro\n", "chat": "Five\n['One', 'Two', 'Three', 'Four', 'Hi', 'Five']\n"}
    assert run_loaded(data, GEMINI_API_KEY=KEY) == expected.get(name, "Five\n")


def test_other_process_without_key(client: genai.Client) -> None:
    """Without a key in its environment, the first call says that the key is missing."""
    data = pickle.dumps(genai.GenerativeModel(client=client))
    error = run_loaded(data, GEMINI_API_KEY="", GOOGLE_API_KEY="")
    assert "ConfigurationError: the client was unpickled without api_key" in error


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_pickled_chat(
    api: Api, connect: Connect, server: Server, client: genai.Client, script: ScriptEngine, protocol: int
) -> None:
    """A chat that is pickled or deep-copied goes on by itself, with its tools and settings."""
    script.reply("Four")
    chat = holders(client)["chat"]
    client_of_pickles = connect(server, KEY, pickle_secrets=True)
    chat.model._client = client_of_pickles
    copies = [pickle.loads(pickle.dumps(chat, protocol)), copy.deepcopy(chat)]
    call = testing.response(testing.function_call("double", number=4))
    for other in copies:
        script.reply(call).reply("Eight")
        assert api.send(other, "Twice 4?").text == "Eight"
        assert [turn.role for turn in other.history] == ["user", "model"] * 4
        request = script.requests[-1]
        assert request.contents[-1].parts[0].function_response.response["result"] == 8
        assert request.generation_config.temperature == 0.5
        assert request.system_instruction.parts[0].text == "Be brief."
        other.model.client.close()
    assert len(chat.history) == 4
    client_of_pickles.close()


def test_chat_with_open_stream(client: genai.Client, script: ScriptEngine) -> None:
    """A chat whose last reply has not been read to its end is not pickled; the error says what to do."""
    script.reply("One,", " two")
    chat = genai.GenerativeModel(client=client).start_chat()
    response = chat.send_message("Count", stream=True)
    with pytest.raises(TypeError, match=r"not been read to its end cannot be pickled; call resolve\(\) first"):
        pickle.dumps(chat)
    response.resolve()
    assert [turn.role for turn in pickle.loads(pickle.dumps(chat)).history] == ["user", "model"]
