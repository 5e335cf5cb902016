"""The service of long-running operations (google.longrunning), whose methods have no generated servicer here."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Protocol

import grpc

from genai_grpc._services.generative_language import method
from genai_grpc.local._received_request import current_caller
from genai_grpc.local.services.errors import Context, abort_on_error
from genai_grpc.local.services.paging import parse_page
from genai_grpc.local.state.database import Transaction
from genai_grpc.local.state.tunings import OPERATIONS, TuningStore, check_owner, finish
from genai_grpc_protos.longrunning import (
    CancelOperationRequest,
    DeleteOperationRequest,
    GetOperationRequest,
    ListOperationsRequest,
    ListOperationsResponse,
    Operation,
    WaitOperationRequest,
)
from genai_grpc_protos.protobuf import Empty
from genai_grpc_protos.rpc import Status

__all__ = ["SERVICE", "Registry", "add_operations"]

SERVICE: Final = "google.longrunning.Operations"
_WAIT_SECONDS: Final = 30.0
"""The longest wait of WaitOperation."""

_POLL_SECONDS: Final = 0.1


class Operations:
    """Describes, lists, waits for, cancels and deletes operations.

    Args:
        store: The store.
    """

    def __init__(self, store: TuningStore) -> None:
        self._store = store

    async def get(self, request: GetOperationRequest) -> Operation:
        """Describe one operation."""
        caller = current_caller()  # here, since a transaction runs on another thread
        return await self._store.transact(lambda rows: _find(rows, request.name, caller))

    async def list(self, request: ListOperationsRequest) -> ListOperationsResponse:
        """Describe a page of the caller's operations; `name` may be that of a tuned model, or of its operations."""
        page, caller = parse_page(request), current_caller()
        parent = request.name.removesuffix("/").removesuffix("/operations")
        if parent in ("", "operations", "tunedModels"):
            parent = ""
        found = await self._store.transact(
            lambda rows: OPERATIONS.page(rows, page.after, page.limit, parent=parent, owner=caller)
        )
        operations, next_page_token = page.split(found)
        return ListOperationsResponse(operations=operations, next_page_token=next_page_token)

    async def cancel(self, request: CancelOperationRequest) -> Empty:
        """End an operation; one that has ended stays as it is."""
        caller = current_caller()

        def cancel(rows: Transaction) -> None:
            _find(rows, request.name, caller)
            finish(rows, request.name, Status(code=1, message="the operation was cancelled"))

        await self._store.transact(cancel)
        return Empty()

    async def delete(self, request: DeleteOperationRequest) -> Empty:
        """Delete the record of an operation, which goes on if it has not ended: so its tuning ends, too."""
        caller = current_caller()

        def delete(rows: Transaction) -> None:
            _find(rows, request.name, caller)
            finish(rows, request.name, Status(code=1, message="the operation was deleted"))
            OPERATIONS.delete(rows, request.name)

        await self._store.transact(delete)
        return Empty()

    async def wait(self, request: WaitOperationRequest) -> Operation:
        """Describe an operation when it has ended, or when the timeout has passed."""
        seconds = request.timeout.ToSeconds() if request.HasField("timeout") else _WAIT_SECONDS
        loop, caller = asyncio.get_running_loop(), current_caller()
        end = loop.time() + min(seconds, _WAIT_SECONDS)
        while True:
            operation = await self._store.transact(lambda rows: _find(rows, request.name, caller))
            if operation.done or loop.time() >= end:
                return operation
            await asyncio.sleep(_POLL_SECONDS)


class Registry(Protocol):
    """Where services are added."""

    def add(self, service: str, handlers: Mapping[str, Any]) -> None:
        """Add a service."""


def add_operations(registry: Registry, operations: Operations) -> None:
    """Add the service to a server."""
    handlers: dict[str, Callable[[Any], Awaitable[Any]]] = {
        "GetOperation": operations.get,
        "ListOperations": operations.list,
        "CancelOperation": operations.cancel,
        "DeleteOperation": operations.delete,
        "WaitOperation": operations.wait,
    }
    registry.add(SERVICE, {name: _handler(name, each) for name, each in handlers.items()})


def _handler(name: str, handle: Callable[[Any], Awaitable[Any]]) -> Any:
    async def respond(request: Any, context: Context) -> Any:
        async with abort_on_error(context):
            return await handle(request)

    rpc = method(f"Operations.{name}")
    return grpc.unary_unary_rpc_method_handler(
        respond, request_deserializer=rpc.request.FromString, response_serializer=rpc.response.SerializeToString
    )


def _find(rows: Transaction, name: str, caller: str) -> Operation:
    check_owner(rows, OPERATIONS, name, caller)
    return OPERATIONS.get(rows, name)
