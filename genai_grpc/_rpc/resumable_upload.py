"""Upload of a file by Google's resumable protocol, as an operation.

The content goes in chunks. After a break the service is asked how much it has received, and the upload goes on there
(https://ai.google.dev/gemini-api/docs/files).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final, NamedTuple, Protocol

from genai_grpc._rpc.http_errors import check_reply
from genai_grpc._rpc.operation import CallBlocking, HttpReply, HttpRequest, Operation, Sleep
from genai_grpc._rpc.retry_policy import RetryPolicy
from genai_grpc.errors import (
    Aborted,
    APIError,
    Cancelled,
    DataLoss,
    DeadlineExceeded,
    InternalServerError,
    NotFound,
    ResourceExhausted,
    ServiceUnavailable,
)

__all__ = ["CHUNK_SIZE", "UploadSettings", "UploadSource", "upload"]

PATH: Final = "/upload/v1beta/files"

CHUNK_SIZE: Final = 8 * 1024 * 1024
"""Bytes of a chunk: 32 times the granularity that the service asks for. This much of the content is in memory."""

_IDLE_TIMEOUT: Final = 60.0
"""Seconds that the service may take to accept the next bytes, or to answer."""

# The service may have received a part of the chunk, so these are followed by a question for the offset.
_TRANSIENT: Final = (ServiceUnavailable, InternalServerError, DeadlineExceeded, Aborted, Cancelled)


class UploadSource(Protocol):
    """The content of a file, read once from its beginning to its end."""

    @property
    def size(self) -> int | None:
        """The size in bytes; None if it is unknown before the end."""
        ...

    def read(self, size: int) -> bytes:
        """The next bytes: as many as that, fewer only at the end. Blocks. Raises OSError."""
        ...

    def rewind(self) -> bool:
        """Begin anew; False if that cannot be."""
        ...


class UploadSettings(NamedTuple):
    """What holds for one upload.

    Attributes:
        retry: The retry policy. Its attempts are those without any progress between them.
        timeout: Seconds for the whole upload; None for no bound.
        clock: A monotonic clock, in seconds.
        secrets: The keys and tokens to mask in errors; called when an error is made.
        on_progress: Called with the bytes that the service has received, and the size or None.
        base_url: The HTTP endpoint.
    """

    retry: RetryPolicy
    timeout: float | None
    clock: Callable[[], float]
    secrets: Callable[[], tuple[str, ...]]
    on_progress: Callable[[int, int | None], object]
    base_url: str


def upload(source: UploadSource, record: dict[str, Any], mime_type: str, settings: UploadSettings) -> Operation[Any]:
    """Upload a file, and return the JSON of its record.

    Args:
        source: The content.
        record: The JSON of the file to create, such as its `name` and `displayName`.
        mime_type: The media type of the content.
        settings: What holds for this upload.

    Raises:
        APIError: The service refused it, or the attempts or the time are used up.
        OSError: The content cannot be read.
        ValueError: The content is shorter or longer than the source has said.
    """
    return _Upload(source, record, mime_type, settings).run()


class _Upload:
    def __init__(self, source: UploadSource, record: dict[str, Any], mime_type: str, settings: UploadSettings) -> None:
        self._source = source
        self._body = json.dumps({"file": record}).encode()
        self._mime_type = mime_type
        self._settings = settings
        self._deadline = None if settings.timeout is None else settings.clock() + settings.timeout
        self._failures = 0
        self._url = ""
        # The chunk that is being sent, where it begins, and whether it is the last.
        self._chunk = b""
        self._offset = 0
        self._is_last = False

    def run(self) -> Operation[Any]:
        yield from self._start()
        self._settings.on_progress(0, self._source.size)
        yield from self._read_chunk()
        while True:
            sent = len(self._chunk)
            try:
                reply = yield from self._send_chunk()
            except APIError as error:
                yield from self._recover(error)
                continue
            self._failures = 0
            self._settings.on_progress(self._offset + sent, self._source.size)
            if self._is_last:
                return _read_file(reply)
            self._offset += sent
            yield from self._read_chunk()

    def _start(self) -> Operation[None]:
        headers = {
            "content-type": "application/json",
            "x-goog-upload-protocol": "resumable",
            "x-goog-upload-command": "start",
            "x-goog-upload-header-content-type": self._mime_type,
        }
        if self._source.size is not None:
            headers["x-goog-upload-header-content-length"] = str(self._source.size)
        while True:
            try:
                # A start that was lost leaves nothing but an unused URL.
                reply = yield from self._request(self._settings.base_url + PATH, headers, self._body)
            except APIError as error:
                yield from self._back_off(error)
                continue
            self._url = reply.headers.get("x-goog-upload-url", "")
            if not self._url:
                raise InternalServerError(f"{reply.host} started an upload without an X-Goog-Upload-URL")
            return

    def _read_chunk(self) -> Operation[None]:
        """Read the next chunk."""
        size = self._source.size
        self._chunk = b""  # not in memory beside the next one
        self._chunk = yield CallBlocking(lambda: self._source.read(CHUNK_SIZE))
        end = self._offset + len(self._chunk)
        self._is_last = len(self._chunk) < CHUNK_SIZE if size is None else end >= size
        if size is not None and (end > size or (len(self._chunk) < CHUNK_SIZE and end < size)):
            raise ValueError(
                f"the file had {size:,} bytes and now has {'more' if end > size else f'{end:,}'}; it changed"
            )

    def _send_chunk(self) -> Operation[HttpReply]:
        command = "upload, finalize" if self._is_last else "upload"
        headers = {"x-goog-upload-command": command, "x-goog-upload-offset": str(self._offset)}
        reply: HttpReply = yield from self._request(self._url, headers, self._chunk)
        return reply

    def _recover(self, error: APIError) -> Operation[None]:
        """After a failed chunk, wait and ask what the service has received; drop that from the chunk."""
        while True:
            if isinstance(error, NotFound):
                return (yield from self._start_anew(error))
            yield from self._back_off(error)
            try:
                reply = yield from self._request(self._url, {"x-goog-upload-command": "query"})
            except APIError as again:
                error = again
                continue
            received = _to_received(reply)
            if received is None or reply.headers.get("x-goog-upload-status") == "cancelled":
                return (yield from self._start_anew(error))
            if not self._offset <= received <= self._offset + len(self._chunk):
                return (yield from self._start_anew(error))
            if received > self._offset:
                self._failures = 0
            self._chunk = self._chunk[received - self._offset :]
            self._offset = received
            return

    def _start_anew(self, error: APIError) -> Operation[None]:
        """Begin from the start of the content, since the service no longer has what it received."""
        self._failures += 1
        if self._failures >= self._settings.retry.max_attempts:
            raise error
        if not (yield CallBlocking(self._source.rewind)):
            raise DataLoss(
                "the service has lost the upload, and the content cannot be read again; upload a file or bytes"
            ) from error
        self._offset = 0
        yield from self._start()
        yield from self._read_chunk()

    def _request(self, url: str, headers: dict[str, str], content: bytes = b"") -> Operation[HttpReply]:
        timeout = _IDLE_TIMEOUT
        if self._deadline is not None:
            timeout = min(timeout, self._deadline - self._settings.clock())
            if timeout <= 0:
                raise DeadlineExceeded(
                    f"the upload did not end within {self._settings.timeout:g} s; {self._offset:,} bytes were received"
                )
        reply: HttpReply = yield HttpRequest("POST", url, headers, content, timeout)
        return check_reply(reply, self._settings.secrets() if reply.status >= 300 else ())

    def _back_off(self, error: APIError) -> Operation[None]:
        """Wait before the next attempt; raise `error` if there is none."""
        self._failures += 1
        error.attempts = self._failures
        if not isinstance(error, (*_TRANSIENT, ResourceExhausted)):
            raise error
        transient = ServiceUnavailable(error.message) if isinstance(error, _TRANSIENT) else error
        delay = self._settings.retry.backoff(transient, self._failures)
        if delay is None:
            raise error
        if self._deadline is not None and self._settings.clock() + delay >= self._deadline:
            raise error
        yield Sleep(delay)


def _to_received(reply: HttpReply) -> int | None:
    received = reply.headers.get("x-goog-upload-size-received", "")
    return int(received) if received.isdigit() else None


def _read_file(reply: HttpReply) -> Any:
    """The JSON of the file in the last reply."""
    from genai_grpc_protos._json import load_json  # json_format takes 50 ms

    try:
        return load_json(reply.body)["file"]
    except (ValueError, TypeError, KeyError):
        raise InternalServerError(f"{reply.host} ended the upload without the JSON of a file") from None
