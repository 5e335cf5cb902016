"""Creates gRPC channels for the options of a client."""

from __future__ import annotations

from typing import Any, Final

import grpc
import grpc.aio

from genai_grpc._rpc.interceptors import Interceptor
from genai_grpc._transport.config import ClientOptions
from genai_grpc._transport.grpc.gevent_check import check_async_under_gevent, check_sync_under_gevent
from genai_grpc._transport.grpc.stream_call import StreamCallInterceptor
from genai_grpc._transport.proxy import proxy_arguments
from genai_grpc.errors import ConfigurationError

__all__ = ["ChannelFactory", "check_interceptors"]

SINGLE_THREADED: Final = "SingleThreadedUnaryStream"
"""The value of `grpc.experimental.ChannelOptions.SingleThreadedUnaryStream`, whose import takes 1.5 ms."""

OPTIONS: Final = {
    # A reply above gRPC's default limit of 4 MiB would fail with RESOURCE_EXHAUSTED, like a used-up quota.
    "grpc.max_receive_message_length": -1,
    "grpc.max_send_message_length": -1,
    # https://grpc.io/docs/guides/keepalive/: a dead connection is detected within a call.
    "grpc.keepalive_time_ms": 30_000,
    "grpc.keepalive_timeout_ms": 10_000,
    "grpc.keepalive_permit_without_calls": 0,
    # Retries have one owner, and it is not the channel. gRPC's transparent retries, which are free, stay on.
    "grpc.service_config_disable_resolution": 1,
    # A server that is back is found within a second, which our attempts outlast; gRPC's default maximum is 120 s
    # (https://github.com/grpc/grpc/blob/master/doc/connection-backoff.md).
    "grpc.initial_reconnect_backoff_ms": 100,
    "grpc.max_reconnect_backoff_ms": 1_000,
}


class ChannelFactory:
    """Creates the channels of one client.

    Attributes:
        stream_calls: Records the calls of sync streams, which the program's interceptors may wrap; None without those.
    """

    def __init__(self, options: ClientOptions) -> None:
        self._options = options
        self._target = options.target
        self._interceptors: list[Any] = [
            each for each in options.interceptors if isinstance(each, _SYNC) and not isinstance(each, _AIO)
        ]
        # The innermost one: others may wrap a stream.
        self.stream_calls = StreamCallInterceptor() if self._interceptors else None
        self._aio_interceptors = [each for each in options.interceptors if isinstance(each, _AIO)]
        self._credentials: grpc.ChannelCredentials | None = None

    def sync(self, number: int) -> grpc.Channel:
        """Channel number `number` for sync calls; channels of different numbers have connections of their own."""
        check_sync_under_gevent()
        # The thread that reads a chunk does gRPC's work itself: 0.29 of the CPU of a thread per stream.
        options = [*self._channel_options(number), (SINGLE_THREADED, 1)]
        address = self._target.address
        if self._target.tls:
            channel = grpc.secure_channel(address, self._channel_credentials(), options=options)
        else:
            channel = grpc.insecure_channel(address, options=options)
        if self.stream_calls is None:
            return channel
        return grpc.intercept_channel(channel, *self._interceptors, self.stream_calls)

    def aio(self, number: int) -> grpc.aio.Channel:
        """The async twin of `sync`, for the running event loop."""
        check_async_under_gevent()
        options = self._channel_options(number)
        address, interceptors = self._target.address, self._aio_interceptors or None
        if self._target.tls:
            credentials = self._channel_credentials()
            return grpc.aio.secure_channel(address, credentials, options=options, interceptors=interceptors)
        return grpc.aio.insecure_channel(address, options=options, interceptors=interceptors)

    def _channel_options(self, number: int) -> list[tuple[str, Any]]:
        options: dict[str, Any] = {
            **OPTIONS,
            **proxy_arguments(self._options.proxy),
            "grpc.primary_user_agent": self._options.user_agent,
            # Channels with equal arguments would share a connection.
            "genai_grpc.connection": number,
        }
        if len(self._target.servers) > 1:
            # The name that certificates must have; gRPC's default is the whole list.
            options["grpc.default_authority"] = self._target.servers[0][0]
        return list((options | dict(self._options.channel_options)).items())

    def _channel_credentials(self) -> grpc.ChannelCredentials:
        if self._credentials is None:
            tls = self._options.tls
            pem = (None, None, None) if tls is None else tls.pem()
            self._credentials = grpc.ssl_channel_credentials(*pem)
        return self._credentials


_SYNC: Final = (
    grpc.UnaryUnaryClientInterceptor,
    grpc.UnaryStreamClientInterceptor,
)
_AIO: Final = (grpc.aio.ClientInterceptor,)


def check_interceptors(interceptors: tuple[Any, ...]) -> None:
    """Check that each is one of gRPC's interceptors or of this package's."""
    for each in interceptors:
        if not isinstance(each, (*_SYNC, *_AIO, Interceptor)):
            raise ConfigurationError(
                "an interceptor is a grpc.UnaryUnaryClientInterceptor or grpc.UnaryStreamClientInterceptor, a "
                f"grpc.aio.ClientInterceptor, or a genai_grpc.types.Interceptor; got {type(each).__name__}"
            )
