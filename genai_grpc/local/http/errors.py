"""From exceptions to the errors that Google's HTTP endpoints send: JSON with the code, the message and the status."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from genai_grpc._rpc.status import encode_details
from genai_grpc.errors import APIError, InternalServerError, InvalidArgument
from genai_grpc.local.services.errors import LOG
from genai_grpc_protos._json import to_json_dict
from genai_grpc_protos.rpc import Status

if TYPE_CHECKING:
    from starlette.requests import Request

__all__ = ["HANDLERS", "error_json", "to_response"]


def error_json(error: APIError) -> bytes:
    """The JSON of an error, with its details."""
    status: dict[str, Any] = {"code": error.code, "message": error.message, "status": error.status}
    for _, packed in encode_details(error):
        status["details"] = to_json_dict(Status.FromString(packed))["details"]
    return json.dumps({"error": status}, ensure_ascii=False).encode()


def to_response(error: APIError, *, in_list: bool = False) -> Response:
    """The response of an error; in a list of JSON, as that of a stream is."""
    content = error_json(error)
    body = b"[" + content + b"]" if in_list else content
    return Response(body, status_code=error.code, media_type="application/json")


async def _api_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, APIError)  # noqa: S101 -- the handler is registered for it
    return to_response(error)


async def _http_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 -- as above
    message = f"{request.method} {request.url.path}: {error.detail}"
    status = {404: "NOT_FOUND", 405: "UNIMPLEMENTED"}.get(error.status_code, InvalidArgument.status)
    body = {"error": {"code": error.status_code, "message": message, "status": status}}
    return JSONResponse(body, status_code=error.status_code, headers=error.headers)


async def _defect(_: Request, error: Exception) -> Response:
    LOG.error("an HTTP request failed", exc_info=error)
    return to_response(InternalServerError("the server failed; its log has the traceback"))


HANDLERS: dict[Any, Any] = {APIError: _api_error, HTTPException: _http_error, Exception: _defect}
