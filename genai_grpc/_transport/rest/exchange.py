"""One attempt of a call as a request of HTTP, and what comes back as a message or an error."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

from genai_grpc._rpc.call import AnyCall, SerializedRequest
from genai_grpc._rpc.calls_in_flight import CANCELLED
from genai_grpc._rpc.http_errors import check_reply
from genai_grpc._rpc.operation import Attempt, HttpReply
from genai_grpc._rpc.options import Metadata
from genai_grpc._rpc.secret import mask, secrets_in
from genai_grpc._services.http_rules import bindings_of
from genai_grpc._services.transcoding import from_json, to_http
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

__all__ = ["Exchange"]


class Exchange:
    """One attempt over HTTP.

    Args:
        connections: Those of the client.
        attempt: The attempt.
        metadata: What the call sends.
        timeout: Seconds that are left for it.
        user_agent: The user agent.

    Raises:
        InvalidArgument: The request has no path in HTTP.
        MethodNotImplemented: The method has none.
    """

    def __init__(
        self, connections: RestConnections, attempt: Attempt, metadata: Metadata, timeout: float, user_agent: str
    ) -> None:
        self._connections = connections
        self._httpx = connections.httpx
        self._call = attempt.call
        self._timeout = timeout
        self._idle_timeout = attempt.idle_timeout if attempt.call.method.streaming else math.inf
        self._deadline = time.monotonic() + timeout
        self._secrets = secrets_in(metadata)
        verb, target, body = _transcode(attempt.call)
        headers = {"user-agent": user_agent, **to_headers(metadata), "x-server-timeout": str(math.ceil(timeout))}
        if body is not None:
            headers["content-type"] = "application/json"
        read = min(timeout, self._idle_timeout)
        self.arguments: dict[str, Any] = {
            "method": verb,
            "url": connections.base_url + target,
            "headers": headers,
            "content": body,
            "timeout": self._httpx.Timeout(timeout, read=read),
        }

    def time_left(self) -> float:
        """Seconds until the deadline; raises DeadlineExceeded."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise self._too_late()
        return left

    def read_timeout(self) -> float:
        """Seconds to wait for the next piece; raises DeadlineExceeded."""
        return min(self.time_left(), self._idle_timeout)

    def timed_out(self) -> APIError:
        """The error of a wait for the next piece that was too long."""
        if self._deadline - time.monotonic() > self._idle_timeout:
            return DeadlineExceeded(f"no chunk came for {self._idle_timeout:g} s, the idle_timeout")
        return self._too_late()

    def _too_late(self) -> APIError:
        return DeadlineExceeded(f"no reply within the timeout of {self._timeout:.3g} s")

    def failure(self, error: Exception) -> APIError:
        """The error of an exception of httpx2."""
        if self._connections.closed:
            return ClientClosed(CANCELLED)
        if isinstance(error, self._httpx.ReadTimeout):
            return self.timed_out()
        if isinstance(error, self._httpx.TimeoutException):
            return self._too_late()
        reason = mask(str(error) or type(error).__name__, self._secrets)
        return ServiceUnavailable(f"the HTTP connection to {self._connections.base_url} failed: {reason}")

    def check(self, response: Any, body: bytes) -> None:
        """Check the status of a reply whose body is read if it is no success; raises APIError."""
        check_reply(self._reply(response, body), self._secrets)

    def parse(self, response: Any, body: bytes) -> tuple[Any, tuple[Any, ...]]:
        """The message of a reply, with its metadata and JSON.

        Raises:
            APIError: The service refused the call; or what answered is no Gemini API.
        """
        self.check(response, body)
        try:
            return from_json(self._call.method.response, body), (metadata_of(response.headers), (), [body])
        except ValueError as error:
            raise self._no_json(response, error) from None

    def parse_event(self, response: Any, data: bytes) -> Any:
        """The message of one event of a stream; raises as `parse`."""
        if data.lstrip().startswith(b'{"error"'):
            self.check(_Failed(response), data)
        try:
            return from_json(self._call.method.response, data)
        except ValueError as error:
            raise self._no_json(response, error) from None

    def _reply(self, response: Any, body: bytes) -> HttpReply:
        return HttpReply(response.status_code, dict(response.headers), body, self._connections.base_url)

    def _no_json(self, response: Any, error: ValueError) -> APIError:
        kind = response.headers.get("content-type", "no content type").partition(";")[0]
        reason = mask(str(error), self._secrets)
        return InternalServerError(
            f"{self._connections.base_url} answered with HTTP {response.status_code} and {kind}, which is no reply of "
            f"the Gemini API ({reason}); check the endpoint, and proxies or a captive portal on the way"
        )


class _Failed:
    """Stands for a response with an error in the middle of its stream."""

    status_code = 500

    def __init__(self, response: Any) -> None:
        self.headers = response.headers


def metadata_of(headers: Any) -> Metadata:
    """The headers of a response, as initial metadata."""
    return tuple((name.lower(), value) for name, value in headers.multi_items())


def _transcode(call: AnyCall) -> Any:
    method = call.method
    if not bindings_of(method) or method.bidirectional:
        raise MethodNotImplemented(f"{method.name} is not served over HTTP/JSON; use transport='grpc'", attempts=0)
    request = call.request.decode() if isinstance(call.request, SerializedRequest) else call.request
    try:
        return to_http(method, request, call.options.extra_body, **({"alt": "sse"} if method.streaming else {}))
    except ValueError as error:
        raise InvalidArgument(str(error), attempts=0) from None
