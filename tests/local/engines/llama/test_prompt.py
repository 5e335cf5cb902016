from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from genai_grpc import protos
from genai_grpc.errors import InvalidArgument
from genai_grpc.local.engines.llama.function_arguments import _EXAMPLES
from genai_grpc.local.engines.llama.prompt import (
    _EXAMPLE_CHATS,
    _EXAMPLE_TURNS,
    _RESULTS_EXAMPLES,
    Chat,
    Transcript,
    Turn,
    last_user_turn,
    to_prompt,
)


def _request(*turns: tuple[str, str], system: str = "") -> protos.GenerateContentRequest:
    request = protos.GenerateContentRequest(
        contents=[protos.Content(role=role, parts=[protos.Part(text=text)]) for role, text in turns]
    )
    if system:
        request.system_instruction.parts.add(text=system)
    return request


EXAMPLE_TEXTS = [
    *(f"{'User: ' * (turn.role == 'user')}{turn.text}" for turn in _EXAMPLE_TURNS),
    *(f"{'User: ' * (turn.role == 'user')}{turn.text}" for chat in _EXAMPLE_CHATS for turn in chat),
    _RESULTS_EXAMPLES,
    _EXAMPLES,
]
CHAT = (("user", "My name is Ada."), ("model", "Hello, Ada."), ("user", "What is my name?"))


def test_chat_turns() -> None:
    """Without few-shot examples, the prompt is the turns, with the roles of chat templates."""
    assert to_prompt(_request(*CHAT, system="Be kind.")) == Chat(
        (
            Turn("system", "Be kind."),
            Turn("user", "My name is Ada."),
            Turn("assistant", "Hello, Ada."),
            Turn("user", "What is my name?"),
        )
    )


def test_no_system_instruction() -> None:
    """Without a system instruction, the prompt has none, so that the chat template adds its own."""
    assert to_prompt(_request(("", "Hi"))) == Chat((Turn("user", "Hi"),))


def test_few_shot_single_turn() -> None:
    """A single turn comes after few-shot examples."""
    prompt = to_prompt(_request(("user", "Hi")), few_shot=True)
    assert isinstance(prompt, Chat)
    assert prompt.turns[0].role == "system"
    assert len(prompt.turns) > 2
    assert prompt.turns[-1] == Turn("user", "Hi")


def test_few_shot_single_turn_with_system_instruction() -> None:
    """A system instruction replaces the few-shot examples, which might contradict it."""
    prompt = to_prompt(_request(("user", "Hi"), system="Talk like a pirate."), few_shot=True)
    assert prompt == Chat((Turn("system", "Talk like a pirate."), Turn("user", "Hi")))


def test_few_shot_chat_is_a_transcript() -> None:
    """With few-shot examples, several turns are a transcript, which stops where a turn of the user begins."""
    prompt = to_prompt(_request(*CHAT), few_shot=True)
    assert isinstance(prompt, Transcript)
    assert prompt.text.endswith("\nUser: My name is Ada.\nAssistant: Hello, Ada.\nUser: What is my name?\nAssistant:")
    assert "\nUser:" in prompt.stops


def test_system_instruction_opens_the_transcript() -> None:
    """A transcript begins with the system instruction."""
    prompt = to_prompt(_request(*CHAT, system="You are a pirate."), few_shot=True)
    assert isinstance(prompt, Transcript)
    assert prompt.text.startswith("You are a pirate.\n\n")


@pytest.mark.parametrize("few_shot", [True, False])
def test_format_hint(few_shot: bool) -> None:
    """The format hint is at the end of the last turn."""
    prompt = to_prompt(_request(*CHAT), few_shot=few_shot, format_hint="Answer in JSON.")
    assert isinstance(prompt, Chat)
    assert prompt.turns[-1] == Turn("user", "What is my name?\n\nAnswer in JSON.")


def test_consecutive_turns_are_joined() -> None:
    """Consecutive turns of one role become one turn, since chat templates need alternating roles."""
    assert to_prompt(_request(("user", "One"), ("user", "Two"))) == Chat((Turn("user", "One\nTwo"),))


