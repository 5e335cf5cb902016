"""The channels of a client: made at the first call, one a process for sync calls, one a running loop for async ones.

A channel does not survive a fork, so a child process makes its own.
"""

from __future__ import annotations

import asyncio
import os
import threading
import weakref
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, TypeVar

import grpc
import grpc.experimental

if TYPE_CHECKING:
    from collections.abc import Callable

    from genai_grpc._call import Method
    from genai_grpc.config import Config

__all__ = ["Channels", "Stub"]

OPTIONS: Final = (
    # A reply past gRPC's default limit of 4 MiB would fail and look like a used-up quota.
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    # https://grpc.io/docs/guides/keepalive/: a connection that died unnoticed is found within a call.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 0),
    # Retries have one owner, and it is not the channel; what is free and transparent stays on.
    ("grpc.service_config_disable_resolution", 1),
)


class Connects(Protocol):
    """What a sync and an async channel have in common."""

    def unary_unary(self, method: str, request_serializer: Any, response_deserializer: Any) -> Any:
        """A callable for a unary method."""

    def unary_stream(self, method: str, request_serializer: Any, response_deserializer: Any) -> Any:
        """A callable for a method whose replies stream."""


C = TypeVar("C", bound=Connects)


class Stub(Generic[C]):
    """The methods of one channel as callables, each made once."""

    __slots__ = ("_callables", "channel")

    def __init__(self, channel: C) -> None:
        self.channel = channel
        self._callables: dict[str, Any] = {}

    def __getitem__(self, method: Method[Any, Any]) -> Any:
        found = self._callables.get(method.path)
        if found is None:
            make = self.channel.unary_stream if method.streaming else self.channel.unary_unary
            found = make(
                method.path,
                request_serializer=method.request.SerializeToString,
                response_deserializer=method.response.FromString,
            )
            self._callables[method.path] = found
        return found


class Channels:
    """The channels of one client, which must be closed with it."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._lock = threading.Lock()
        self._sync: Stub[grpc.Channel] | None = None
        self._async: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Stub[grpc.aio.Channel]] = (
            weakref.WeakKeyDictionary()
        )
        _ALIVE.add(self)

    def sync(self) -> Stub[grpc.Channel]:
        """The stub of this process."""
        if self._sync is None:
            with self._lock:
                if self._sync is None:
                    # Chunks are read by the thread that wants them: 0.29 of the CPU of a thread for each stream.
                    single = (grpc.experimental.ChannelOptions.SingleThreadedUnaryStream, 1)
                    self._sync = Stub(self._connect(grpc.secure_channel, grpc.insecure_channel, single))
        return self._sync

    def aio(self) -> Stub[grpc.aio.Channel]:
        """The stub of the running loop."""
        loop = asyncio.get_running_loop()
        found = self._async.get(loop)
        if found is None:
            found = self._async[loop] = Stub(self._connect(grpc.aio.secure_channel, grpc.aio.insecure_channel))
        return found

    def close(self) -> None:
        """Close the sync channel; calls in flight end as cancelled."""
        with self._lock:
            stub, self._sync = self._sync, None
        if stub is not None:
            stub.channel.close()

    async def aclose(self) -> None:
        """Close the running loop's channel; calls in flight end as cancelled."""
        stub = self._async.pop(asyncio.get_running_loop(), None)
        if stub is not None:
            await stub.channel.close()

    def drop(self) -> None:
        """Forget every channel without closing it, in a forked child, where they are the parent's."""
        _INHERITED.append((self._sync, dict(self._async)))
        self._lock = threading.Lock()
        self._sync = None
        self._async = weakref.WeakKeyDictionary()

    def _connect(self, secure: Callable[..., Any], insecure: Callable[..., Any], *more: tuple[str, Any]) -> Any:
        target = self._config.target
        options = (*OPTIONS, ("grpc.primary_user_agent", self._config.user_agent), *more)
        if target.tls:
            return secure(target.address, grpc.ssl_channel_credentials(), options=options)
        return insecure(target.address, options=options)


_ALIVE: weakref.WeakSet[Channels] = weakref.WeakSet()
# Kept for good: to let go of a channel is to close it, and what is the parent's must not be touched.
_INHERITED: list[Any] = []


def _drop_all() -> None:
    for channels in _ALIVE:
        channels.drop()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_drop_all)
