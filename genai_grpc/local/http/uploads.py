"""The upload of files: Google's resumable protocol, its older form with PUT, and uploads of one request."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Final

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from genai_grpc.errors import APIError, InvalidArgument, NotFound
from genai_grpc.local.http.errors import to_response
from genai_grpc.local.http.multipart import read_multipart
from genai_grpc.local.http.record import read_record
from genai_grpc.local.http.upload import GRANULARITY, Upload
from genai_grpc_protos._json import to_json_dict

if TYPE_CHECKING:
    from genai_grpc import protos
    from genai_grpc.local.state.files import FileStore

__all__ = ["Uploads"]

_LIFETIME: Final = 24 * 3600.0
"""Seconds after its last request in which an upload can go on."""

_RANGE: Final = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)")


class Uploads:
    """The uploads in progress. An upload outlives its connections, but not the server.

    Args:
        files: Where files go when their content is complete.
    """

    def __init__(self, files: FileStore) -> None:
        self._files = files
        self._uploads: dict[str, Upload] = {}

    async def handle(self, request: Request, caller: str) -> Response:
        """Answer a request to one of the paths for uploads."""
        self._drop_old()
        if upload_id := request.query_params.get("upload_id"):
            upload = self._uploads.get(upload_id)
            if upload is None:
                raise NotFound("there is no such upload, or it has ended; start another one")
            upload.last_used = time.monotonic()
            return await (self._put if request.method == "PUT" else self._command)(request, upload)
        protocol = request.headers.get("x-goog-upload-protocol") or request.query_params.get("uploadType")
        match protocol:
            case "resumable":
                return await self._start(request, caller)
            case "multipart":
                record, content = await read_multipart(request)
                return await self._at_once(request, caller, record, content)
            case "raw" | "media":
                record = read_record(b"", request.headers.get("content-type", ""))
                return await self._at_once(request, caller, record, request.stream())
        raise InvalidArgument(f"X-Goog-Upload-Protocol is {protocol!r}; it is 'resumable', 'raw' or 'multipart'")

    async def _start(self, request: Request, caller: str) -> Response:
        """Start a resumable upload, in either form."""
        older = "x-goog-upload-protocol" not in request.headers
        command = request.headers.get("x-goog-upload-command", "start")
        if command != "start":
            raise InvalidArgument(f"X-Goog-Upload-Command is {command!r}; an upload begins with 'start'")
        prefix = "x-upload-content" if older else "x-goog-upload-header-content"
        size = _to_size(request.headers.get(f"{prefix}-length"), f"{prefix}-length")
        record = read_record(await _read_small(request), request.headers.get(f"{prefix}-type", ""))
        upload = await self._create(request, caller, record, size)
        upload_id = secrets.token_urlsafe(24)
        self._uploads[upload_id] = upload
        url = str(request.url.replace(query=f"upload_id={upload_id}&upload_protocol=resumable"))
        if older:
            return Response(headers={"location": url})
        headers = {"x-goog-upload-url": url, "x-goog-upload-chunk-granularity": str(GRANULARITY)}
        return Response(headers={**headers, **_status(upload, "active")})

    async def _command(self, request: Request, upload: Upload) -> Response:
        """Answer a command of the resumable protocol."""
        commands = {each.strip() for each in request.headers.get("x-goog-upload-command", "").lower().split(",")}
        if commands == {"query"}:
            upload.supersede()
            return Response(headers=_status(upload, "active" if upload.file is None else "final"))
        if commands == {"cancel"}:
            self._end(upload)
            upload.discard()
            return Response(headers=_status(upload, "cancelled"))
        if not commands or not commands <= {"upload", "finalize"}:
            raise InvalidArgument(
                f"X-Goog-Upload-Command is {', '.join(sorted(commands))!r}; it is 'upload', 'finalize', both, 'query' "
                "or 'cancel'"
            )
        final = "finalize" in commands
        if upload.file is None:
            try:
                if "upload" in commands:
                    offset = _to_size(request.headers.get("x-goog-upload-offset"), "x-goog-upload-offset")
                    await upload.append(request.stream(), offset, final=final)
                if not final:
                    return Response(headers=_status(upload, "active"))
                await self._finish(upload)
            except APIError as error:
                response = to_response(error)
                response.headers.update(_status(upload, "active" if upload.open else "final"))
                return response
        # A client that got no reply sends the last command again.
        assert upload.file is not None  # noqa: S101 -- see above
        return JSONResponse({"file": _to_json(upload.file)}, headers=_status(upload, "final"))

    async def _put(self, request: Request, upload: Upload) -> Response:
        """Answer a PUT of the older form, whose Content-Range says what it has."""
        given = request.headers.get("content-range")
        upload.supersede()
        if upload.file is None:
            offset, size, length = _parse_range(given, request.headers.get("content-length"))
            if size is not None:
                upload.set_size(size)
            if length:
                await upload.append(request.stream(), offset, final=upload.size == offset + length)
            if upload.size is None or upload.received < upload.size:
                headers = {"range": f"bytes=0-{upload.received - 1}"} if upload.received else {}
                return Response(status_code=308, headers=headers)
            await self._finish(upload)
        assert upload.file is not None  # noqa: S101 -- see above
        return JSONResponse({"file": _to_json(upload.file)})

    async def _at_once(
        self, request: Request, caller: str, record: protos.File, content: AsyncIterator[bytes]
    ) -> Response:
        """Store a file whose content is in the same request."""
        upload = await self._create(request, caller, record, None)
        try:
            await upload.append(content, 0, final=True)
            await self._finish(upload)
        except ClientDisconnect:
            upload.discard()
            raise
        assert upload.file is not None  # noqa: S101 -- it is finished
        return JSONResponse({"file": _to_json(upload.file)})

    async def _create(self, request: Request, caller: str, record: protos.File, size: int | None) -> Upload:
        if record.name:
            await self._files.check_free(record.name)
        record.uri = f"{request.base_url}v1beta"
        return Upload(self._files.folder, record, caller, size)

    async def _finish(self, upload: Upload) -> None:
        """Store the file of a complete upload; on an error nothing of it is left."""
        try:
            upload.check_complete()
            upload.file = await self._files.add(upload.record, upload.owner, upload.key, upload.part)
        except APIError:
            upload.discard()
            self._end(upload)
            raise

    def _end(self, upload: Upload) -> None:
        for upload_id in [key for key, each in self._uploads.items() if each is upload]:
            del self._uploads[upload_id]

    def _drop_old(self) -> None:
        now = time.monotonic()
        for upload_id, upload in list(self._uploads.items()):
            if now - upload.last_used > _LIFETIME:
                del self._uploads[upload_id]
                upload.discard()


def _status(upload: Upload, status: str) -> dict[str, str]:
    return {"x-goog-upload-status": status, "x-goog-upload-size-received": str(upload.received)}


def _to_json(file: protos.File) -> object:
    return to_json_dict(file)


def _to_size(text: str | None, name: str) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise InvalidArgument(f"{name} is {text[:40]!r}; it is a number of bytes")
    return int(text)


def _parse_range(given: str | None, content_length: str | None) -> tuple[int, int | None, int]:
    """The offset, the size of the whole content if it is known, and the length of the body."""
    length = _to_size(content_length, "content-length") or 0
    if given is None:
        return 0, length, length
    match = _RANGE.fullmatch(given)
    if match is None:
        raise InvalidArgument(f"content-range is {given[:60]!r}; it is 'bytes FIRST-LAST/SIZE' or 'bytes */SIZE'")
    first, last, size = match.groups()
    total = None if size == "*" else int(size)
    if first is None:
        return 0, total, 0
    if int(last) - int(first) + 1 != length:
        raise InvalidArgument(f"content-range is {given!r}, and the body has {length} bytes")
    return int(first), total, length


_MAX_RECORD: Final = 64 * 1024
"""Bytes of the JSON that describes a file."""


async def _read_small(request: Request) -> bytes:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_RECORD:
            raise InvalidArgument(f"the description of the file is larger than {_MAX_RECORD:,} bytes")
    return body
