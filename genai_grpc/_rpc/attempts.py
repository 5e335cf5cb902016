"""The plan of one call: its turn, its tries, and the waits between them, all within one deadline."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from genai_grpc._rpc.call import Call, Limits, Method, Plan, Sleep, Try
from genai_grpc._rpc.log import LOG
from genai_grpc.errors import APIError, DeadlineExceeded

if TYPE_CHECKING:
    from collections.abc import Callable

    from genai_grpc._rpc.admission import Flow
    from genai_grpc._rpc.concurrency_limiter import Gate
    from genai_grpc._rpc.rate_limiter import Rate

__all__ = ["Admit", "attempts"]


class Admit(NamedTuple):
    """A place in line at a gate, for so many seconds at the most. Sent back: whether it may go through."""

    gate: Gate
    seconds: float


def attempts(call: Call[Any, Any, Any], limits: Limits, flow: Flow, now: Callable[[], float]) -> Plan[Any]:
    """The plan of one call: try it, and again as its policy says. Its result is what a `Try` is answered with.

    Raises:
        APIError: The last try's, which says how many there were.
        DeadlineExceeded: Likewise, or there was no turn for the call while it could still be answered.
    """
    began = now()
    deadline = began + limits.timeout
    policy, method, gate, rate = limits.retry, call.method, flow.gate, flow.rate
    flow.balance.pay_in(policy, began)
    tried, guessed = 0, 0.0
    last: APIError | None = None
    while True:
        try:
            if rate is not None:
                guessed = yield from _turn(rate, call, limits, flow, deadline, now)
            if not gate.enter():
                yield from _stand_in_line(call, limits, flow, deadline, now)
        except DeadlineExceeded as refused:
            refused.tries = tried
            raise refused from last
        began = now()
        tried += 1
        try:
            reply = yield Try(call, deadline - began, limits.idle_timeout)
        except APIError as error:
            flow.failed(method, began, now(), error)
            error.tries = tried
            yield from _rest(call, limits, flow, error, deadline, guessed, now)
            last = error
            continue
        except BaseException as error:
            # Ctrl-C, a task's cancellation and a plan that nobody drives any more make room too, and teach nothing.
            flow.failed(method, began, now(), error)
            raise
        answered = now()
        if method.streaming:
            reply[0].on_end(partial(_end_stream, flow, method, began, answered, guessed, now))
        else:
            flow.answered(method, began, answered, answered)
            if rate is not None:
                _settle(rate, guessed, reply)
        return reply


def _rest(
    call: Call[Any, Any, Any],
    limits: Limits,
    flow: Flow,
    error: APIError,
    deadline: float,
    guessed: float,
    now: Callable[[], float],
) -> Plan[None]:
    """The wait until the next try; raises `error` if there is none."""
    policy, failed = limits.retry, now()
    if flow.rate is not None:
        flow.rate.learn(error, failed)
        if not isinstance(error, DeadlineExceeded):
            # An answer that comes too late is counted all the same.
            flow.rate.settle(guessed, None)
    delay = policy.delay(error, error.tries, idempotent=call.method.idempotent)
    if LOG.isEnabledFor(logging.DEBUG):
        # A status message is the service's own and could quote what it was sent: its code says enough.
        again = "" if delay is None else f"; again in {delay:.2f} s at the earliest"
        LOG.debug("%s: try %d ended with %s%s", call.method.path, error.tries, error.status, again)
    if delay is None or failed + delay >= deadline or not flow.balance.take_out(policy, failed):
        raise error
    yield Sleep(delay)
    if now() >= deadline:
        raise DeadlineExceeded(
            f"the deadline of {limits.timeout:g} s passed after {error.tries} tries; the last: {error.message}",
            details=error.details,
            tries=error.tries,
        ) from error


def _turn(
    rate: Rate, call: Call[Any, Any, Any], limits: Limits, flow: Flow, deadline: float, now: Callable[[], float]
) -> Plan[float]:
    """The wait for a call's time by the rate; its result are the tokens that were taken off for it."""
    while True:
        left, held = deadline - (began := now()), rate.held
        wait, guessed = rate.reserve(began, left - flow.kept(call.method, limits.timeout))
        if guessed is None:
            raise DeadlineExceeded(
                f"the client's rate limit has the call wait {wait:.1f} s, {_too_late(call, flow, left)}; "
                "begin fewer calls, or set a longer timeout or a higher rate_limit"
            )
        if wait > 0:
            yield Sleep(wait)
            # Since this turn was given, the service may have asked to be left alone for longer.
            if rate.held > max(held, now()):
                continue
        return guessed


def _stand_in_line(
    call: Call[Any, Any, Any], limits: Limits, flow: Flow, deadline: float, now: Callable[[], float]
) -> Plan[None]:
    """The wait for room among the calls in flight."""
    began = now()
    left = deadline - began
    if not (yield Admit(flow.gate, left - flow.kept(call.method, limits.timeout))):
        ended = now()
        raise DeadlineExceeded(
            f"{flow.gate.limit} calls were in flight, the client's max_in_flight, for {ended - began:.1f} s, and a "
            f"later turn is {_too_late(call, flow, deadline - ended)}; begin fewer calls, or set a longer timeout"
        )


def _too_late(call: Call[Any, Any, Any], flow: Flow, left: float) -> str:
    usual = flow.usual(call.method)
    answer = f", as an answer usually takes {usual:.2g} s" if usual else ""
    return f"too late for its deadline in {max(0.0, left):.1f} s{answer}"


def _end_stream(
    flow: Flow,
    method: Method[Any, Any],
    began: float,
    answered: float,
    guessed: float,
    now: Callable[[], float],
    error: APIError | None,
    last: Any,
) -> None:
    """A stream has ended, with `last` as its last chunk; `answered` is when its first one came."""
    ended, rate = now(), flow.rate
    if error is None:
        flow.answered(method, began, answered, ended)
        if rate is not None:
            _settle(rate, guessed, last)
    else:
        flow.failed(method, began, ended, error)
        if rate is not None:
            # It was answered in part, and what that took is not said: the guess stands.
            rate.learn(error, ended)


def _settle(rate: Rate, guessed: float, reply: Any) -> None:
    """Tell the rate what a reply says it took; one that counts tokens, say, or lists models, has taken none."""
    usage = getattr(reply, "usage_metadata", None)
    rate.settle(guessed, None if usage is None else usage.total_token_count)
