"""From a request's turns to the text that a model reads.

Two shapes, chosen by what a model is good at: the turns of a chat template, which the model file brings along, and a
plain `User:/Assistant:` transcript. A transcript makes SmolLM2-135M remember what was said (7 of 7 short chats, where
its chat template managed 2 of 4), and worked examples shorten and straighten its answers.

>>> from genai_grpc import protos
>>> request = protos.GenerateContentRequest(contents=[{"role": "user", "parts": [{"text": "Hi"}]}])
>>> to_prompt(request).turns[-1]
Turn(role='user', text='Hi')
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from genai_grpc.errors import InvalidArgument
from genai_grpc.local.engines.llama.output_grammar import to_plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from genai_grpc import protos
    from genai_grpc_protos.protobuf.struct_pb2 import Struct

__all__ = ["Chat", "Prompt", "Role", "Transcript", "Turn", "last_said", "to_prompt"]

Role: TypeAlias = Literal["system", "user", "assistant"]
"""Who speaks, in the words of chat templates."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What one speaker said."""

    role: Role
    text: str


@dataclass(frozen=True, slots=True)
class Chat:
    """Turns for the model's chat template."""

    turns: tuple[Turn, ...]


@dataclass(frozen=True, slots=True)
class Transcript:
    """A text that the model continues as the assistant, until one of `stops` shows that the next speaker begins."""

    text: str
    stops: tuple[str, ...]


Prompt: TypeAlias = "Chat | Transcript"

_ROLES: Final[dict[str, Role]] = {"": "user", "user": "user", "function": "user", "model": "assistant"}
_SPEAKERS: Final[dict[Role, str]] = {"user": "User", "assistant": "Assistant"}

_BRIEF: Final = Turn("system", "You are a helpful assistant. Answer in one or two short, correct sentences.")
_PLAIN: Final = Turn("system", "You are a helpful assistant.")
_EXAMPLES: Final = (
    Turn("user", "What is the capital of Italy?"),
    Turn("assistant", "The capital of Italy is Rome."),
    Turn("user", "Name two colours."),
    Turn("assistant", "Two colours are red and green."),
    Turn("user", "My name is Tom."),
    Turn("assistant", "Nice to meet you, Tom."),
)

_INTRODUCTION: Final = "A conversation between a user and a helpful assistant, who gives short, correct answers."
_CONVERSATIONS: Final = (
    _EXAMPLES[:4],
    (
        Turn("user", "I live in Rome."),
        Turn("assistant", "Rome is a beautiful city."),
        Turn("user", "Where do I live?"),
        Turn("assistant", "You live in Rome."),
    ),
    (
        Turn("user", "My name is Tom."),
        Turn("assistant", "Nice to meet you, Tom."),
        Turn("user", "What is my name?"),
        Turn("assistant", "Your name is Tom."),
    ),
)
_STOPS: Final = ("\nUser:", "\nAssistant:", "\n\n")

_REPORTER: Final = "A helpful assistant answers in one short sentence, from the results of functions."
_REPORTS: Final = """\
User: Who is at the door?
get_visitor: {"name": "Tom"}
Assistant: Tom is at the door.

User: What is 3 times 5?
multiply: {"result": 15}
Assistant: The result is 15.

User: How far is it to Rome?
get_distance: {"result": 120, "unit": "km"}
Assistant: It is 120 km to Rome.

User: Close the window.
close_window: {"done": true}
Assistant: The window is closed."""


def to_prompt(request: protos.GenerateContentRequest, *, coached: bool = False, wanted: str | None = None) -> Prompt:
    """Put a request into the words that the model reads.

    Args:
        request: Its contents are text, calls of functions and their results; thoughts of earlier replies are left out.
        coached: The model needs worked examples, and a transcript where there are several turns.
        wanted: A sentence on the form of the answer, added to the last user turn, e.g. on JSON.

    Raises:
        InvalidArgument: Nothing to answer, an unknown role, or a part that is not text.
    """
    system = _text("system_instruction", request.system_instruction)
    told = (Turn("system", system),) if system else ()
    turns = _turns(request.contents)
    if wanted is not None:
        return Chat(((told or (_PLAIN,)) if coached else told) + _asking(turns, wanted))
    if wanted is None and (said := last_said(request.contents)).results:
        return _reporting(said, told, turns, coached=coached)
    match coached, len(turns), told:
        case False, _, _:
            return Chat(told + turns)
        case True, 1, ():
            return Chat((_BRIEF, *_EXAMPLES, *turns))
        case True, 1, _:
            return Chat(told + turns)
        case _:
            return Transcript(_transcript(system or _INTRODUCTION, turns), _STOPS)


@dataclass(frozen=True, slots=True)
class Said:
    """What the user said last, and what functions have answered since, one a line."""

    text: str
    results: tuple[str, ...]


def last_said(contents: Sequence[protos.Content]) -> Said:
    """Find the words of the user that the next reply is to answer."""
    results: list[str] = []
    for content in reversed(contents):
        if content.role == "model":
            continue
        if text := "\n".join(part.text for part in content.parts if part.text and not part.thought):
            return Said(text, tuple(results))
        answers = (part.function_response for part in content.parts if part.HasField("function_response"))
        results[:0] = [_result(answer) for answer in answers]
    return Said("", tuple(results))


def _reporting(said: Said, told: tuple[Turn, ...], turns: tuple[Turn, ...], *, coached: bool) -> Prompt:
    """To be answered in words, from what functions returned."""
    results = "\n".join(said.results)
    if coached:
        introduction = told[0].text if told else _REPORTER
        return Transcript(f"{introduction}\n\n{_REPORTS}\n\nUser: {said.text}\n{results}\nAssistant:", _STOPS)
    return Chat((*told, *turns[:-1], Turn("user", f"{results}\n\nFrom these results, answer: {said.text}")))


def _turns(contents: Iterable[protos.Content]) -> tuple[Turn, ...]:
    """The contents as turns, those of one speaker in a row as one turn, as chat templates want them."""
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
        raise InvalidArgument("the last of contents has the role 'model'; end with what the user says")
    return tuple(turns)


def _text(where: str, content: protos.Content) -> str:
    """The text of a content's parts, one a line."""
    return "\n".join(_lines(where, content))


def _lines(where: str, content: protos.Content) -> Iterator[str]:
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
                raise InvalidArgument(f"{where}.parts[{index}] is empty; this model reads text parts")
            case kind:
                raise InvalidArgument(f"{where}.parts[{index}] is a {kind}; this model reads text parts only")


def _result(answer: protos.FunctionResponse) -> str:
    return f"{answer.name}: {_json(answer.response)}"


def _json(struct: Struct) -> str:
    return json.dumps({name: to_plain(value) for name, value in sorted(struct.fields.items())}, ensure_ascii=False)


def _asking(turns: tuple[Turn, ...], wanted: str) -> tuple[Turn, ...]:
    *before, last = turns
    return (*before, Turn(last.role, f"{last.text}\n\n{wanted}"))


def _transcript(introduction: str, turns: tuple[Turn, ...]) -> str:
    conversations = [_spoken(conversation) for conversation in (*_CONVERSATIONS, turns)]
    return "\n\n".join([introduction, *conversations]) + "\nAssistant:"


def _spoken(turns: Iterable[Turn]) -> str:
    return "\n".join(f"{_SPEAKERS[turn.role]}: {turn.text}" for turn in turns)
