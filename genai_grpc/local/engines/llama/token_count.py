"""Number of tokens of a request: those of what the caller sent, not of what the engine adds to make a prompt of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from genai_grpc import protos
from genai_grpc.errors import InvalidArgument
from genai_grpc.local.engines.llama.function_arguments import describe_function
from genai_grpc.local.engines.llama.llama_cpp import LlamaCpp
from genai_grpc.local.engines.llama.prompt import Turn, to_turns

__all__ = ["TokenCounter", "Tokenize"]


class Tokenize(Protocol):
    """Returns the tokens of a text, or raises InvalidArgument if they are too many."""

    def __call__(self, text: str, *, add_special: bool = True) -> list[int]:
        """Tokenize a text, with the model's begin-of-sequence token by default."""
        ...


class TokenCounter:
    """Counts the tokens of requests with the chat template of a model.

    Counted are the turns and the system instruction as the template renders them, with the marks of their roles, and a
    line for each declared function: name, description and parameters. Not counted are worked examples, the system
    instruction that a template has by default, and the mark with which the reply begins. So the tokens of a
    conversation are the sum of those of its turns.

    Args:
        llama: The model, whose template is measured: some milliseconds.
    """

    def __init__(self, llama: LlamaCpp) -> None:
        self._llama = llama
        one = self._measure(1)
        try:
            self._empty_turn = self._measure(2) - one
        except InvalidArgument:
            # Templates that refuse two turns of one role were seen to have no system instruction by default.
            self._empty_turn = one
        self._default_system = one - self._empty_turn

    def count(self, request: protos.GenerateContentRequest, tokenize: Tokenize) -> int:
        """Count the tokens of a request, which may have no contents or end with a turn of the model.

        Raises:
            InvalidArgument: A turn, or a declared function, is not valid; or `tokenize` raises it.
        """
        incomplete = not request.contents or request.contents[-1].role == "model"
        if incomplete:
            original, request = request, protos.GenerateContentRequest()
            request.CopyFrom(original)
            request.contents.add(role="user").parts.add(text="")
        turns = to_turns(request)
        tokens = len(tokenize(self._llama.render(turns, add_generation_prompt=False), add_special=False))
        tokens -= self._empty_turn if incomplete else 0
        tokens -= 0 if turns[0].role == "system" else self._default_system
        functions = "\n".join(map(describe_function, _functions(request)))
        return tokens + (len(tokenize(functions, add_special=False)) if functions else 0)

    def _measure(self, turns: int) -> int:
        """The tokens of empty turns of the user."""
        text = self._llama.render([Turn("user", "")] * turns, add_generation_prompt=False)
        return len(self._llama.tokenize(text, add_special=False))


def _functions(request: protos.GenerateContentRequest) -> Iterator[protos.FunctionDeclaration]:
    for tool in request.tools:
        yield from tool.function_declarations
