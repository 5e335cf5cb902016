"""Chats send through their model's `generate_content`, so that what overrides or wraps it sees every request."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest

import genai_grpc as genai
from genai_grpc import protos
from genai_grpc.local import ScriptEngine
from genai_grpc.responses import GenerateContentResponse
from genai_grpc_protos._convert import to_message
from tests.conftest import Api


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


class Recording(genai.GenerativeModel):
    """A model that records the contents of its requests, as texts, and whether they stream."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self.seen: list[Any] = []

    def record(self, contents: Any, stream: bool) -> None:
        self.seen.append(([part.text for turn in contents for part in turn.parts], stream))

    def generate_content(self, contents: Any, **options: Any) -> Any:
        self.record(contents, options["stream"])
        return super().generate_content(contents, **options)

    async def generate_content_async(self, contents: Any, **options: Any) -> Any:
        self.record(contents, options["stream"])
        return await super().generate_content_async(contents, **options)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_subclass(api: Api, client: genai.Client, script: ScriptEngine, stream: bool) -> None:
    """A subclass that overrides generate_content sees each request of a chat, history included."""
    model = Recording(client=client)
    chat = model.start_chat()
    for text in ("Hello", "Fine"):
        script.reply(text)
    for message in ("Hi", "How are you?"):
        api.resolve(api.send(chat, message, stream=stream))
    assert model.seen == [(["Hi"], stream), (["Hi", "Hello", "How are you?"], stream)]
    assert len(chat.history) == 4
    received = [to_message(protos.Content, turn) for turn in chat.history[:3]]
    assert list(script.requests[1].contents) == received


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_function_calling(api: Api, client: genai.Client, script: ScriptEngine, stream: bool) -> None:
    """It sees every round of automatic function calling."""
    model = Recording(tools=[add], client=client)
    chat = model.start_chat(enable_automatic_function_calling=True)
    reply = protos.GenerateContentResponse(
        candidates=[{"content": {"parts": [{"function_call": {"name": "add", "args": {"a": 1, "b": 2}}}]}}]
    )
    script.reply(reply).reply("Three")
    response = api.send(chat, "Add", stream=stream)
    api.resolve(response)
    assert response.text == "Three"
    assert [len(texts) for texts, _ in model.seen] == [1, 3]
    assert len(chat.history) == 4


@pytest.mark.parametrize("where", ["class", "instance"])
def test_patched(
    api: Api, model: genai.GenerativeModel, script: ScriptEngine, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """A method patched on the class or on the model answers for it, as instrumentations and tests do."""
    name = "generate_content_async" if api.is_async else "generate_content"
    original = getattr(genai.GenerativeModel if where == "class" else model, name)
    seen: list[Any] = []

    def wrapper(*arguments: Any, **keywords: Any) -> Any:
        seen.append(keywords["contents"][-1].parts[0].text)
        return original(*arguments, **keywords)

    monkeypatch.setattr(genai.GenerativeModel if where == "class" else model, name, wrapper)
    chat = model.start_chat()
    script.reply("Hello")
    assert api.send(chat, "Hi").text == "Hello"
    assert seen == ["Hi"]


def test_edited_contents(api: Api, client: genai.Client, script: ScriptEngine) -> None:
    """What a wrapper changes in the contents is what is sent, in the turns and in the list."""

    class Redacting(Recording):
        def record(self, contents: Any, stream: bool) -> None:
            contents[-1].parts[0].text = "[redacted]"
            contents.insert(0, protos.Content(role="user", parts=[{"text": "Be kind."}]))

    chat = Redacting(client=client).start_chat()
    script.reply("Hello").reply("Again")
    api.send(chat, "My name is Ada.")
    api.send(chat, "Go on.")
    texts = [[part.text for turn in request.contents for part in turn.parts] for request in script.requests]
    assert texts == [["Be kind.", "[redacted]"], ["Be kind.", "[redacted]", "Hello", "[redacted]"]]
    assert [turn.parts[0].text for turn in chat.history] == ["[redacted]", "Hello", "[redacted]", "Again"]


def test_mock() -> None:
    """A mock of the model answers in a chat, and records the call by keyword."""
    model = mock.MagicMock(spec=genai.GenerativeModel)
    reply = protos.GenerateContentResponse(candidates=[{"content": {"parts": [{"text": "Hello"}]}}])
    model.generate_content.return_value = GenerateContentResponse.from_response(reply)
    chat = genai.ChatSession(model=model)
    assert chat.send_message("Hi").text == "Hello"
    assert model.generate_content.call_args.kwargs["contents"][0].parts[0].text == "Hi"
    assert [turn.role for turn in chat.history] == ["user", "model"]


def test_proxy(model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """Any object that generates as a model does can be chatted with."""
    calls: list[Any] = []

    def generate(contents: Any, **options: Any) -> Any:
        calls.append(sorted(options))
        return model.generate_content(contents, **options)

    proxy: Any = SimpleNamespace(generate_content=generate)
    script.reply("Hello")
    assert genai.ChatSession(proxy).send_message("Hi").text == "Hello"
    assert calls == [["generation_config", "request_options", "safety_settings", "stream", "tool_config", "tools"]]


@pytest.mark.parametrize(
    ("attribute", "value", "sent"),
    [
        ("_generation_config", {"temperature": 0.5}, "temperature: 0.5"),
        ("_safety_settings", "block_none", "threshold: BLOCK_NONE"),
        ("_tools", [add], 'name: "add"'),
        ("_system_instruction", "Be kind.", 'text: "Be kind."'),
        ("_tool_config", {"function_calling_config": "any"}, "mode: ANY"),
    ],
)
def test_written_defaults(api: Api, model: Any, script: ScriptEngine, attribute: str, value: Any, sent: str) -> None:
    """A default that a library writes to the attribute that google.generativeai has for it is sent, from then on."""
    script.reply("Hello").reply("Again")
    api.generate(model, "Hi")
    setattr(model, attribute, value)
    api.generate(model, "Hi")
    assert [sent in str(request) for request in script.requests] == [False, True]
    assert getattr(model, attribute)


def test_response_attributes(api: Api, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """A response has the attributes of google.generativeai's that libraries read."""
    script.reply("One,", " two")
    response = api.generate(model, "Count", stream=True)
    assert not response._done
    assert response._iterator is not None
    api.resolve(response)
    assert (response._done, response._error, response._iterator) == (True, None, None)
    assert response._result.candidates[0].content.parts[0].text == "One, two"


def test_last_turns(api: Api, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """A chat has the attributes for its last exchange, until that enters the history."""
    chat: Any = model.start_chat()
    assert (chat._last_sent, chat._last_received) == (None, None)
    script.reply("Hello")
    response = api.send(chat, "Hi")
    assert chat._last_sent.parts[0].text == "Hi"
    assert chat._last_received is response
    assert len(chat.history) == 2
    assert (chat._last_sent, chat._last_received) == (None, None)
