"""Checks where gevent has patched the process: without gRPC's support for it, a call blocks every greenlet."""

from __future__ import annotations

import sys
import warnings

from genai_grpc.errors import ConfigurationError

__all__ = ["check_async_under_gevent", "check_sync_under_gevent"]


def check_sync_under_gevent() -> None:
    """Warn where sync calls would block every greenlet, since gRPC waits outside gevent's event loop.

    gRPC does not publish whether `grpc.experimental.gevent.init_gevent` was called, so this reads what its channels
    read.
    """
    activated = getattr(sys.modules.get("grpc._cython.cygrpc"), "g_gevent_activated", True)
    if _is_patched("socket") and not activated:
        warnings.warn(
            "gevent has patched this process, but not gRPC: each call blocks every greenlet until it ends. "
            "Call grpc.experimental.gevent.init_gevent() before the first call",
            RuntimeWarning,
            stacklevel=2,
        )


def check_async_under_gevent() -> None:
    """Raise ConfigurationError where async calls would never end: grpc.aio needs a thread, and gets a greenlet."""
    if _is_patched("threading"):
        raise ConfigurationError(
            "an async call never ends where gevent has patched threads; use the sync methods, which gevent makes "
            "concurrent, or monkey.patch_all(thread=False)"
        )


def _is_patched(module: str) -> bool:
    monkey = sys.modules.get("gevent.monkey")
    return monkey is not None and monkey.is_module_patched(module)
