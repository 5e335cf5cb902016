"""The HTTP application: its routes, and the API key that they need."""

from __future__ import annotations

import hmac
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import h11
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from genai_grpc.errors import NotFound, Unauthenticated
from genai_grpc.local._received_request import to_caller
from genai_grpc.local.http.errors import HANDLERS
from genai_grpc.local.http.rest import FindHandler, call, find_route
from genai_grpc.local.http.uploads import Uploads
from genai_grpc.local.services.errors import error_info

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from genai_grpc.local.state.files import FileStore

__all__ = ["build_app"]

_KEY_HEADER: Final = "x-goog-api-key"
_DISCONNECTED: Final = 499
_MAX_HEADERS: Final = 65_536
"""Bytes of the headers of a request, at most."""

_NAMES: Final = 1 << 20
"""Bytes of JSON that messages do not have, at most."""

_DOWNLOADS: Final = ("FileService.GetFile", "FileService.DownloadFile")
_VERBS: Final = ["GET", "POST", "PATCH", "DELETE"]
_UPLOAD_PATHS: Final = tuple(
    f"{prefix}/{version}/files" for prefix in ("/upload", "/resumable/upload") for version in ("v1beta", "v1")
)


def build_app(
    files: FileStore,
    api_keys: Sequence[str],
    find_handler: FindHandler,
    max_request_bytes: int,
    origins: Sequence[str] = (),
) -> Starlette:
    """The application of a server.

    Args:
        files: The store.
        api_keys: The keys of which requests must carry one, in x-goog-api-key or as ?key=; none accept every request.
        find_handler: Finds the handlers of RPCs.
        max_request_bytes: The size of a request, in bytes, above which it is refused.
        origins: Of web pages whose programs may call the server; "*" for all.
    """
    # Base64, escapes, and the names of fields; the message itself is checked, too.
    limit = 2 * max_request_bytes + _NAMES
    uploads = Uploads(files)

    def route(path: str, handle: Callable[[Request, str], Awaitable[Response]], *methods: str) -> Route:
        async def endpoint(request: Request) -> Response:
            try:
                return await handle(request, _caller(request, api_keys))
            except ClientDisconnect:
                return Response(status_code=_DISCONNECTED)  # which nobody reads

        return Route(path, endpoint, methods=list(methods))

    async def download(name: str, caller: str) -> Response:
        file = await files.get(name, caller)
        if not file.key:
            raise NotFound(f"{file.record.name} has no content")
        return FileResponse(files.folder.path(file.key), media_type=file.record.mime_type or "application/octet-stream")

    routes = [route(path, uploads.handle, "POST", "PUT") for path in _UPLOAD_PATHS]

    async def rpc(request: Request) -> Response:
        if request.url.path in _UPLOAD_PATHS:
            raise HTTPException(405, "use POST or PUT", {"allow": "POST, PUT"})
        try:
            found = find_route(request)
            caller = _caller(request, api_keys)  # before a body is read
            if found.method.name in _DOWNLOADS and request.query_params.get("alt") == "media":
                return await download(found.fields["name"], caller)
            return await call(request, found, find_handler, limit)
        except ClientDisconnect:
            return Response(status_code=_DISCONNECTED)  # which nobody reads

    routes.append(Route("/{path:path}", rpc, methods=_VERBS))
    middleware = [Middleware(_Guard)]
    if origins:
        middleware.append(Middleware(CORSMiddleware, allow_origins=origins, allow_methods=_VERBS, allow_headers=["*"]))
    app = Starlette(routes=routes, exception_handlers=HANDLERS, middleware=middleware)
    app.state.uploads = uploads
    return app


class _Guard:
    """Middleware that refuses large headers, and drops replies to requests that uvicorn has answered.

    Those became malformed in their body.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_if_possible(message: Message) -> None:
            with suppress(h11.LocalProtocolError):
                await send(message)

        # Uvicorn has such a limit for headers that come in parts alone.
        size = sum(len(name) + len(value) for name, value in scope.get("headers", ()))
        app = self._app if size <= _MAX_HEADERS else Response("the headers are too large", status_code=431)
        await app(scope, receive, send_if_possible)


def _caller(request: Request, api_keys: Sequence[str]) -> str:
    """The caller of a request; "" for one that goes on with an upload.

    Raises:
        Unauthenticated: It has none of the server's keys.
    """
    if request.url.path in _UPLOAD_PATHS and "upload_id" in request.query_params:
        return ""  # the URL of an upload is a secret of its own, and clients send no key with it
    key = request.headers.get(_KEY_HEADER) or request.query_params.get("key")
    authorization = request.headers.get("authorization")
    if api_keys and not any(hmac.compare_digest((key or "").encode(), each.encode()) for each in api_keys):
        raise Unauthenticated(
            f"this server requires its API key, in the header {_KEY_HEADER}", details=[error_info("API_KEY_INVALID")]
        )
    metadata: list[tuple[str, Any]] = [(_KEY_HEADER, key), ("authorization", authorization)]
    return to_caller((name, value) for name, value in metadata if value)
