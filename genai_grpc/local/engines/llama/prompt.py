"""From a request's turns to the prompt of a model.

A prompt is either a list of turns for the chat template of the model file, or a plain `User:/Assistant:` transcript.
With a transcript, SmolLM2-135M uses earlier turns (in 7 of 7 short chats; in 2 of 4 with its chat template); few-shot
examples make its answers shorter and more often correct.

>>> from genai_grpc import protos
>>> request = protos.GenerateContentRequest(contents=[{"role": "user", "parts": [{"text": "Hi"}]}])
>>> to_prompt(request).turns[-1]
Turn(role='user', text='Hi')
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from genai_grpc import protos
from genai_grpc.errors import InvalidArgument
from genai_grpc.local.engines.llama.output_grammar import to_python
from genai_grpc_protos.protobuf import Struct

__all__ = ["Chat", "LastUserTurn", "Prompt", "Role", "Transcript", "Turn", "last_user_turn", "to_prompt", "to_turns"]

Role: TypeAlias = Literal["system", "user", "assistant"]
"""The roles of chat templates."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of a conversation."""

    role: Role
    text: str


@dataclass(frozen=True, slots=True)
class Chat:
    """Turns for the model's chat template."""

    turns: tuple[Turn, ...]


@dataclass(frozen=True, slots=True)
class Transcript:
    """A text that the model continues as the assistant, up to one of `stops`, with which the next turn would begin."""

    text: str
    stops: tuple[str, ...]


Prompt: TypeAlias = "Chat | Transcript"

_ROLES: Final[dict[str, Role]] = {"": "user", "user": "user", "function": "user", "model": "assistant"}
_LABELS: Final[dict[Role, str]] = {"user": "User", "assistant": "Assistant"}

_SHORT_ANSWERS: Final = Turn("system", "You are a helpful assistant. Answer in one or two short, correct sentences.")
_ASSISTANT: Final = Turn("system", "You are a helpful assistant.")
# What an example says turns up in answers: with a name in it, a story was about that name. So the examples have no
# names, few things, and no questions that a first program asks.
_EXAMPLE_TURNS: Final = (
    Turn("user", "I am new here."),
    Turn("assistant", "Welcome! Nice to meet you."),
    Turn("user", "Good morning!"),
    Turn("assistant", "Good morning! How can I help you?"),
    Turn("user", "What is the opposite of small?"),
    Turn("assistant", "The opposite of small is large."),
)

_TRANSCRIPT_HEADER: Final = "A conversation between a user and a helpful assistant, who gives short, correct answers."
_EXAMPLE_CHATS: Final = (
    (
        Turn("user", "Good morning!"),
        Turn("assistant", "Good morning! How can I help you?"),
        Turn("user", "What is the colour of snow?"),
        Turn("assistant", "The colour of snow is white."),
        Turn("user", "Name two numbers below ten."),
        Turn("assistant", "Two numbers below ten are four and seven."),
    ),
    (
        Turn("user", "I will be late tonight."),
        Turn("assistant", "Thank you for telling me."),
        Turn("user", "When will I be late?"),
        Turn("assistant", "You will be late tonight."),
    ),
    (
        Turn("user", "I feel tired today."),
        Turn("assistant", "Then you should get some rest."),
        Turn("user", "How do I feel today?"),
        Turn("assistant", "You feel tired today."),
    ),
)
_STOPS: Final = ("\nUser:", "\nAssistant:", "\n\n")

_RESULTS_HEADER: Final = "A helpful assistant answers in one short sentence, from the results of functions."
_RESULTS_EXAMPLES: Final = """\
User: Who is at the door?
get_visitor: {"visitor": "the neighbour"}
Assistant: The neighbour is at the door.

User: What is 3 times 5?
multiply: {"result": 15}
Assistant: The result is 15.

User: How far is it to the harbour?
get_distance: {"result": 120, "unit": "km"}
Assistant: It is 120 km to the harbour.

User: Close the window.
close_window: {"done": true}
Assistant: The window is closed."""


def to_prompt(
    request: protos.GenerateContentRequest, *, few_shot: bool = False, format_hint: str | None = None
) -> Prompt:
    """Convert a request to a prompt.

    Args:
        request: Its contents are text, function calls and their results; thoughts of earlier replies are left out.
        few_shot: The model needs examples, and a transcript for several turns.
        format_hint: A sentence on the format of the answer, e.g. on JSON, which is added to the last user turn.

    Raises:
        InvalidArgument: There is nothing to answer, a role is unknown, or a part is not text.
    """
    system_turns, turns = _system_turns(request), _turns(request.contents)
    if format_hint is not None:
        default = (_ASSISTANT,) if few_shot else ()
        return Chat((system_turns or default) + _append_to_last(turns, format_hint))
    if (last := last_user_turn(request.contents)).results:
        return _results_prompt(last, system_turns, turns, few_shot=few_shot)
    if not few_shot or (len(turns) == 1 and system_turns):
        return Chat(system_turns + turns)
    if len(turns) == 1:
        return Chat((_SHORT_ANSWERS, *_EXAMPLE_TURNS, *turns))
    return Transcript(_transcript(system_turns[0].text if system_turns else _TRANSCRIPT_HEADER, turns), _STOPS)


