"""One attempt of a call as a request of HTTP, and what comes back as a message or an error."""

from __future__ import annotations

import asyncio
import json
import math
import re
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from genai_grpc._rpc.call import AnyCall, SerializedRequest
from genai_grpc._rpc.calls_in_flight import CANCELLED
from genai_grpc._rpc.http_errors import check_reply
from genai_grpc._rpc.operation import Attempt, HttpReply
from genai_grpc._rpc.options import Metadata
from genai_grpc._rpc.secret import mask, secrets_in
from genai_grpc._services.http_rules import bindings_of
from genai_grpc._services.transcoding import HttpCall, from_json, to_http
from genai_grpc._transport.http.settings import to_headers
from genai_grpc.errors import (
    APIError,
    ClientClosed,
    DeadlineExceeded,
    InternalServerError,
    InvalidArgument,
    MethodNotImplemented,
    ServiceUnavailable,
)

if TYPE_CHECKING:
    from genai_grpc._transport.rest.connections import RestConnections

__all__ = ["Exchange", "Head", "RequestMetadata"]


class RequestMetadata(tuple[tuple[str, "str | bytes"], ...]):
    """The metadata of a call, with the headers and the secrets in them, which are read once for many calls."""

    headers: dict[str, str]
    secrets: tuple[str, ...]

    def __new__(cls, pairs: Iterable[tuple[str, str | bytes]], user_agent: str) -> RequestMetadata:
        """Read the pairs."""
        metadata = super().__new__(cls, pairs)
        metadata.headers = {"user-agent": user_agent, **to_headers(metadata)}
        metadata.secrets = secrets_in(metadata)
        return metadata


class Head(NamedTuple):
    """The head of a response.

    Attributes:
        status: The status code.
        headers: The headers, with their names in lower case.
    """

    status: int
    headers: Metadata


class Exchange:
    """One attempt over HTTP.

    Args:
        connections: Those of the client.
        attempt: The attempt.
        metadata: What the call sends.
        timeout: Seconds that are left for it.

    Raises:
        InvalidArgument: The request has no path in HTTP.
        MethodNotImplemented: The method has none.

    Attributes:
        verb: The verb of HTTP.
        target: The path after that of the endpoint, with the query.
        body: The JSON; None for no body.
        headers: The headers.
        timeout: Seconds for the whole exchange.
        idle_timeout: Seconds that the next piece of a stream may take; infinite for a reply.
    """

    __slots__ = (
        "_connections",
        "_deadline",
        "_response_type",
        "_secrets",
        "body",
        "headers",
        "idle_timeout",
        "streaming",
        "target",
        "timeout",
        "verb",
    )

    def __init__(
        self, connections: RestConnections, attempt: Attempt, metadata: RequestMetadata, timeout: float
    ) -> None:
        method = attempt.call.method
        self._connections = connections
        self._response_type = method.response
        self._secrets = metadata.secrets
        self._deadline = time.monotonic() + timeout
        self.timeout = timeout
        self.streaming = method.streaming
        self.idle_timeout = attempt.idle_timeout if method.streaming else math.inf
        self.verb, self.target, self.body = _transcode(attempt.call)
        self.headers = {**metadata.headers, "x-server-timeout": str(math.ceil(timeout))}
        if self.body is not None:
            self.headers["content-type"] = "application/json"

    def time_left(self) -> float:
        """Seconds until the deadline; raises DeadlineExceeded."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise self._too_late()
        return left

    def read_timeout(self) -> float:
        """Seconds to wait for the next piece; raises DeadlineExceeded."""
        return min(self.time_left(), self.idle_timeout)

    def timed_out(self) -> APIError:
        """The error of a wait for the next piece that was too long."""
        if self._deadline - time.monotonic() > self.idle_timeout:
            return DeadlineExceeded(f"no chunk came for {self.idle_timeout:g} s, the idle_timeout")
        return self._too_late()

    def _too_late(self) -> APIError:
        return DeadlineExceeded(f"no reply within the timeout of {self.timeout:.3g} s")

    def failure(self, error: Exception) -> APIError:
        """The error of a connection that failed."""
        if isinstance(error, APIError):
            return error
        if self._connections.closed:
            return ClientClosed(CANCELLED)
        if isinstance(error, TIMEOUTS):
            return self.timed_out()
        reason = mask(str(error) or type(error).__name__, self._secrets)
        if isinstance(error, ValueError) and not isinstance(error, OSError):
            return InternalServerError(f"the service's stream cannot be read: {reason}")
        return ServiceUnavailable(f"the HTTP connection to {self._connections.base_url} failed: {reason}")

    def parse(self, head: Head, body: bytes) -> tuple[Any, tuple[Any, ...]]:
        """The message of a reply, with its metadata and JSON.

        Raises:
            APIError: The service refused the call; or what answered is no Gemini API.
        """
        if not 200 <= head.status < 300:
            self._check(head, body)
        return self._message(head, body), (head.headers, (), [body])

    def parse_event(self, head: Head, data: bytes) -> Any:
        """The message of one event of a stream; raises as `parse`."""
        self.check_event(head, data)
        return self._message(head, data)

    def check_event(self, head: Head, data: bytes) -> None:
        """Raise APIError if the data of an event, which may be incomplete, are an error."""
        if _ERROR.match(data) and _is_json(data):
            self._check(head._replace(status=500), data)

    def _message(self, head: Head, data: bytes) -> Any:
        try:
            return from_json(self._response_type, data)
        except ValueError as error:
            kind = dict(head.headers).get("content-type", "no content type")
            problem = (
                f"{self._connections.base_url} answered with HTTP {head.status} and {str(kind).partition(';')[0]}, "
                f"which is no reply of the Gemini API ({mask(str(error), self._secrets)}); check the endpoint, and "
                "proxies or a captive portal on the way"
            )
        raise InternalServerError(problem)

    def _check(self, head: Head, body: bytes) -> None:
        headers = {name: str(value) for name, value in head.headers}
        check_reply(HttpReply(head.status, headers, body, self._connections.base_url), self._secrets)


_ERROR: Final = re.compile(rb'\s*\[?\s*\{\s*"error"\s*:')
TIMEOUTS: Final = (TimeoutError, asyncio.TimeoutError)  # two classes on Python 3.10


def _is_json(data: bytes) -> bool:
    try:
        json.loads(data)
    except (ValueError, RecursionError):
        return False
    return True


def _transcode(call: AnyCall) -> HttpCall:
    method = call.method
    if not bindings_of(method) or method.bidirectional:
        raise MethodNotImplemented(f"{method.name} is not served over HTTP/JSON; use transport='grpc'", attempts=0)
    request = call.request.decode() if isinstance(call.request, SerializedRequest) else call.request
    try:
        return to_http(method, request, call.options.extra_body, **({"alt": "sse"} if method.streaming else {}))
    except ValueError as error:
        raise InvalidArgument(str(error), attempts=0) from None
