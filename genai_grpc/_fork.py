"""What a forked child starts anew: the channels of its objects belong to the parent, and so do threads with locks."""

from __future__ import annotations

import os
import weakref
from typing import Protocol

__all__ = ["abandon", "register"]


class _Forked(Protocol):
    def _reset_after_fork(self) -> None:
        """Start anew in a forked child."""


_REGISTERED: weakref.WeakSet[_Forked] = weakref.WeakSet()


def register(owner: _Forked) -> None:
    """Call `_reset_after_fork` of this object in every forked child."""
    _REGISTERED.add(owner)


def abandon(inherited: object) -> None:
    """Never free an object of the parent, also when the interpreter of the child ends.

    Destroying a gRPC channel would close the parent's connection, and the finalizer of a call may wait forever for a
    lock of a thread that is not in the child.
    """
    if inherited is not None:
        import ctypes  # 10 ms, in a child that inherits something

        ctypes.pythonapi.Py_IncRef(ctypes.py_object(inherited))


def _reset_all() -> None:
    for owner in list(_REGISTERED):
        owner._reset_after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset_all)
