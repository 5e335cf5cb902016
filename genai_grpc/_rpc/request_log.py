"""The request log: one line at INFO for each call, without its content."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from genai_grpc._rpc.interceptors import CallInfo, Interceptor, error_type
from genai_grpc._rpc.log import LOG
from genai_grpc._rpc.usage import input_tokens, output_tokens

__all__ = ["RequestLog", "call_line"]


class RequestLog(Interceptor):
    """Logs each call when it has ended, a stream at its end.

    Args:
        clock: A monotonic clock, in seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock

    def before(self, call: CallInfo) -> _Observed:
        return _Observed(call, self._clock())

    def attempt(self, state: _Observed, number: int) -> None:
        state.attempts = number

    def after(self, state: _Observed, error: BaseException | None, reply: Any) -> None:
        status = "OK" if error is None else error_type(error)
        usage = getattr(reply, "usage_metadata", None)
        # A cached content has a usage of other fields.
        tokens = (input_tokens(usage), output_tokens(usage)) if hasattr(usage, "candidates_token_count") else None
        LOG.info(call_line(state.method, state.model, status, self._clock() - state.started, tokens, state.attempts))


class _Observed:
    """A call that will be logged."""

    __slots__ = ("attempts", "method", "model", "started")

    def __init__(self, call: CallInfo, started: float) -> None:
        request: Any = call.request
        self.method = call.method
        self.model = str(getattr(request, "model", "") or getattr(request, "name", ""))
        self.started = started
        self.attempts = 0


def call_line(
    method: str, model: str, status: str, seconds: float, tokens: tuple[int, int] | None = None, attempts: int = 1
) -> str:
    """The line of one call.

    Args:
        method: The RPC path, or its last part.
        model: The resource name of the model; "" for none.
        status: The name of the status code.
        seconds: What the call took.
        tokens: Of the prompt and of the response; None if unknown.
        attempts: How many there were.

    >>> call_line("/package.Service/GenerateContent", "models/gemini-pro", "OK", 0.2311, (12, 34), 2)
    'GenerateContent models/gemini-pro OK 0.231 s, 12+34 tokens, 2 attempts'
    >>> call_line("CreateCachedContent", "", "UNAVAILABLE", 4)
    'CreateCachedContent - UNAVAILABLE 4.000 s'
    """
    # Resources of other kinds are named by users; and no name may look like another line.
    model = model.rpartition("publishers/google/")[2]  # without its project
    is_model = model.startswith(("models/", "tunedModels/")) and model.isprintable()
    counted = "" if tokens is None or tokens == (0, 0) else f", {tokens[0]}+{tokens[1]} tokens"
    retried = f", {attempts} attempts" if attempts > 1 else ""
    return f"{method.rpartition('/')[2]} {model if is_model else '-'} {status} {seconds:.3f} s{counted}{retried}"
