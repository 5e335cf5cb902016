"""Base of the sync and async transports."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

from genai_grpc._rpc.admission import Admission
from genai_grpc._rpc.attempts import run_attempts
from genai_grpc._rpc.call import AnyCall
from genai_grpc._rpc.interceptors import Interceptor, intercept
from genai_grpc._rpc.operation import Operation
from genai_grpc._transport.config import ClientOptions

__all__ = ["Transport"]


class Transport:
    """Performs the calls of one client.

    Args:
        options: The client's.
        admission: Shared by the sync and the async transport of the client.
    """

    def __init__(self, options: ClientOptions, admission: Admission) -> None:
        self._options = options
        self._admission = admission
        self._interceptors = tuple(each for each in options.interceptors if isinstance(each, Interceptor))

    def _operation(self, call: AnyCall) -> Operation[Any]:
        """The operation of a call: its attempts, and the interceptors around them."""
        options = self._options
        if options.interceptors:  # gRPC's too want a message
            call = call.with_decoded_request()
        attempts = partial(run_attempts, call, options.limits(call), self._admission, time.monotonic)
        return intercept(call, self._interceptors, attempts) if self._interceptors else attempts()
