"""Base of the sync and async transports."""

from __future__ import annotations

import logging
import time
from copy import copy
from typing import TYPE_CHECKING, Any

from genai_grpc._rpc.admission import Admission
from genai_grpc._rpc.attempts import run_attempts
from genai_grpc._rpc.call import AnyCall
from genai_grpc._rpc.interceptors import Interceptor, intercept
from genai_grpc._rpc.log import LOG
from genai_grpc._rpc.operation import Operation
from genai_grpc._rpc.options import NO_OPTIONS, CallOptions
from genai_grpc._rpc.request_log import RequestLog
from genai_grpc._self import Self
from genai_grpc._services.api_versions import API_VERSIONS
from genai_grpc._transport.config import ClientOptions
from genai_grpc.errors import InvalidArgument, MethodNotImplemented

if TYPE_CHECKING:
    from genai_grpc._transport.http.context import HttpContext
    from genai_grpc._transport.metadata import CallMetadata

__all__ = ["Transport"]


class Transport:
    """Performs the calls of one client.

    Args:
        options: The client's.
        admission: Shared by the transports of the client.
    """

    _metadata: CallMetadata

    def __init__(self, options: ClientOptions, admission: Admission) -> None:
        self._options = options
        self._admission = admission
        self._interceptors = tuple(each for each in options.interceptors if isinstance(each, Interceptor))
        self._request_log = RequestLog(time.monotonic)
        self._defaults = NO_OPTIONS
        self._package = options.dialect.protos.package
        of_default_api = options.vertex is None and options.api_version == API_VERSIONS[0]
        self._changes_calls = bool(options.interceptors) or not of_default_api

    def with_defaults(self, defaults: CallOptions) -> Self:
        """A transport that shares everything with this one, with other default options of calls."""
        transport = copy(self)
        transport._defaults = defaults
        transport._changes_calls = True
        return transport

    def http_context(self, own: CallOptions) -> HttpContext:
        """What holds for the HTTP requests of an operation with options of its own."""
        from genai_grpc._transport.http.context import HttpContext  # with ssl and others, which few programs need

        if self._options.vertex is not None:
            raise MethodNotImplemented(_of_gemini_only("files"), attempts=0)
        if own.extra_body is not None:
            raise InvalidArgument("extra_body is for calls, not for uploads and downloads", attempts=0)
        return HttpContext(self._options, self._metadata, own.over(self._defaults), self._admission.calls)

    def _operation(self, call: AnyCall) -> Operation[Any]:
        """The operation of a call: its attempts, and the interceptors around them."""
        if self._changes_calls:
            call = self._changed(call)
        if call.options.extra_body is not None:
            self._check_extra_body()
        interceptors, limits = self._interceptors, self._options.limits(call)
        # At each call, since programs set levels at any time: it takes 0.05 microseconds.
        if LOG.isEnabledFor(logging.INFO):
            interceptors = (*interceptors, self._request_log)
        if not interceptors:
            return run_attempts(call, limits, self._admission, time.monotonic)
        return intercept(
            call,
            interceptors,
            lambda call, on_attempt: run_attempts(call, limits, self._admission, time.monotonic, on_attempt),
            self._options.transport,
        )

    def _check_extra_body(self) -> None:
        if self._options.transport != "rest":
            raise InvalidArgument(
                "extra_body is JSON, which gRPC cannot carry; build the client with transport='rest'", attempts=0
            )

    def _changed(self, call: AnyCall) -> AnyCall:
        """A call with the defaults of a view, under the path of the API version, and as interceptors see it.

        Raises:
            MethodNotImplemented: The API, or its version, does not have the method.
        """
        options = self._options
        if options.vertex is not None and call.method.package != self._package:
            raise MethodNotImplemented(_of_gemini_only(call.method.name), attempts=0)
        if self._defaults is not NO_OPTIONS:
            call = call.with_defaults(self._defaults)
        if options.api_version != API_VERSIONS[0]:
            method = call.method.v1
            if method is None:
                raise MethodNotImplemented(
                    f"API version v1 has no {call.method.name}; v1beta has: build the client with api_version='v1beta'",
                    attempts=0,
                )
            call = call.with_method(method)
        # gRPC's interceptors get a message, too.
        return call.with_decoded_request() if options.interceptors else call


def _of_gemini_only(what: str) -> str:
    return f"Vertex AI has no {what} over this client; the Gemini API has: build a Client without vertex"
