"""Takes sync calls out of gRPC for the moment of a fork.

gRPC skips its preparations for a fork while a thread is inside it ("Other threads are currently calling into gRPC,
skipping fork() handlers"), and the child may be broken: with four threads in calls, 8 of 100 children crashed, or met
the deadline of their first call (grpcio 1.85).

A thread that waits for a sync call leaves gRPC every 0.2 s to let Python handle signals, for which it needs the GIL. So
the thread that forks keeps the GIL for slightly longer than that, if a sync call is in flight. The threads of asyncio's
calls are gRPC's own, and cannot be reached so.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import Any, Final

__all__ = ["pause_before_fork"]

# Seconds: grpcio's period of 0.2 s, and time to notice its end.
PAUSE: Final = 0.25
# Seconds that a thread waits until it asks for the GIL: none that begins to wait during the pause gets it. No longer,
# since the thread that forks waits as long if it loses the GIL to one that computes and had asked before.
_SWITCH_INTERVAL: Final = 2 * PAUSE
# Seconds between two reads of the clock above which another thread had the GIL.
_LOST: Final = 0.01


def pause_before_fork(calls_in_flight: Callable[[], bool]) -> None:
    """From now on, pause at each fork for which `calls_in_flight()` is true."""
    saved = sys.getswitchinterval()

    def before() -> None:
        nonlocal saved
        interval = sys.getswitchinterval()
        if interval != _SWITCH_INTERVAL:  # else another thread forks, too
            saved = interval
        if calls_in_flight() and _has_gil():
            sys.setswitchinterval(_SWITCH_INTERVAL)
            _keep_gil()

    def after() -> None:
        sys.setswitchinterval(saved)

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=before, after_in_parent=after, after_in_child=after)


def _keep_gil() -> None:
    """Keep the GIL for the pause, which begins anew once if a thread gets it that had asked for it before."""
    now = time.monotonic()
    end, lost = now + PAUSE, False
    while now < end:  # whatever sleeps releases the GIL
        before, now = now, time.monotonic()
        if now - before > _LOST and not lost:
            end, lost = now + PAUSE, True


def _has_gil() -> bool:
    is_enabled: Any = getattr(sys, "_is_gil_enabled", None)  # Python 3.13
    return is_enabled is None or bool(is_enabled())
