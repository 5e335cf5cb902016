from __future__ import annotations

import copy
from typing import Any

import pytest

from genai_grpc import ChatSession, Client, GenerativeModel, protos


@pytest.fixture
def model() -> GenerativeModel:
    """A model whose client never connects."""
    return GenerativeModel(client=Client(endpoint="http://127.0.0.1:1"))


def turn(role: str, text: str) -> protos.Content:
    """A turn with one text."""
    return protos.Content(role=role, parts=[protos.Part(text=text)])


HI, HELLO, BYE, FAREWELL = turn("user", "Hi"), turn("model", "Hello"), turn("user", "Bye"), turn("model", "Farewell")


def test_history_can_be_set(model: GenerativeModel) -> None:
    """The history can be replaced, even by a slice of itself, and edited in place."""
    chat = model.start_chat(history=[HI, HELLO, BYE, FAREWELL])
    chat.history = chat.history[:2]
    assert chat.history == [HI, HELLO]
    chat.history.append(BYE)
    assert chat.history == [HI, HELLO, BYE]


def test_history_is_copied(model: GenerativeModel) -> None:
    """The list that is passed as history does not change with the chat."""
    history = [HI, HELLO]
    chat = model.start_chat(history=history)
    chat.history.append(BYE)
    assert history == [HI, HELLO]


def test_invalid_history(model: GenerativeModel) -> None:
    """An invalid history is refused, and the one before it stays."""
    chat = model.start_chat(history=[HI, HELLO])
    with pytest.raises(TypeError, match="cannot make a Part from int"):
        chat.history = [3]  # type: ignore[list-item]  # the mistake under test
    assert chat.history == [HI, HELLO]


def test_rewind(model: GenerativeModel) -> None:
    """Rewinding removes the last message and its reply, until there are none."""
    chat = model.start_chat(history=[HI, HELLO, BYE, FAREWELL])
    assert chat.rewind() == (BYE, FAREWELL)
    assert chat.rewind() == (HI, HELLO)
    with pytest.raises(IndexError, match="the history has 0 turns"):
        chat.rewind()


def test_rewind_single_turn(model: GenerativeModel) -> None:
    """A message without a reply is not removed."""
    chat = model.start_chat(history=[HI])
    with pytest.raises(IndexError, match="the history has 1 turns"):
        chat.rewind()
    assert chat.history == [HI]


def test_copy(model: GenerativeModel) -> None:
    """A copy has the same model and a history of its own."""
    chat = model.start_chat(history=[HI, HELLO])
    other = copy.copy(chat)
    other.history.append(BYE)
    other.rewind()
    assert chat.history == [HI, HELLO]
    assert isinstance(other, ChatSession)
    assert other.model is model


@pytest.mark.parametrize("name", ["candidate_count", "candidateCount"])
def test_several_candidates(model: GenerativeModel, name: str) -> None:
    """A chat and each of its messages refuse several candidates, of which no one could enter the history."""
    with pytest.raises(ValueError, match="one candidate per turn; candidate_count is 2"):
        GenerativeModel(generation_config={name: 2}, client=model.client).start_chat()
    with pytest.raises(ValueError, match="one candidate per turn; candidate_count is 3"):
        model.start_chat().send_message("Hi", generation_config={name: 3})


@pytest.mark.parametrize("content", [None, "", []], ids=repr)
def test_empty_message(model: GenerativeModel, content: Any) -> None:
    """An empty message is refused, and the history does not change."""
    chat = model.start_chat(history=[HI, HELLO])
    with pytest.raises(TypeError, match="must not be empty"):
        chat.send_message(content)
    assert chat.history == [HI, HELLO]


@pytest.mark.parametrize("text", ["", "3", "[3]", '{"role": "user"}', '[{"parts": 3}]', '[{"turn": "user"}]'])
def test_invalid_json(model: GenerativeModel, text: str) -> None:
    """Text that is not the JSON of a history is refused, and the error says what is expected."""
    with pytest.raises(ValueError, match="cannot read a history, a JSON list of turns: "):
        ChatSession.from_json(model, text)


def test_repr(model: GenerativeModel) -> None:
    """The repr shows the model and the number of turns."""
    shown = repr(model.start_chat(history=[HI, HELLO]))
    assert shown.startswith("ChatSession(\n    model=genai.GenerativeModel(\n        model_name='models/gemini-pro',\n")
    assert shown.endswith("    ),\n    history=<2 turns>\n)")
