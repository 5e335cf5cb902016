"""Conversations over real gRPC."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest

import genai_grpc as genai
from genai_grpc import errors, protos

if TYPE_CHECKING:
    from genai_grpc.local import ScriptEngine


SAFETY = protos.GenerateContentResponse.PromptFeedback.SAFETY


def texts(turns: Any) -> list[tuple[str, str]]:
    """Role and first text of each turn."""
    return [(turn.role, turn.parts[0].text) for turn in turns]


def test_a_conversation(api: Any, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """Each message is sent with the history before it, and enters it with its reply."""
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


def test_a_stream(api: Any, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """A streamed reply enters the history once it is read; before that, nothing can go on."""
    script.reply("One,", " two").reply("Three")
    chat = model.start_chat()
    response = api.send(chat, "Count", stream=True)
    for act in (lambda: chat.history, chat.rewind, lambda: api.send(chat, "Go on")):
        with pytest.raises(errors.IncompleteIterationError):
            act()
    api.resolve(response)
    assert texts(chat.history) == [("user", "Count"), ("model", "One, two")]
    assert api.send(chat, "Go on").text == "Three"


def test_a_broken_stream(api: Any, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """After a stream that failed half-way the chat is broken, until rewind returns what was sent and received."""
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


def test_last(api: Any, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """The last reply can be looked at until it has entered the history."""
    script.reply("Hello")
    chat = model.start_chat()
    assert chat.last is None
    reply = api.send(chat, "Hi")
    assert chat.last is reply
    assert len(chat.history) == 2
    assert chat.last is None


def test_a_stream_whose_failure_was_not_met(model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """Rewinding meets the failure of a stream whose chunks were all taken, and returns what came before it."""
    script.reply("Hello", errors.DataLoss("the rest is lost"))
    chat = model.start_chat()
    next(iter(chat.send_message("Hi", stream=True)))
    assert texts(chat.rewind()) == [("user", "Hi"), ("model", "Hello")]
    assert chat.history == []


def test_a_reply_of_nothing(api: Any, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """A reply without a candidate is no turn."""
    script.reply(protos.GenerateContentResponse(response_id="1"))
    chat = model.start_chat()
    with pytest.raises(errors.StopCandidateException, match="the reply has no candidate"):
        api.send(chat, "Hi")
    assert chat.history == []


def test_a_blocked_prompt(api: Any, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """A blocked prompt raises and leaves the history as it was."""
    feedback = protos.GenerateContentResponse.PromptFeedback(block_reason=SAFETY)
    script.reply(protos.GenerateContentResponse(prompt_feedback=feedback))
    chat = model.start_chat()
    with pytest.raises(errors.BlockedPromptException):
        api.send(chat, "Hi")
    assert chat.history == []


@pytest.mark.parametrize("reason", ["SAFETY", "RECITATION", "OTHER"])
def test_a_stopped_candidate(api: Any, model: genai.GenerativeModel, script: ScriptEngine, reason: str) -> None:
    """A reply that ended for another reason than its own end raises, and the history is unchanged."""
    ended = protos.Candidate.FinishReason.Value(reason)
    content = protos.Content(parts=[protos.Part(text="Once")])
    candidate = protos.Candidate(content=content, finish_reason=ended)
    script.reply(protos.GenerateContentResponse(candidates=[candidate]))
    chat = model.start_chat()
    with pytest.raises(errors.StopCandidateException):
        api.send(chat, "Hi")
    assert chat.history == []


def test_a_failed_call(api: Any, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """A call that failed leaves the history as it was, and the chat goes on."""
    script.reply(errors.InvalidArgument("no")).reply("Yes")
    chat = model.start_chat()
    with pytest.raises(errors.InvalidArgument):
        api.send(chat, "Hi")
    assert api.send(chat, "Hi").text == "Yes"
    assert len(chat.history) == 2


def test_rewind(api: Any, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """Rewinding takes back one turn of each side at a time."""
    script.reply("a").reply("b")
    chat = model.start_chat()
    api.send(chat, "1")
    api.send(chat, "2")
    assert texts(chat.rewind()) == [("user", "2"), ("model", "b")]
    assert texts(chat.rewind()) == [("user", "1"), ("model", "a")]
    with pytest.raises(IndexError):
        chat.rewind()


def test_an_edited_history(api: Any, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """What a program changes in the history is sent as changed."""
    script.reply("a").reply("b")
    chat = model.start_chat()
    api.send(chat, "1")
    chat.history[1].parts[0].text = "changed"
    api.send(chat, "2")
    assert script.requests[1].contents[1].parts[0].text == "changed"


def test_a_copy(api: Any, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """A copy goes its own way."""
    script.reply("a").reply("b")
    chat = model.start_chat()
    api.send(chat, "1")
    other = copy.copy(chat)
    api.send(other, "2")
    assert (len(chat.history), len(other.history)) == (2, 4)


def test_thought_signatures(api: Any, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """A thought signature is sent back with the turn that it came in."""
    part = protos.Part(text="Four.", thought_signature=b"signed")
    candidate = protos.Candidate(content=protos.Content(parts=[part]))
    script.reply(protos.GenerateContentResponse(candidates=[candidate])).reply("Yes.")
    chat = model.start_chat()
    api.send(chat, "2 + 2?")
    api.send(chat, "Sure?")
    assert script.requests[1].contents[1].parts[0].thought_signature == b"signed"


def test_histories_that_a_program_edits(api: Any, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """Whichever way a history is edited in place, it is sent as edited: its turns, its list, turns given and held."""
    for number in range(6):
        script.reply(f"answer {number}")
    first = protos.Content(role="user", parts=[protos.Part(text="given")])
    chat = model.start_chat(history=[first, {"role": "model", "parts": "made of a dict"}])
    first.parts[0].text = "given, edited"
    api.send(chat, "one")
    held = chat.history
    api.send(chat, "two")
    held[2].parts[0].text = "one, edited"
    assert len(chat.history) == 6  # the last reply enters
    del held[4:]
    api.send(chat, "three")
    sent = [text for _, text in texts(script.requests[-1].contents)]
    assert sent == ["given, edited", "made of a dict", "one, edited", "answer 0", "three"]
    mine = protos.Content(role="user", parts=[protos.Part(text="mine")])
    untouched = model.start_chat()
    api.send(untouched, mine)
    mine.parts[0].text = "mine, edited once it was sent"
    last: Any = untouched.last
    last.candidates[0].content.parts[0].text = "answer 3, edited before it enters"
    api.send(untouched, "more")
    sent = [text for _, text in texts(script.requests[-1].contents)]
    assert sent == ["mine", "answer 3, edited before it enters", "more"]
    untouched.rewind()
    api.send(untouched, "other")
    assert [text for _, text in texts(script.requests[-1].contents)][-1] == "other"
