"""Chats over real gRPC."""

from __future__ import annotations

import asyncio
import copy
import pickle
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import genai_grpc as genai
from genai_grpc import errors, protos
from genai_grpc._services.messages import Protos
from genai_grpc.local import STALL, Delay, ScriptEngine
from tests.conftest import Api

SAFETY = protos.GenerateContentResponse.PromptFeedback.SAFETY


def texts(turns: Any) -> list[tuple[str, str]]:
    """The role and the first text of each turn."""
    return [(turn.role, turn.parts[0].text) for turn in turns]


def test_messages(api: Api, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """Each message is sent with the history before it, and enters the history with its reply."""
    script.reply("Hello!").reply("You are", " Ada.")
    chat = model.start_chat(history=[{"role": "user", "parts": "Hi"}, {"role": "model", "parts": "Hi."}])
    assert api.send(chat, "I am Ada.").text == "Hello!"
    assert api.send(chat, "Who am I?").text == "You are Ada."
    assert texts(chat.history[2:]) == [
        ("user", "I am Ada."),
        ("model", "Hello!"),
        ("user", "Who am I?"),
        ("model", "You are Ada."),
    ]
    assert texts(script.requests[1].contents) == texts(chat.history[:5])


def test_streamed_reply(api: Api, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """A streamed reply enters the history once it is read to its end; until then the chat cannot continue."""
    script.reply("One,", " two").reply("Three")
    chat = model.start_chat()
    response = api.send(chat, "Count", stream=True)
    for action in (lambda: chat.history, chat.rewind, lambda: api.send(chat, "Go on")):
        with pytest.raises(errors.IncompleteIterationError):
            action()
    api.resolve(response)
    assert texts(chat.history) == [("user", "Count"), ("model", "One, two")]
    assert api.send(chat, "Go on").text == "Three"


def test_broken_stream(api: Api, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """After a stream that failed half-way, the chat raises until `rewind` removes the message and its reply."""
    script.reply("One,", errors.InternalServerError("oops")).reply("One")
    chat = model.start_chat()
    response = api.send(chat, "Count", stream=True)
    with pytest.raises(errors.InternalServerError):
        api.resolve(response)
    with pytest.raises(errors.BrokenResponseError, match="rewind"):
        _ = chat.history
    sent, received = chat.rewind()
    assert (sent.parts[0].text, received.parts[0].text) == ("Count", "One,")
    assert api.send(chat, "Count again").text == "One"
    assert len(chat.history) == 2


def test_last(api: Api, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """`last` is the last reply until it has entered the history."""
    script.reply("Hello")
    chat = model.start_chat()
    assert chat.last is None
    reply = api.send(chat, "Hi")
    assert chat.last is reply
    assert len(chat.history) == 2
    assert chat.last is None


def test_rewind_reads_the_end(model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """Rewinding a stream whose chunks were all read, but not its error, returns the chunks before the error."""
    script.reply("Hello", errors.DataLoss("the rest is lost"))
    chat = model.start_chat()
    next(iter(chat.send_message("Hi", stream=True)))
    assert texts(chat.rewind()) == [("user", "Hi"), ("model", "Hello")]
    assert chat.history == []


def test_reply_without_candidate(api: Api, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """A reply without a candidate raises, and the history does not change."""
    script.reply(protos.GenerateContentResponse(response_id="1"))
    chat = model.start_chat()
    with pytest.raises(errors.StopCandidateException, match="the reply has no candidate"):
        api.send(chat, "Hi")
    assert chat.history == []


def test_blocked_prompt(api: Api, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """A blocked prompt raises, and the history does not change."""
    feedback = protos.GenerateContentResponse.PromptFeedback(block_reason=SAFETY)
    script.reply(protos.GenerateContentResponse(prompt_feedback=feedback))
    chat = model.start_chat()
    with pytest.raises(errors.BlockedPromptException):
        api.send(chat, "Hi")
    assert chat.history == []


@pytest.mark.parametrize("reason", ["SAFETY", "RECITATION", "OTHER"])
def test_stopped_candidate(api: Api, model: genai.GenerativeModel, script: ScriptEngine, reason: str) -> None:
    """A reply with another finish reason than STOP or MAX_TOKENS raises, and the history does not change."""
    finish_reason = protos.Candidate.FinishReason.Value(reason)
    content = protos.Content(parts=[protos.Part(text="Once")])
    candidate = protos.Candidate(content=content, finish_reason=finish_reason)
    script.reply(protos.GenerateContentResponse(candidates=[candidate]))
    chat = model.start_chat()
    with pytest.raises(errors.StopCandidateException):
        api.send(chat, "Hi")
    assert chat.history == []


@pytest.mark.parametrize("reason", ["SAFETY", "RECITATION", "OTHER"])
def test_stopped_stream(api: Api, model: genai.GenerativeModel, script: ScriptEngine, reason: str) -> None:
    """After a stream that ended so, the history is broken, and the response's error says why, until it is rewound."""
    finish_reason = protos.Candidate.FinishReason.Value(reason)
    script.reply("Once", protos.GenerateContentResponse(candidates=[protos.Candidate(finish_reason=finish_reason)]))
    script.reply("Yes")
    chat = model.start_chat()
    response: Any = api.send(chat, "Hi", stream=True)
    api.resolve(response)
    assert not response.error
    for _ in range(2):
        with pytest.raises(errors.BrokenResponseError, match=r"chat\.rewind\(\) removes it") as caught:
            _ = chat.history
        assert caught.value.__cause__ is response.error
        assert isinstance(response.error, errors.StopCandidateException)
        assert response.error.args[0].finish_reason == finish_reason
    with pytest.raises(errors.BrokenResponseError):
        api.send(chat, "Again")
    with pytest.raises(errors.BrokenResponseError):
        chat.to_json()
    assert (chat.last is response, response.text) == (True, "Once")
    assert texts(chat.rewind()) == [("user", "Hi"), ("model", "Once")]
    assert chat.history == []
    assert api.send(chat, "Again").text == "Yes"


def test_failed_call(api: Api, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """A failed call does not change the history, and the chat can continue."""
    script.reply(errors.InvalidArgument("no")).reply("Yes")
    chat = model.start_chat()
    with pytest.raises(errors.InvalidArgument):
        api.send(chat, "Hi")
    assert api.send(chat, "Hi").text == "Yes"
    assert len(chat.history) == 2


def test_rewind(api: Api, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """Rewinding removes one message and its reply at a time."""
    script.reply("a").reply("b")
    chat = model.start_chat()
    api.send(chat, "1")
    api.send(chat, "2")
    assert texts(chat.rewind()) == [("user", "2"), ("model", "b")]
    assert texts(chat.rewind()) == [("user", "1"), ("model", "a")]
    with pytest.raises(IndexError):
        chat.rewind()


def test_edited_history(api: Api, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """Edits of the history are sent."""
    script.reply("a").reply("b")
    chat = model.start_chat()
    api.send(chat, "1")
    chat.history[1].parts[0].text = "changed"
    api.send(chat, "2")
    assert script.requests[1].contents[1].parts[0].text == "changed"


def test_copy(api: Api, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """A copy continues independently."""
    script.reply("a").reply("b")
    chat = model.start_chat()
    api.send(chat, "1")
    other = copy.copy(chat)
    api.send(other, "2")
    assert (len(chat.history), len(other.history)) == (2, 4)


def test_thought_signatures(api: Api, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """A thought signature is sent back with its turn."""
    part = protos.Part(text="Four.", thought_signature=b"signed")
    candidate = protos.Candidate(content=protos.Content(parts=[part]))
    script.reply(protos.GenerateContentResponse(candidates=[candidate])).reply("Yes.")
    chat = model.start_chat()
    api.send(chat, "2 + 2?")
    api.send(chat, "Sure?")
    assert script.requests[1].contents[1].parts[0].thought_signature == b"signed"


def test_edits_in_place(api: Api, model: genai.GenerativeModel, script: ScriptEngine, messages: Protos) -> None:
    """Edits in place are sent: of turns that were passed as history, and of the history's list and its turns."""
    for number in range(3):
        script.reply(f"reply {number}")
    first = messages.Content(role="user", parts=[messages.Part(text="first")])
    chat = model.start_chat(history=[first, {"role": "model", "parts": "from a dict"}])
    first.parts[0].text = "first, edited"
    api.send(chat, "one")
    history = chat.history
    api.send(chat, "two")
    history[2].parts[0].text = "one, edited"
    assert len(chat.history) == 6  # the last reply enters
    del history[4:]
    api.send(chat, "three")
    sent = [text for _, text in texts(script.requests[-1].contents)]
    assert sent == ["first, edited", "from a dict", "one, edited", "reply 0", "three"]


def test_edits_of_messages_and_replies(api: Api, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """An edit of a message after it was sent has no effect; an edit of a reply before it enters the history has one."""
    for number in range(3):
        script.reply(f"reply {number}")
    message = protos.Content(role="user", parts=[protos.Part(text="message")])
    chat = model.start_chat()
    api.send(chat, message)
    message.parts[0].text = "message, edited after it was sent"
    last: Any = chat.last
    last.candidates[0].content.parts[0].text = "reply 0, edited before it enters"
    api.send(chat, "more")
    sent = [text for _, text in texts(script.requests[-1].contents)]
    assert sent == ["message", "reply 0, edited before it enters", "more"]
    chat.rewind()
    api.send(chat, "other")
    assert [text for _, text in texts(script.requests[-1].contents)][-1] == "other"


def test_dicts_in_the_history(api: Api, model: genai.GenerativeModel, script: ScriptEngine, messages: Protos) -> None:
    """What a program puts into the history may be a dict; it is sent, and shown as a Content."""
    chat = model.start_chat()
    turns: Any = chat.history
    turns += [{"role": "user", "parts": "Hi"}, {"role": "model", "parts": ["Hello"]}]
    script.reply("Fine")
    api.send(chat, "How are you?")
    assert [turn.parts[0].text for turn in script.requests[0].contents] == ["Hi", "Hello", "How are you?"]
    assert all(isinstance(turn, messages.Content) for turn in chat.history)
    assert turns is chat.history


def test_empty_reply(api: Api, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """A reply without parts, which could not be sent again, stays out of the history, and the chat goes on."""
    chat = model.start_chat()
    script.reply(protos.GenerateContentResponse({"candidates": [{"finish_reason": "STOP"}]})).reply("Hello")
    api.send(chat, "Hi")
    assert chat.history == []
    api.send(chat, "Hi again")
    assert [turn.parts[0].text for turn in chat.history] == ["Hi again", "Hello"]


@pytest.mark.gemini_only
@pytest.mark.parametrize("transport", ["grpc"])
def test_unknown_fields(api: Api, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """Fields of a reply that this version does not know are sent again."""
    content = protos.Content(role="model", parts=[{"text": "Hello"}]).SerializeToString() + b"\xa2\x06\x01x"
    reply = protos.GenerateContentResponse({"candidates": [{"finish_reason": "STOP"}]})
    reply.candidates[0].content.MergeFromString(content)
    chat = model.start_chat()
    script.reply(reply).reply("Fine")
    api.resolve(api.send(chat, "Hi", stream=True))
    api.send(chat, "And you?")
    assert script.requests[1].contents[1].SerializeToString() == content


def test_block_reason_in_a_later_chunk(api: Api, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """A reply whose prompt turned out to be blocked does not enter the history."""
    chat = model.start_chat()
    script.reply("One,", protos.GenerateContentResponse(prompt_feedback={"block_reason": "SAFETY"}))
    response = api.send(chat, "Hi", stream=True)
    with pytest.raises(errors.BlockedPromptException):
        api.resolve(response)
    with pytest.raises(errors.BrokenResponseError):
        _ = chat.history
    chat.rewind()
    assert chat.history == []


def test_two_messages_at_once_in_threads(model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """While a thread waits for a reply, another message of the same chat is refused, and nothing is lost."""
    chat = model.start_chat()
    script.reply(Delay(0.3), "Hello").reply("Again")
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(chat.send_message, "Hi")
        while not script.requests:
            time.sleep(0.01)
        with pytest.raises(RuntimeError, match="the chat waits for the reply to another message"):
            chat.send_message("And?")
        assert copy.deepcopy(chat).history == pickle.loads(pickle.dumps(chat)).history == []
        assert first.result().text == "Hello"
    chat.send_message("Now?")
    assert [turn.parts[0].text for turn in chat.history] == ["Hi", "Hello", "Now?", "Again"]


def test_two_messages_at_once_in_tasks(model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """Of two tasks that send a message of one chat at once, the second is refused; a cancelled one makes way."""
    chat = model.start_chat()
    script.reply(Delay(0.2), "Hello").reply(STALL).reply("Again")

    async def main() -> list[Any]:
        results = await asyncio.gather(
            chat.send_message_async("Hi"), chat.send_message_async("And?"), return_exceptions=True
        )
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(chat.send_message_async("Wait"), 0.2)
        await chat.send_message_async("Now?")
        return [*results]

    first, second = asyncio.run(main())
    assert (first.text, type(second)) == ("Hello", RuntimeError)
    assert [turn.parts[0].text for turn in chat.history] == ["Hi", "Hello", "Now?", "Again"]
