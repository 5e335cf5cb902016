"""Whether to call a function, and which: by the meaning of what the user says.

A model of 135M parameters guesses here. A sentence's embedding knows: it is near the description of the function that
it asks for, nearer than to small talk and to the common tasks that no function at hand does.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from statistics import mean
from typing import TYPE_CHECKING, Final

from genai_grpc import protos
from genai_grpc.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Iterator

    from genai_grpc.local.engines.llama.sentence_embeddings import Embedder

__all__ = ["Offer", "choose", "to_offer"]

_Mode = protos.FunctionCallingConfig.Mode
_NARROWED: Final = {_Mode.ANY, _Mode.VALIDATED}
"""The modes that may name the functions they allow."""

_TALK: Final = (
    "Hi!",
    "How do you do?",
    "Thanks a lot.",
    "Bye.",
    "What is the capital of Italy?",
    "Who invented the telephone?",
    "Why do leaves fall?",
    "Tell me something funny.",
    "Write a short story about a dog.",
    "What did I say?",
)
"""What is best answered in words."""

_TASKS: Final = (
    "Set an alarm or a timer.",
    "Send a message or an email to a person.",
    "Calculate with numbers.",
    "Convert money or units.",
    "Play music, a film or a game.",
    "Tell the weather.",
    "Switch a device on or off.",
    "Search a shop for something to buy.",
    "Book a table, a room or a ticket.",
    "Put an event into the calendar.",
    "Tell the price of a stock.",
    "Translate a text.",
    "Find the way to a place.",
    "Write down a note or a reminder.",
    "Phone a person.",
    "Search the news.",
)
"""What assistants are asked to do, described as functions are."""

_SAME_TASK: Final = 0.86
"""From this similarity on, a function is taken to do a task; set by the sentences in tests/local/choices.py."""

_NEAREST: Final = 2
"""How many of the nearest lines of talk count, as their mean."""


@dataclass(frozen=True, slots=True)
class Offer:
    """The functions that a request lets the model call.

    Attributes:
        functions: Those that may be called, at least one.
        forced: One of them has to be called.
    """

    functions: tuple[protos.FunctionDeclaration, ...]
    forced: bool


def to_offer(request: protos.GenerateContentRequest) -> Offer | None:
    """Check a request's tools; None if nothing may be called.

    Raises:
        InvalidArgument: A tool that only Google can run, a name that is missing, double or unknown, or a mode that
            does not go with the rest.
    """
    declared: dict[str, protos.FunctionDeclaration] = {}
    for where, function in _declarations(request):
        if not function.name:
            raise InvalidArgument(f"{where} has no name; give it one")
        if function.name in declared:
            raise InvalidArgument(f"{where}.name is {function.name!r}, as another's; give each a name of its own")
        declared[function.name] = function
    config = request.tool_config.function_calling_config
    if config.mode not in _Mode.values():
        raise InvalidArgument(f"function_calling_config.mode is {config.mode}; give one of {', '.join(_Mode.keys())}")
    allowed = _allowed(config, declared)
    if config.mode == _Mode.ANY and not declared:
        raise InvalidArgument("function_calling_config.mode is ANY and tools has no function_declarations; give some")
    if config.mode == _Mode.NONE or not allowed:
        return None
    return Offer(allowed, forced=config.mode == _Mode.ANY)


def choose(offer: Offer, said: str, embedder: Embedder, *, answered: bool = False) -> protos.FunctionDeclaration | None:
    """The function to call; None to answer in words.

    Args:
        offer: The functions.
        said: What the user said last.
        embedder: Compares it with the functions' descriptions.
        answered: A function's result is there already; only one that has to be called is called then.
    """
    functions = offer.functions
    if offer.forced and len(functions) == 1:
        return functions[0]
    if not offer.forced and (answered or not said.strip()):
        return None
    purposes = [_purpose(function) for function in functions]
    nearness = embedder.similarities(said, purposes)
    best = max(range(len(functions)), key=nearness.__getitem__)
    if offer.forced or nearness[best] > _nearest_other(said, purposes, embedder):
        return functions[best]
    return None


def _declarations(request: protos.GenerateContentRequest) -> Iterator[tuple[str, protos.FunctionDeclaration]]:
    for number, tool in enumerate(request.tools):
        for field, _ in tool.ListFields():
            if field.name != "function_declarations":
                raise InvalidArgument(
                    f"tools[{number}] is {field.name}, which this server cannot run; it takes function_declarations"
                )
        for index, function in enumerate(tool.function_declarations):
            yield f"tools[{number}].function_declarations[{index}]", function


def _allowed(
    config: protos.FunctionCallingConfig, declared: dict[str, protos.FunctionDeclaration]
) -> tuple[protos.FunctionDeclaration, ...]:
    names = list(config.allowed_function_names)
    if names and config.mode not in _NARROWED:
        raise InvalidArgument(
            f"function_calling_config.allowed_function_names goes with the modes ANY and VALIDATED; mode is "
            f"{_Mode.Name(config.mode)}"
        )
    if unknown := [name for name in names if name not in declared]:
        known = f"declared are {', '.join(declared)}" if declared else "none is declared"
        raise InvalidArgument(f"function_calling_config.allowed_function_names has {unknown[0]!r}; {known}")
    return tuple(function for name, function in declared.items() if name in names or not names)


def _purpose(function: protos.FunctionDeclaration) -> str:
    """What a function is for: the first paragraph of its description, else the words of its name."""
    first = function.description.strip().partition("\n\n")[0]
    return " ".join(first.split()) or re.sub(r"[_.-]+|(?<=[a-z])(?=[A-Z])", " ", function.name)


def _nearest_other(said: str, purposes: list[str], embedder: Embedder) -> float:
    """How near something else is to what the user said: talk, or a task that is no function's."""
    talk = mean(sorted(embedder.similarities(said, _TALK))[-_NEAREST:])
    done = [max(nearness) for nearness in zip(*(embedder.similarities(one, _TASKS) for one in purposes), strict=True)]
    tasks = zip(embedder.similarities(said, _TASKS), done, strict=True)
    return max(talk, *(nearness for nearness, own in tasks if own < _SAME_TASK), -1.0)
