"""Automatic function calling: the program's functions answer the model's calls until it replies with text.

One operation for whole replies and one for streamed ones; the sync and the async driver both perform them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from genai_grpc import protos
from genai_grpc._coerce.serialize import SerializedContents, TurnList
from genai_grpc._coerce.tools import CallableFunctionDeclaration, FunctionLibrary, to_function_response
from genai_grpc._rpc.operation import CallFunctions, CallMethod, Operation, ReadChunk, Yield
from genai_grpc._services.messages import protos_of
from genai_grpc.errors import FunctionCallingError

if TYPE_CHECKING:
    from genai_grpc.types import AutomaticFunctionCalling

__all__ = [
    "Exchange",
    "Generate",
    "ToolLoopState",
    "answer_calls",
    "callable_functions",
    "check_rounds",
    "copy_turn",
    "run_tool_loop",
    "stream_tool_loop",
]

# The step that has the model generate for these turns.
Generate: TypeAlias = Callable[[TurnList], CallMethod]
FunctionCall: TypeAlias = "tuple[protos.FunctionCall, CallableFunctionDeclaration]"


class ToolLoopState:
    """What one message of the user has led to.

    Args:
        history: The turns before the message.
        serialized: The same, serialized; None if the program may edit them.
        message: The user's turn.

    Attributes:
        turns: All turns of the next request.
        sent: The turns sent since the message, itself included: then each reply with function calls and its answers.
    """

    __slots__ = ("sent", "turns")

    def __init__(
        self, history: list[protos.Content], serialized: SerializedContents | None, message: protos.Content
    ) -> None:
        self.turns = TurnList(history, None if serialized is None else serialized.copy())
        self.sent: list[protos.Content] = []
        self.append(message)

    def append(self, *turns: protos.Content) -> None:
        """Add turns to the next request."""
        serialized = self.turns.serialized
        for turn in turns:
            self.turns.append(turn)
            self.sent.append(turn)
            if serialized is not None:
                serialized.append(turn)
        self.turns.serialized = serialized


class Exchange(NamedTuple):
    """A message of the user, and the reply to it.

    Attributes:
        state: What was sent. It does not refer to the reply, so that a stream that is dropped ends at once.
        received: The last reply.
        content: That of the last reply, once it has been found to be complete; None for a stream.
    """

    state: ToolLoopState
    received: Any
    content: protos.Content | None


def run_tool_loop(
    generate: Generate,
    check: Callable[[Any], object],
    state: ToolLoopState,
    functions: FunctionLibrary,
    settings: AutomaticFunctionCalling,
) -> Operation[Any]:
    """Answer function calls until the model replies without one; returns the last response.

    Args:
        generate: Returns the step that has the model generate for these turns.
        check: Raises for a response that cannot enter a history.
        state: Grows with the function calls and their answers.
        functions: The functions that answer.
        settings: Limits, and what to do about errors.
    """
    functions.check_results()
    for round_number in range(settings.max_rounds + 1):
        response = yield generate(state.turns)
        check(response)
        content = response.candidates[0].content
        calls = callable_functions(_calls_of(content), functions)
        if not calls:
            return response
        check_rounds(round_number, settings, calls)
        answers = yield from answer_calls(calls, settings)
        state.append(copy_turn(content, "model"), answers)
    raise AssertionError  # the last round has returned or raised


def stream_tool_loop(
    generate: Generate, state: ToolLoopState, functions: FunctionLibrary, settings: AutomaticFunctionCalling
) -> Operation[None]:
    """The same for streamed replies; yields every chunk, with whether it starts another reply."""
    functions.check_results()
    for round_number in range(settings.max_rounds + 1):
        response = yield generate(state.turns)
        if response.prompt_feedback.block_reason:
            yield Yield(((response._result, True),))
            return
        chunks, starts_reply = _chunks_of(response), True
        try:
            while (chunk := (yield ReadChunk(chunks))) is not None:
                yield Yield(((chunk._result, starts_reply),))
                starts_reply = False
        finally:
            response._cancel()
        candidates = response.candidates
        calls = callable_functions(_calls_of(candidates[0].content), functions) if len(candidates) == 1 else []
        if not calls:
            return
        check_rounds(round_number, settings, calls)
        answers = yield from answer_calls(calls, settings)
        state.append(copy_turn(candidates[0].content, "model"), answers)


class _Chunks:
    """The chunks of a response, read by iterating over it, so that what wraps the response sees them."""

    def __init__(self, response: Any) -> None:
        self._iterator = iter(response)

    def read(self) -> Any:
        return next(self._iterator, None)


class _AsyncChunks:
    """The async twin of `_Chunks`."""

    def __init__(self, response: Any) -> None:
        self._iterator = aiter(response)

    async def read(self) -> Any:
        return await anext(self._iterator, None)


def _chunks_of(response: Any) -> _Chunks | _AsyncChunks:
    return _AsyncChunks(response) if hasattr(response, "__aiter__") else _Chunks(response)


def _calls_of(content: protos.Content) -> list[protos.FunctionCall]:
    return [part.function_call for part in content.parts if part.WhichOneof("data") == "function_call"]


def callable_functions(calls: list[protos.FunctionCall], functions: FunctionLibrary) -> list[FunctionCall]:
    """The function calls of a reply with their functions; none if one of them has no function."""
    found = [(call, function) for call in calls if (function := functions.function(call)) is not None]
    return found if len(found) == len(calls) else []


def check_rounds(round_number: int, settings: AutomaticFunctionCalling, calls: list[FunctionCall]) -> None:
    """Raise FunctionCallingError if these calls come after as many rounds as there may be."""
    if round_number == settings.max_rounds:
        names = ", ".join(call.name for call, _ in calls)
        raise FunctionCallingError(
            f"the model still calls functions ({names}) after {round_number} rounds of answers; "
            "pass AutomaticFunctionCalling(max_rounds=...) to allow more"
        )


def answer_calls(calls: list[FunctionCall], settings: AutomaticFunctionCalling) -> Operation[protos.Content]:
    """Run the approved calls of a reply; all answers, in order, are one turn."""
    rejected: dict[int, object] = {}
    if settings.approve is not None:
        verdicts = yield CallFunctions(tuple(("approve", partial(settings.approve, call)) for call, _ in calls))
        rejected = {
            number: verdict for number, verdict in enumerate(verdicts) if verdict is False or isinstance(verdict, str)
        }
    approved = [number for number in range(len(calls)) if number not in rejected]
    functions = tuple((calls[number][0].name, partial(_run, *calls[number])) for number in approved)
    results = yield CallFunctions(functions, catch=settings.on_error == "model")
    answers = {number: _rejection(verdict) for number, verdict in rejected.items()}
    answers |= {number: _result_or_error(result) for number, result in zip(approved, results, strict=True)}
    responses = (_to_response(call, answers[number], settings) for number, (call, _) in enumerate(calls))
    protos = protos_of(calls[0][0])
    return protos.Content(role="user", parts=[protos.Part(function_response=response) for response in responses])


def _run(call: protos.FunctionCall, declaration: CallableFunctionDeclaration) -> Any:
    """The function's result or awaitable. Wrong arguments raise what the function itself would raise."""
    return declaration.run(call)


def _to_response(
    call: protos.FunctionCall, answer: object, settings: AutomaticFunctionCalling
) -> protos.FunctionResponse:
    """The response to a call. That an answer has no JSON form, or an iterator raises, is an error of the function."""
    try:
        return to_function_response(call, answer)
    except Exception as error:
        if settings.on_error != "model":
            raise
        return to_function_response(call, _result_or_error(error))


def _rejection(verdict: object) -> object:
    return {"error": verdict if isinstance(verdict, str) else "the user did not approve this call"}


def _result_or_error(result: object) -> object:
    return {"error": f"{type(result).__name__}: {result}"} if isinstance(result, Exception) else result


def copy_turn(content: protos.Content, default_role: str) -> protos.Content:
    """A copy of a content, whose role is the default one if it has none."""
    turn = type(content)()
    turn.CopyFrom(content)  # with the fields that this version of the messages does not know
    if not turn.role:
        turn.role = default_role
    return turn