def to_turns(request: protos.GenerateContentRequest) -> tuple[Turn, ...]:
    """The turns that the caller sent, the system instruction first; raises as `to_prompt` does."""
    return _system_turns(request) + _turns(request.contents)


@dataclass(frozen=True, slots=True)
class LastUserTurn:
    """The last text of the user.

    Attributes:
        text: The text.
        results: The function results that follow it, a line each.
    """

    text: str
    results: tuple[str, ...]


def last_user_turn(contents: Sequence[protos.Content]) -> LastUserTurn:
    """Find the last text of the user, which the next reply answers."""
    results: list[str] = []
    for content in reversed(contents):
        if content.role == "model":
            continue
        if text := "\n".join(part.text for part in content.parts if part.text and not part.thought):
            return LastUserTurn(text, tuple(results))
        responses = (part.function_response for part in content.parts if part.HasField("function_response"))
        results[:0] = [_result(response) for response in responses]
    return LastUserTurn("", tuple(results))


def _results_prompt(
    last: LastUserTurn, system_turns: tuple[Turn, ...], turns: tuple[Turn, ...], *, few_shot: bool
) -> Prompt:
    """The prompt to answer in words, from the results of functions."""
    results = "\n".join(last.results)
    if few_shot:
        header = system_turns[0].text if system_turns else _RESULTS_HEADER
        return Transcript(f"{header}\n\n{_RESULTS_EXAMPLES}\n\nUser: {last.text}\n{results}\nAssistant:", _STOPS)
    question = Turn("user", f"{results}\n\nFrom these results, answer: {last.text}")
    return Chat((*system_turns, *turns[:-1], question))


def _system_turns(request: protos.GenerateContentRequest) -> tuple[Turn, ...]:
    system = _text("system_instruction", request.system_instruction)
    return (Turn("system", system),) if system else ()


def _turns(contents: Iterable[protos.Content]) -> tuple[Turn, ...]:
    """Convert contents to turns. Consecutive turns of one role are joined: chat templates need alternating roles."""
    turns: list[Turn] = []
    for index, content in enumerate(contents):
        if content.role not in _ROLES:
            raise InvalidArgument(f"contents[{index}].role is {content.role!r}; give 'user' or 'model'")
        role, text = _ROLES[content.role], _text(f"contents[{index}]", content)
        if turns and turns[-1].role == role:
            text = f"{turns.pop().text}\n{text}"
        turns.append(Turn(role, text))
    if not turns:
        raise InvalidArgument("contents is empty; give at least one turn of the user")
    if turns[-1].role != "user":
        raise InvalidArgument("the last of contents has the role 'model'; end with a turn of the user")
    return tuple(turns)


def _text(place: str, content: protos.Content) -> str:
    """The text of a content's parts, a line each."""
    return "\n".join(_lines(place, content))


def _lines(place: str, content: protos.Content) -> Iterator[str]:
    for index, part in enumerate(content.parts):
        match part.WhichOneof("data"):
            case _ if part.thought:
                continue
            case "text":
                yield part.text
            case "function_call":
                yield f"{part.function_call.name}({_json(part.function_call.args)})"
            case "function_response":
                yield _result(part.function_response)
            case None if part.thought_signature:
                continue
            case None:
                raise InvalidArgument(f"{place}.parts[{index}] is empty; this model reads text parts")
            case kind:
                raise InvalidArgument(f"{place}.parts[{index}] is a {kind}; this model reads text parts only")


def _result(response: protos.FunctionResponse) -> str:
    return f"{response.name}: {_json(response.response)}"


def _json(struct: Struct) -> str:
    return json.dumps({name: to_python(value) for name, value in sorted(struct.fields.items())}, ensure_ascii=False)


def _append_to_last(turns: tuple[Turn, ...], format_hint: str) -> tuple[Turn, ...]:
    *before, last = turns
    return (*before, Turn(last.role, f"{last.text}\n\n{format_hint}"))


def _transcript(header: str, turns: tuple[Turn, ...]) -> str:
    chats = [_format_chat(chat) for chat in (*_EXAMPLE_CHATS, turns)]
    return "\n\n".join([header, *chats]) + "\nAssistant:"


def _format_chat(turns: Iterable[Turn]) -> str:
    return "\n".join(f"{_LABELS[turn.role]}: {turn.text}" for turn in turns)
