"""Waits for what other threads do."""

from __future__ import annotations

import threading
from collections.abc import Callable


def wait_until(condition: Callable[[], object]) -> None:
    """Wait until a condition holds; pytest's timeout ends a wait in vain."""
    pause = threading.Event()
    while not condition():
        pause.wait(0.005)
