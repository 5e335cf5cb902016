from __future__ import annotations

from typing import Any

import pytest

from genai_grpc import protos
from genai_grpc.errors import InvalidArgument
from genai_grpc.local.engines.llama.prompt import Chat, Transcript, Turn, to_prompt


def _request(*turns: tuple[str, str], system: str = "") -> protos.GenerateContentRequest:
    request = protos.GenerateContentRequest(
        contents=[protos.Content(role=role, parts=[protos.Part(text=text)]) for role, text in turns]
    )
    if system:
        request.system_instruction.parts.add(text=system)
    return request


CHAT = (("user", "My name is Ada."), ("model", "Hello, Ada."), ("user", "What is my name?"))


def test_chat_turns() -> None:
    """A model that needs no coaching gets the turns as they are, in the words of chat templates."""
    assert to_prompt(_request(*CHAT, system="Be kind.")) == Chat(
        (
            Turn("system", "Be kind."),
            Turn("user", "My name is Ada."),
            Turn("assistant", "Hello, Ada."),
            Turn("user", "What is my name?"),
        )
    )


def test_no_system_instruction() -> None:
    """Without a system instruction, the chat template is left to its own."""
    assert to_prompt(_request(("", "Hi"))) == Chat((Turn("user", "Hi"),))


def test_coached_single_turn() -> None:
    """A coached model gets worked examples before a single turn."""
    prompt = to_prompt(_request(("user", "Hi")), coached=True)
    assert isinstance(prompt, Chat)
    assert prompt.turns[0].role == "system"
    assert len(prompt.turns) > 2
    assert prompt.turns[-1] == Turn("user", "Hi")


def test_coached_single_turn_with_system_instruction() -> None:
    """A system instruction replaces the worked examples, which would speak against it."""
    prompt = to_prompt(_request(("user", "Hi"), system="Talk like a pirate."), coached=True)
    assert prompt == Chat((Turn("system", "Talk like a pirate."), Turn("user", "Hi")))


def test_coached_chat_is_a_transcript() -> None:
    """A coached model continues several turns as a transcript, and stops where the user would speak."""
    prompt = to_prompt(_request(*CHAT), coached=True)
    assert isinstance(prompt, Transcript)
    assert prompt.text.endswith("\nUser: My name is Ada.\nAssistant: Hello, Ada.\nUser: What is my name?\nAssistant:")
    assert "\nUser:" in prompt.stops


def test_system_instruction_opens_the_transcript() -> None:
    """A system instruction is the first thing in a transcript."""
    prompt = to_prompt(_request(*CHAT, system="You are a pirate."), coached=True)
    assert isinstance(prompt, Transcript)
    assert prompt.text.startswith("You are a pirate.\n\n")


@pytest.mark.parametrize("coached", [True, False])
def test_wanted_form(coached: bool) -> None:
    """What is wanted of the answer's form stands at the end of the last turn."""
    prompt = to_prompt(_request(*CHAT), coached=coached, wanted="Answer in JSON.")
    assert isinstance(prompt, Chat)
    assert prompt.turns[-1] == Turn("user", "What is my name?\n\nAnswer in JSON.")


def test_turns_of_one_speaker_are_joined() -> None:
    """Two turns of one role in a row are one turn, since chat templates want the roles to alternate."""
    assert to_prompt(_request(("user", "One"), ("user", "Two"))) == Chat((Turn("user", "One\nTwo"),))


def test_thoughts_are_left_out() -> None:
    """A model does not read the thoughts of earlier replies."""
    request = _request(*CHAT)
    request.contents[1].parts.add(text="Hmm, Ada.", thought=True)
    assert to_prompt(request) == to_prompt(_request(*CHAT))


def test_several_parts() -> None:
    """The text parts of a turn stand one a line."""
    request = _request(("user", "One"))
    request.contents[0].parts.add(text="Two")
    assert to_prompt(request) == Chat((Turn("user", "One\nTwo"),))


@pytest.mark.parametrize(
    ("part", "kind"),
    [
        ({"code_execution_result": {"output": "1"}}, "code_execution_result"),
        ({"executable_code": {"code": "1"}}, "executable_code"),
        ({}, "empty"),
    ],
)
def test_other_parts(part: dict[str, Any], kind: str) -> None:
    """A part that has no text form is refused, by its place and kind."""
    request = protos.GenerateContentRequest(contents=[protos.Content(role="user", parts=[protos.Part(**part)])])
    with pytest.raises(InvalidArgument, match=rf"contents\[0\]\.parts\[0\] is .*{kind}"):
        to_prompt(request)


@pytest.mark.parametrize(
    ("turns", "message"),
    [
        ([], "contents is empty"),
        ([("assistant", "Hi")], r"contents\[0\]\.role is 'assistant'; give 'user' or 'model'"),
        ([("user", "Hi"), ("model", "Hello")], "end with what the user says"),
    ],
)
def test_bad_turns(turns: list[tuple[str, str]], message: str) -> None:
    """Turns that nobody can answer are refused with what to give instead."""
    with pytest.raises(InvalidArgument, match=message):
        to_prompt(_request(*turns))
