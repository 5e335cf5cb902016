"""The plan of one call: its turn, its tries, and the waits between them, all within one deadline."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any

from genai_grpc._call import Call, Limits, Plan, Sleep, Try
from genai_grpc._log import LOG
from genai_grpc.errors import APIError, Cancelled, DeadlineExceeded

if TYPE_CHECKING:
    from collections.abc import Callable

    from genai_grpc._flow import Flow, Gate

__all__ = ["Admit", "attempts"]


@dataclass(frozen=True, slots=True)
class Admit:
    """A place in line at a gate, for so many seconds at the most. Sent back: None, once it may go through."""

    gate: Gate
    seconds: float


def attempts(call: Call[Any, Any, Any], limits: Limits, flow: Flow, now: Callable[[], float]) -> Plan[Any]:
    """The plan of one call: try it, and again as its policy says. Its result is what a `Try` is answered with.

    Raises:
        APIError: The last try's, which says how many there were.
    """
    deadline = now() + limits.timeout
    policy = limits.retry
    flow.balance.pay_in(policy)
    for tried in count(1):
        try:
            return (yield from _attempt(call, limits, deadline, flow, now))
        except APIError as error:
            error.tries = tried
            delay = policy.delay(error, tried, idempotent=call.method.idempotent)
            if LOG.isEnabledFor(logging.DEBUG):
                # A status message is the service's own and could quote what it was sent: its code says enough.
                again = "" if delay is None else f"; again in {delay:.2f} s at the earliest"
                LOG.debug("%s: try %d ended with %s%s", call.method.path, tried, error.status, again)
            if delay is None or now() + delay >= deadline or not flow.balance.take_out(policy, now()):
                raise
            yield Sleep(delay)
            if now() >= deadline:
                raise DeadlineExceeded(
                    f"the deadline of {limits.timeout:g} s passed after {tried} tries; the last: {error.message}",
                    details=error.details,
                    tries=tried,
                ) from error
    raise AssertionError  # the loop has no end


def _attempt(
    call: Call[Any, Any, Any], limits: Limits, deadline: float, flow: Flow, now: Callable[[], float]
) -> Plan[Any]:
    """One try, in its turn."""
    guessed = 0.0
    if flow.rate is not None:
        left = deadline - now()
        wait, guessed = flow.rate.reserve(now(), left)
        if wait >= left:
            raise DeadlineExceeded(
                f"the client's rate limit has the call wait {wait:.1f} s, which is past its deadline"
            )
        if wait > 0:
            yield Sleep(wait)
    gate = flow.gate
    if not gate.enter():
        yield Admit(gate, deadline - now())
    began = now()
    try:
        reply = yield Try(call, deadline - began, limits.idle_timeout)
    except APIError as error:
        ended = now()
        gate.leave(began, ended, error, ended)
        if flow.rate is not None:
            flow.rate.learn(error, ended)
        raise
    except BaseException:
        # Ctrl-C, the cancellation of a task, or nobody drives the plan any more: that teaches nothing.
        gate.leave(began, began, Cancelled("the call was given up"))
        raise
    answered = now()
    if call.method.streaming:
        reply[0].on_end(partial(_end_stream, flow, began, answered, guessed, now))
    else:
        gate.leave(began, answered, None, answered)
        _settle(flow, guessed, reply)
    return reply


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
    if error is None:
        _settle(flow, guessed, last)
    elif flow.rate is not None:
        flow.rate.learn(error, ended)


def _settle(flow: Flow, guessed: float, reply: Any) -> None:
    """Tell the rate what a reply says it took."""
    if flow.rate is not None and (usage := getattr(reply, "usage_metadata", None)) is not None:
        flow.rate.settle(guessed, usage.total_token_count)