def test_thoughts_are_left_out() -> None:
    """The prompt does not contain the thoughts of earlier replies."""
    request = _request(*CHAT)
    request.contents[1].parts.add(text="Hmm, Ada.", thought=True)
    assert to_prompt(request) == to_prompt(_request(*CHAT))


def test_several_parts() -> None:
    """Each text part of a turn is a line."""
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
def test_unsupported_parts(part: dict[str, Any], kind: str) -> None:
    """A part that has no text form is an error that names its place and kind."""
    request = protos.GenerateContentRequest(contents=[protos.Content(role="user", parts=[protos.Part(**part)])])
    with pytest.raises(InvalidArgument, match=rf"contents\[0\]\.parts\[0\] is .*{kind}"):
        to_prompt(request)


@pytest.mark.parametrize(
    ("turns", "message"),
    [
        ([], "contents is empty"),
        ([("assistant", "Hi")], r"contents\[0\]\.role is 'assistant'; give 'user' or 'model'"),
        ([("user", "Hi"), ("model", "Hello")], "end with a turn of the user"),
    ],
)
def test_invalid_turns(turns: list[tuple[str, str]], message: str) -> None:
    """Turns that cannot be answered are an error that says what to give instead."""
    with pytest.raises(InvalidArgument, match=message):
        to_prompt(_request(*turns))


def _request_with_results() -> protos.GenerateContentRequest:
    request = _request(("user", "weather in Oslo"))
    call = request.contents.add(role="model").parts.add().function_call
    call.name = "get_weather"
    call.args.update({"city": "Oslo"})
    response = request.contents.add(role="function").parts.add().function_response
    response.name = "get_weather"
    response.response.update({"degrees": 8})
    return request


def test_last_user_turn_with_results() -> None:
    """The last user turn has the text and the function results after it."""
    last = last_user_turn(_request_with_results().contents)
    assert (last.text, last.results) == ("weather in Oslo", ('get_weather: {"degrees": 8}',))


def test_prompt_with_results() -> None:
    """Function results are at the end of the prompt, with the question that they answer."""
    transcript = to_prompt(_request_with_results(), few_shot=True)
    assert isinstance(transcript, Transcript)
    assert transcript.text.endswith('\n\nUser: weather in Oslo\nget_weather: {"degrees": 8}\nAssistant:')
    chat = to_prompt(_request_with_results())
    assert isinstance(chat, Chat)
    assert [turn.text for turn in chat.turns] == [
        "weather in Oslo",
        'get_weather({"city": "Oslo"})',
        'get_weather: {"degrees": 8}\n\nFrom these results, answer: weather in Oslo',
    ]


def test_results_in_a_history() -> None:
    """Calls and results of earlier turns are short texts."""
    request = _request_with_results()
    request.contents.add(role="model").parts.add(text="8 degrees.")
    request.contents.add(role="user").parts.add(text="Thanks")
    prompt = to_prompt(request, few_shot=True)
    assert isinstance(prompt, Transcript)
    assert 'Assistant: get_weather({"city": "Oslo"})\nUser: get_weather: {"degrees": 8}\nAssistant: 8' in prompt.text


def test_examples_have_no_names() -> None:
    """The examples have no names, which would turn up in answers: only sentences begin with a capital letter."""
    for text in EXAMPLE_TEXTS:
        words = re.sub(r"(^|[.!?:\n] )\w+", "", text, flags=re.MULTILINE)
        assert re.findall(r"\b(?!I\b|JSON\b)[A-Z]\w*", words) == []


def test_examples_are_not_in_the_readme() -> None:
    """No example asks what the README or the demo asks."""
    root = Path(__file__).parents[4]
    documents = "".join((root / name).read_text() for name in ("README.md", "examples/demo.py"))
    questions = [line for text in EXAMPLE_TEXTS for line in re.findall(r"^(?:User: )(.+)", text, re.MULTILINE)]
    assert len(questions) > 10
    assert [question for question in questions if question in documents] == []
