"""Selection of the function to call, if any, by the meaning of the user's text.

A model with 135M parameters only guesses. Sentence embeddings work: a text that asks for a function is more similar to
its description than to chitchat, and than to the common tasks that none of the functions does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import mean
from typing import Final

from genai_grpc import protos
from genai_grpc.errors import InvalidArgument
from genai_grpc.local.engines.sentence_embeddings import Embedder

__all__ = ["CallableFunctions", "callable_functions", "select_function"]

_Mode = protos.FunctionCallingConfig.Mode
_MODES_WITH_NAMES: Final = {_Mode.ANY, _Mode.VALIDATED}
"""The modes that go with `allowed_function_names`."""

_CHITCHAT: Final = (
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
"""Texts to answer in words."""

_COMMON_TASKS: Final = (
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
"""Common tasks of assistants, worded as descriptions of functions."""

_SAME_TASK_SIMILARITY: Final = 0.86
"""From this similarity on, a function is taken to do a task; tuned on tests/local/engines/llama/selection_cases.py."""

_NEAREST_CHITCHAT: Final = 2
"""The number of most similar texts of chitchat whose similarities are averaged."""


@dataclass(frozen=True, slots=True)
class CallableFunctions:
    """The functions that the model may call.

    Attributes:
        declarations: The functions, at least one.
        forced: The model must call one of them.
    """

    declarations: tuple[protos.FunctionDeclaration, ...]
    forced: bool


def callable_functions(request: protos.GenerateContentRequest) -> CallableFunctions | None:
    """Validate a request's tools; None if the model may call nothing.

    Raises:
        InvalidArgument: A tool is one that only Google can run, a name is missing, duplicate or unknown, or the mode
            does not go with the rest.
    """
    declared: dict[str, protos.FunctionDeclaration] = {}
    for place, function in _declarations(request):
        if not function.name:
            raise InvalidArgument(f"{place} has no name; give it one")
        if function.name in declared:
            raise InvalidArgument(f"{place}.name is {function.name!r}, as another's; give each a name of its own")
        declared[function.name] = function
    config = request.tool_config.function_calling_config
    if config.mode not in _Mode.values():
        raise InvalidArgument(f"function_calling_config.mode is {config.mode}; give one of {', '.join(_Mode.keys())}")
    allowed = _allowed(config, declared)
    if config.mode == _Mode.ANY and not declared:
        raise InvalidArgument("function_calling_config.mode is ANY and tools has no function_declarations; give some")
    if config.mode == _Mode.NONE or not allowed:
        return None
    return CallableFunctions(allowed, forced=config.mode == _Mode.ANY)


def select_function(
    functions: CallableFunctions, user_text: str, embedder: Embedder, *, has_results: bool = False
) -> protos.FunctionDeclaration | None:
    """Select the function to call; None to answer in words.

    Args:
        functions: The functions.
        user_text: The last text of the user.
        embedder: Compares it with the functions' descriptions.
        has_results: The text is followed by function results, so that only a forced call is made.
    """
    declarations = functions.declarations
    if functions.forced and len(declarations) == 1:
        return declarations[0]
    if not functions.forced and (has_results or not user_text.strip()):
        return None
    purposes = [_purpose(function) for function in declarations]
    similarities = embedder.similarities(user_text, purposes)
    best = max(range(len(declarations)), key=similarities.__getitem__)
    if functions.forced or similarities[best] > _threshold(user_text, purposes, embedder):
        return declarations[best]
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
    if names and config.mode not in _MODES_WITH_NAMES:
        raise InvalidArgument(
            f"function_calling_config.allowed_function_names goes with the modes ANY and VALIDATED; mode is "
            f"{_Mode.Name(config.mode)}"
        )
    if unknown := [name for name in names if name not in declared]:
        known = f"declared are {', '.join(declared)}" if declared else "none is declared"
        raise InvalidArgument(f"function_calling_config.allowed_function_names has {unknown[0]!r}; {known}")
    return tuple(function for name, function in declared.items() if name in names or not names)


def _purpose(function: protos.FunctionDeclaration) -> str:
    """The first paragraph of a function's description, or the words of its name if it has none."""
    first = function.description.strip().partition("\n\n")[0]
    return " ".join(first.split()) or re.sub(r"[_.-]+|(?<=[a-z])(?=[A-Z])", " ", function.name)


def _threshold(user_text: str, purposes: list[str], embedder: Embedder) -> float:
    """The similarity of the user's text to chitchat, or to a common task that no function does: the higher of both."""
    chitchat = mean(sorted(embedder.similarities(user_text, _CHITCHAT))[-_NEAREST_CHITCHAT:])
    by_purpose = [embedder.similarities(purpose, _COMMON_TASKS) for purpose in purposes]
    coverage = [max(similarities) for similarities in zip(*by_purpose, strict=True)]
    tasks = zip(embedder.similarities(user_text, _COMMON_TASKS), coverage, strict=True)
    return max([chitchat, *(similarity for similarity, covered in tasks if covered < _SAME_TASK_SIMILARITY)])
