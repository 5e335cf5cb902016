"""Base of the long-running operations."""

from __future__ import annotations

import math
import time
from typing import Any, Generic, TypeVar, cast

from genai_grpc._rpc.call import Call, reply_message
from genai_grpc._rpc.operation import Operation as Steps
from genai_grpc._rpc.polling import poll
from genai_grpc._rpc.status import error_class, unpack
from genai_grpc._services.generative_language import method
from genai_grpc.client import Client, async_transport, default_client, sync_transport
from genai_grpc.errors import APIError, Cancelled
from genai_grpc_protos.longrunning import CancelOperationRequest, GetOperationRequest
from genai_grpc_protos.longrunning import Operation as Record

__all__ = ["Operation"]

Result = TypeVar("Result")


class Operation(Generic[Result]):
    """An operation of the service that goes on when the program has ended; `get_operation` finds it by name.

    Its methods ask the service until it has ended, and know the end then.

    Args:
        proto: The message.
        client: The one that asks for it; by default the one that `configure` sets.

    >>> from genai_grpc_protos.longrunning import Operation as Record
    >>> Operation(Record(name="operations/video", done=True)).name
    'operations/video'
    """

    def __init__(self, proto: Record, *, client: Client | None = None) -> None:
        self._proto = proto
        self._client = client

    @property
    def name(self) -> str:
        """The resource name."""
        return self._proto.name

    @property
    def metadata(self) -> Any:
        """What the service last said of the progress, as a message; None if it said nothing."""
        return unpack(self._proto.metadata) if self._proto.HasField("metadata") else None

    def to_proto(self) -> Record:
        """The message, as of the last answer."""
        return self._proto

    def update(self) -> None:
        """Ask the service for the state; the properties have it then.

        Raises:
            APIError: The call failed.
        """
        self._proto = sync_transport(self._owner()).call(self._get_call())

    async def update_async(self) -> None:
        """The async twin of `update`."""
        self._proto = await async_transport(self._owner()).call(self._get_call())

    def done(self) -> bool:
        """Whether it has ended; asks the service if that is not known."""
        if not self._proto.done:
            self.update()
        return bool(self._proto.done)

    async def done_async(self) -> bool:
        """The async twin of `done`."""
        if not self._proto.done:
            await self.update_async()
        return bool(self._proto.done)

    def running(self) -> bool:
        """Whether it has not ended."""
        return not self.done()

    async def running_async(self) -> bool:
        """The async twin of `running`."""
        return not await self.done_async()

    def cancelled(self) -> bool:
        """Whether it was cancelled."""
        return self.done() and self._proto.error.code == Cancelled.number

    async def cancelled_async(self) -> bool:
        """The async twin of `cancelled`."""
        return await self.done_async() and self._proto.error.code == Cancelled.number

    def cancel(self) -> bool:
        """Ask the service to end it; False if it has ended.

        Raises:
            APIError: The call failed.
        """
        if self.done():
            return False
        sync_transport(self._owner()).call(self._cancel_call())
        return True

    async def cancel_async(self) -> bool:
        """The async twin of `cancel`."""
        if await self.done_async():
            return False
        await async_transport(self._owner()).call(self._cancel_call())
        return True

    def result(self, timeout: float | None = None) -> Result:
        """Wait for the end, and return the result.

        Args:
            timeout: Seconds to wait at most; None waits as long as it takes. The service is asked after 0.25 seconds,
                then less and less often, up to every 5 seconds.

        Raises:
            DeadlineExceeded: It has not ended within the timeout.
            APIError: It ended with an error, whose class and message this has; or a call failed.
        """
        self._wait(timeout)
        return self._result()

    async def result_async(self, timeout: float | None = None) -> Result:
        """The async twin of `result`."""
        await self._wait_async(timeout)
        return self._result()

    def exception(self, timeout: float | None = None) -> APIError | None:
        """Wait for the end, and return its error; None if it succeeded.

        Args:
            timeout: As that of `result`.

        Raises:
            DeadlineExceeded: It has not ended within the timeout.
        """
        self._wait(timeout)
        return self._error()

    async def exception_async(self, timeout: float | None = None) -> APIError | None:
        """The async twin of `exception`."""
        await self._wait_async(timeout)
        return self._error()

    def _owner(self) -> Client:
        return self._client or default_client()

    def _get_call(self) -> Call[Any, Any, Record]:
        return Call(method("Operations.GetOperation"), GetOperationRequest(name=self.name), reply_message)

    def _cancel_call(self) -> Call[Any, Any, Any]:
        return Call(method("Operations.CancelOperation"), CancelOperationRequest(name=self.name), reply_message)

    def _wait(self, timeout: float | None) -> None:
        if not self._proto.done:
            self._proto = sync_transport(self._owner()).run(self._polling(timeout))

    async def _wait_async(self, timeout: float | None) -> None:
        if not self._proto.done:
            self._proto = await async_transport(self._owner()).run(self._polling(timeout))

    def _polling(self, timeout: float | None) -> Steps[Record]:
        limit = math.inf if timeout is None else timeout
        return poll(self._get_call, lambda found: found.done, limit, time.monotonic, description=self.name)

    def _error(self) -> APIError | None:
        error = self._proto.error
        if not self._proto.HasField("error"):
            return None
        return error_class(error.code)(error.message, details=tuple(map(unpack, error.details)))

    def _result(self) -> Result:
        if (error := self._error()) is not None:
            raise error
        return cast("Result", self._parse(unpack(self._proto.response)))

    def _parse(self, response: Any) -> Any:
        """The result of the message of a response."""
        return response

    def __repr__(self) -> str:
        state = "failed" if self._proto.HasField("error") else "done" if self._proto.done else "running"
        return f"<{type(self).__name__} {self.name}, {state}>"
