"""The transports of a client over gRPC."""

from __future__ import annotations

from genai_grpc._transport.load_grpc import load_grpc

load_grpc()  # before anything imports grpc

# ruff: noqa: E402
import grpc
import grpc.aio

from genai_grpc._rpc.admission import Admission
from genai_grpc._transport.config import ClientOptions
from genai_grpc._transport.credentials import Credentials
from genai_grpc._transport.grpc.aio import AsyncGrpcTransport
from genai_grpc._transport.grpc.channel_factory import check_interceptors
from genai_grpc._transport.grpc.channel_pool import ChannelPools
from genai_grpc._transport.grpc.sync import GrpcTransport
from genai_grpc._transport.metadata import CallMetadata

__all__ = ["build"]


def build(
    options: ClientOptions, admission: Admission, credentials: Credentials
) -> tuple[ChannelPools, tuple[CallMetadata, CallMetadata], GrpcTransport, AsyncGrpcTransport]:
    """The channels, the metadata of sync and of async calls, and both transports.

    Raises:
        ConfigurationError: An interceptor is of a wrong type.
    """
    check_interceptors(options.interceptors)
    channels, protocol = ChannelPools(options), f"grpc/{grpc.__version__}"
    metadata = CallMetadata(options, credentials, protocol)
    # grpc.aio would convert a tuple at every call.
    aio_metadata = CallMetadata(options, credentials, protocol, grpc.aio.Metadata.from_tuple)
    return (
        channels,
        (metadata, aio_metadata),
        GrpcTransport(options, admission, channels, metadata),
        AsyncGrpcTransport(options, admission, channels, aio_metadata),
    )
