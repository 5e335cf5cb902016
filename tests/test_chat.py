from __future__ import annotations

import copy
from typing import Any

import pytest

from genai_grpc import ChatSession, Client, GenerativeModel, protos


@pytest.fixture
def model() -> GenerativeModel:
    """A model whose client connects nowhere."""
    return GenerativeModel(client=Client(endpoint="http://127.0.0.1:1"))


def turn(role: str, text: str) -> protos.Content:
    """A turn of one text."""
    return protos.Content(role=role, parts=[protos.Part(text=text)])


HI, HELLO, BYE, FAREWELL = turn("user", "Hi"), turn("model", "Hello"), turn("user", "Bye"), turn("model", "Farewell")


def test_history_can_be_set(model: GenerativeModel) -> None:
    """The history can be replaced, also by a part of itself, and changed in place."""
    chat = model.start_chat(history=[HI, HELLO, BYE, FAREWELL])
    chat.history = chat.history[:2]
    assert chat.history == [HI, HELLO]
    chat.history.append(BYE)
    assert chat.history == [HI, HELLO, BYE]


def test_history_is_not_the_callers_list(model: GenerativeModel) -> None:
    """The list that a chat is given stays the caller's."""
    given = [HI, HELLO]
    chat = model.start_chat(history=given)
    chat.history.append(BYE)
    assert given == [HI, HELLO]


def test_wrong_history(model: GenerativeModel) -> None:
    """A history of which no turns can be made is refused, and the one before it stays."""
    chat = model.start_chat(history=[HI, HELLO])
    with pytest.raises(TypeError, match="cannot make a Part from int"):
        chat.history = [3]  # type: ignore[list-item]  # the mistake under test
    assert chat.history == [HI, HELLO]


def test_rewind(model: GenerativeModel) -> None:
    """Rewinding takes back the last pair, until there is none."""
    chat = model.start_chat(history=[HI, HELLO, BYE, FAREWELL])
    assert chat.rewind() == (BYE, FAREWELL)
    assert chat.rewind() == (HI, HELLO)
    with pytest.raises(IndexError, match="the history has 0 turns"):
        chat.rewind()


def test_rewind_half_a_pair(model: GenerativeModel) -> None:
    """One turn is no pair, and stays."""
    chat = model.start_chat(history=[HI])
    with pytest.raises(IndexError, match="the history has 1 turns"):
        chat.rewind()
    assert chat.history == [HI]


def test_copy(model: GenerativeModel) -> None:
    """A copy goes its own way from the same history, on the same model."""
    chat = model.start_chat(history=[HI, HELLO])
    other = copy.copy(chat)
    other.history.append(BYE)
    other.rewind()
    assert chat.history == [HI, HELLO]
    assert isinstance(other, ChatSession)
    assert other.model is model


@pytest.mark.parametrize("name", ["candidate_count", "candidateCount"])
def test_several_candidates(model: GenerativeModel, name: str) -> None:
    """Of several candidates none could be the history, so they are refused, by the chat and by each message."""
    with pytest.raises(ValueError, match="one candidate per turn; candidate_count is 2"):
        GenerativeModel(generation_config={name: 2}, client=model.client).start_chat()
    with pytest.raises(ValueError, match="one candidate per turn; candidate_count is 3"):
        model.start_chat().send_message("Hi", generation_config={name: 3})


@pytest.mark.parametrize("content", [None, "", []], ids=repr)
def test_empty_message(model: GenerativeModel, content: Any) -> None:
    """An empty message is refused, and the history stays."""
    chat = model.start_chat(history=[HI, HELLO])
    with pytest.raises(TypeError, match="must not be empty"):
        chat.send_message(content)
    assert chat.history == [HI, HELLO]


@pytest.mark.parametrize("text", ["", "3", "[3]", '{"role": "user"}', '[{"parts": 3}]', '[{"turn": "user"}]'])
def test_json_that_is_no_history(model: GenerativeModel, text: str) -> None:
    """JSON of something else is refused with what is wanted."""
    with pytest.raises(ValueError, match="cannot read a history, a JSON list of turns: "):
        ChatSession.from_json(model, text)


def test_repr(model: GenerativeModel) -> None:
    """A chat shows its model and how many turns there were."""
    assert "turns=2" in repr(model.start_chat(history=[HI, HELLO]))
    assert "models/gemini-pro" in repr(model.start_chat())
