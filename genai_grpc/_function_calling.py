"""Automatic function calling: the model's calls are answered by the program's functions until it answers in words.

One plan for each way of replying, at once or streamed; the sync and the async shell both drive them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from genai_grpc import protos
from genai_grpc._coerce.serialize import serialize_turn
from genai_grpc._coerce.tools import CallableFunctionDeclaration, FunctionLibrary, to_function_response
from genai_grpc._responses.merge import ResponseMerger
from genai_grpc._rpc.call import Call, CallFunctions, Operation, ReadChunk, Yield
from genai_grpc.errors import FunctionCallingError

if TYPE_CHECKING:
    from genai_grpc.types import AutomaticFunctionCalling

__all__ = ["ToolLoopState", "run_tool_loop", "stream_tool_loop"]


@dataclass(slots=True)
class ToolLoopState:
    """What one message of the user led to, while it lasts.

    Attributes:
        history: The turns before it, as elements of a request's contents.
        sent: The turns of this exchange that were sent: the user's, then each of the model's calls with its answers.
        received: The last reply.
    """

    history: list[bytes]
    sent: list[protos.Content]
    received: Any = None

    @property
    def turns(self) -> list[bytes]:
        """Everything that the next request holds."""
        return self.history + [serialize_turn(turn) for turn in self.sent]


Ask = Callable[[list[bytes]], Call[Any, Any, Any]]


def run_tool_loop(
    ask: Ask,
    check: Callable[[Any], object],
    exchange: ToolLoopState,
    library: FunctionLibrary,
    settings: AutomaticFunctionCalling,
) -> Operation[Any]:
    """The plan of an exchange whose replies come at once; its result is the last reply.

    Args:
        ask: Describes the call for these turns.
        check: Raises if a reply may not stand in a history.
        exchange: Grows with the calls and their answers.
        library: Whose functions answer.
        settings: How far to go.
    """
    for answered in range(settings.max_rounds + 1):
        response = yield ask(exchange.turns)
        check(response)
        calls = _to_answer(response.candidates[0].content, library)
        if not calls:
            return response
        _refuse_more(answered, settings, calls)
        answers = yield from _answer(calls, settings)
        exchange.sent += [_of_model(response.candidates[0].content), answers]
    raise AssertionError  # the last round returned or raised


def stream_tool_loop(
    ask: Ask, exchange: ToolLoopState, library: FunctionLibrary, settings: AutomaticFunctionCalling
) -> Operation[None]:
    """The plan of an exchange whose replies stream: emits every chunk, each with whether it begins another reply."""
    for answered in range(settings.max_rounds + 1):
        source, chunk = yield ask(exchange.turns)
        fold, begins = ResponseMerger(), True
        try:
            while chunk is not None:
                fold.add(chunk)
                yield Yield(((chunk, begins),))
                begins = False
                chunk = yield ReadChunk(source)
        finally:
            source.cancel()
        candidates = fold.result().candidates
        calls = _to_answer(candidates[0].content, library) if len(candidates) == 1 else []
        if not calls:
            return
        _refuse_more(answered, settings, calls)
        answers = yield from _answer(calls, settings)
        exchange.sent += [_of_model(candidates[0].content), answers]


Answerable = tuple[protos.FunctionCall, CallableFunctionDeclaration]


def _to_answer(content: protos.Content, library: FunctionLibrary) -> list[Answerable]:
    """The calls of a reply with their functions; none if one of them has no function."""
    calls = [part.function_call for part in content.parts if part.WhichOneof("data") == "function_call"]
    found = [(call, function) for call in calls if (function := library.function(call)) is not None]
    return found if len(found) == len(calls) else []


def _refuse_more(answered: int, settings: AutomaticFunctionCalling, calls: list[Answerable]) -> None:
    if answered == settings.max_rounds:
        names = ", ".join(call.name for call, _ in calls)
        raise FunctionCallingError(
            f"the model still calls functions ({names}) after {answered} rounds of answers; "
            "pass AutomaticFunctionCalling(max_rounds=...) to go on longer"
        )


def _answer(calls: list[Answerable], settings: AutomaticFunctionCalling) -> Operation[protos.Content]:
    """Run every call of a reply that is approved; their answers, in order, are one turn."""
    vetoes: dict[int, object] = {}
    if settings.approve is not None:
        verdicts = yield CallFunctions(tuple(("approve", partial(settings.approve, call)) for call, _ in calls))
        vetoes = {
            number: verdict for number, verdict in enumerate(verdicts) if verdict is False or isinstance(verdict, str)
        }
    approved = [number for number in range(len(calls)) if number not in vetoes]
    functions = tuple((calls[number][0].name, partial(_run, *calls[number])) for number in approved)
    results = yield CallFunctions(functions, catch=settings.on_error == "model")
    said = {number: _veto(verdict) for number, verdict in vetoes.items()}
    said |= {number: _said(result) for number, result in zip(approved, results, strict=True)}
    answers = (to_function_response(call, said[number]) for number, (call, _) in enumerate(calls))
    return protos.Content(role="user", parts=[protos.Part(function_response=answer) for answer in answers])


def _run(call: protos.FunctionCall, declaration: CallableFunctionDeclaration) -> Any:
    """The function's result, or what is to be awaited for it. Wrong arguments fail as the function itself would."""
    return declaration.function(**declaration.arguments(call))


def _veto(verdict: object) -> object:
    return {"error": verdict if isinstance(verdict, str) else "the user did not approve this call"}


def _said(result: object) -> object:
    return {"error": f"{type(result).__name__}: {result}"} if isinstance(result, Exception) else result


def _of_model(content: protos.Content) -> protos.Content:
    return protos.Content(role=content.role or "model", parts=content.parts)
