"""The transports of a client over HTTP/JSON."""

from __future__ import annotations

from genai_grpc._rpc.admission import Admission
from genai_grpc._rpc.interceptors import Interceptor
from genai_grpc._transport.config import ClientOptions
from genai_grpc._transport.credentials import Credentials
from genai_grpc._transport.metadata import CallMetadata
from genai_grpc._transport.rest.aio import AsyncRestTransport
from genai_grpc._transport.rest.connections import RestConnections
from genai_grpc._transport.rest.exchange import RequestMetadata
from genai_grpc._transport.rest.sync import RestTransport
from genai_grpc.errors import ConfigurationError

__all__ = ["build"]


def build(
    options: ClientOptions, admission: Admission, credentials: Credentials
) -> tuple[RestConnections, tuple[CallMetadata, CallMetadata], RestTransport, AsyncRestTransport]:
    """The connections, the metadata of sync and of async calls, and both transports.

    Raises:
        ConfigurationError: An interceptor is one of gRPC's; the endpoint has no host, or several.
    """
    for each in options.interceptors:
        if not isinstance(each, Interceptor):
            raise ConfigurationError(
                f"with transport='rest' an interceptor is a genai_grpc.types.Interceptor; got {type(each).__name__}"
            )
    connections = RestConnections(options)
    user_agent = options.user_agent or ""
    metadata = CallMetadata(options, credentials, "rest/1.1", lambda pairs: RequestMetadata(pairs, user_agent))
    return (
        connections,
        (metadata, metadata),
        RestTransport(options, admission, connections, metadata),
        AsyncRestTransport(options, admission, connections, metadata),
    )
