"""From exceptions to the status of a gRPC call."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from genai_grpc._rpc.status import encode_details
from genai_grpc.errors import APIError, InternalServerError
from genai_grpc.local.engines.engine import AnyEngine
from genai_grpc_protos.rpc import ErrorInfo

if TYPE_CHECKING:
    import grpc

__all__ = ["Context", "abort", "abort_on_error", "engine_errors", "error_info", "to_api_error"]

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"

LOG: Final = logging.getLogger("genai_grpc.local")
DOMAIN: Final = "local.genai-grpc"


@asynccontextmanager
async def abort_on_error(context: Context) -> AsyncIterator[None]:
    """End the call with the status of an `APIError` that the block raises."""
    try:
        yield
    except APIError as error:
        await abort(context, error)


async def abort(context: Context, error: APIError) -> None:
    """End the call with the code, message and details of an error."""
    await context.abort(error.grpc_status_code, error.message, encode_details(error))


@contextmanager
def engine_errors(engine: AnyEngine) -> Iterator[None]:
    """Convert what the engine raises in the block with `to_api_error`."""
    try:
        yield
    except APIError:
        raise
    except Exception as error:
        raise to_api_error(engine, error) from error


def to_api_error(engine: AnyEngine, error: Exception) -> InternalServerError:
    """Log an exception that is a defect of the engine, and convert it to INTERNAL."""
    name = f"{type(engine).__name__} ({engine.model.name})"
    LOG.error("the engine %s failed", name, exc_info=error)
    return InternalServerError(
        f"the engine {name} failed with {type(error).__name__}: {error}; the server's log has the traceback",
        details=[error_info("ENGINE_FAILED", model=engine.model.name)],
    )


def error_info(reason: str, **metadata: str) -> ErrorInfo:
    """Error detail for programs (https://google.aip.dev/193)."""
    return ErrorInfo(reason=reason, domain=DOMAIN, metadata=metadata)
