"""The plan of one call: its turn, its tries, and the waits between them, all within one deadline."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from genai_grpc._call import Call, Limits, Plan, Sleep, Try
from genai_grpc._log import LOG
from genai_grpc.errors import APIError, DeadlineExceeded

if TYPE_CHECKING:
    from collections.abc import Callable

    from genai_grpc._flow import Flow
    from genai_grpc._gate import Gate
    from genai_grpc._rate import Rate

__all__ = ["Admit", "attempts"]


class Admit(NamedTuple):
    """A place in line at a gate, for so many seconds at the most. Sent back: None, once it may go through."""

    gate: Gate
    seconds: float


def attempts(call: Call[Any, Any, Any], limits: Limits, flow: Flow, now: Callable[[], float]) -> Plan[Any]:
    """The plan of one call: try it, and again as its policy says. Its result is what a `Try` is answered with.

    Raises:
        APIError: The last try's, which says how many there were.
    """
    began = now()
    deadline = began + limits.timeout
    policy, gate, guessed = limits.retry, flow.gate, 0.0
    flow.balance.pay_in(policy)
    tried = 0
    while True:
        tried += 1
        try:
            if flow.rate is not None:
                guessed = yield from _turn(flow.rate, deadline, now)
            if not gate.enter():
                yield Admit(gate, deadline - now())
            began = now()
            try:
                reply = yield Try(call, deadline - began, limits.idle_timeout)
            except BaseException as error:
                # Ctrl-C, a task's cancellation and a plan that nobody drives any more make room too, and teach nothing.
                ended = now()
                gate.leave(began, ended, error, ended if isinstance(error, APIError) else None)
                raise
        except APIError as error:
            error.tries = tried
            if flow.rate is not None:
                flow.rate.learn(error, now())
            yield Sleep(_wait(call, limits, flow, error, deadline, now))
            if now() >= deadline:
                raise DeadlineExceeded(
                    f"the deadline of {limits.timeout:g} s passed after {tried} tries; the last: {error.message}",
                    details=error.details,
                    tries=tried,
                ) from error
            continue
        answered = now()
        if call.method.streaming:
            reply[0].on_end(partial(_end_stream, flow, began, answered, guessed, now))
        else:
            gate.leave(began, answered, None, answered)
            if flow.rate is not None:
                _settle(flow.rate, guessed, reply)
        return reply


def _wait(
    call: Call[Any, Any, Any], limits: Limits, flow: Flow, error: APIError, deadline: float, now: Callable[[], float]
) -> float:
    """Seconds until the next try; raises `error` if there is none."""
    policy = limits.retry
    delay = policy.delay(error, error.tries, idempotent=call.method.idempotent)
    if LOG.isEnabledFor(logging.DEBUG):
        # A status message is the service's own and could quote what it was sent: its code says enough.
        again = "" if delay is None else f"; again in {delay:.2f} s at the earliest"
        LOG.debug("%s: try %d ended with %s%s", call.method.path, error.tries, error.status, again)
    if delay is None or now() + delay >= deadline or not flow.balance.take_out(policy, now()):
        raise error
    return delay


def _turn(rate: Rate, deadline: float, now: Callable[[], float]) -> Plan[float]:
    """The wait for a call's time by the rate; its result are the tokens that were taken off for it."""
    began = now()
    left = deadline - began
    wait, guessed = rate.reserve(began, left)
    if wait >= left:
        raise DeadlineExceeded(f"the client's rate limit has the call wait {wait:.1f} s, which is past its deadline")
    if wait > 0:
        yield Sleep(wait)
    return guessed


def _end_stream(
    flow: Flow,
    began: float,
    answered: float,
    guessed: float,
    now: Callable[[], float],
    error: APIError | None,
    last: Any,
) -> None:
    """A stream has ended, with `last` as its last chunk; `answered` is when its first one came."""
    ended = now()
    flow.gate.leave(began, ended, error, answered)
    if flow.rate is None:
        return
    if error is None:
        _settle(flow.rate, guessed, last)
    else:
        flow.rate.learn(error, ended)


def _settle(rate: Rate, guessed: float, reply: Any) -> None:
    """Tell the rate what a reply says it took."""
    if (usage := getattr(reply, "usage_metadata", None)) is not None:
        rate.settle(guessed, usage.total_token_count)
