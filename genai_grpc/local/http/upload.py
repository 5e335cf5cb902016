"""One upload: the content that has come so far, and its checks."""

from __future__ import annotations

import hashlib
import time
from collections.abc import AsyncIterator
from io import FileIO
from typing import Final

from genai_grpc import protos
from genai_grpc.errors import Aborted, DataLoss, InvalidArgument, ResourceExhausted
from genai_grpc.local.state.content_folder import ContentFolder

__all__ = ["GRANULARITY", "MAX_SIZE", "Upload"]

GRANULARITY: Final = 256 * 1024
"""Every chunk but the last has a multiple of so many bytes."""

MAX_SIZE: Final = 2 * 1024**3
"""The limit of the Gemini API (https://ai.google.dev/gemini-api/docs/files)."""


class Upload:
    """The content of a file while it comes, in a part of the folder.

    Args:
        folder: The folder.
        record: What is known of the file.
        owner: The caller.
        size: The size that the client has announced, in bytes; None if it is unknown.

    Attributes:
        record: The record, with the size and the hash once they are known.
        owner: The caller.
        size: The size that the client has announced, in bytes; None while it is unknown.
        received: The bytes that are there.
        file: The stored file, once the upload is complete.
        last_used: When the last request came, by the monotonic clock.

    Raises:
        InvalidArgument: The size is above the limit.
        ResourceExhausted: The disk refuses it.
    """

    def __init__(self, folder: ContentFolder, record: protos.File, owner: str, size: int | None) -> None:
        self._folder = folder
        self.record = record
        self.owner = owner
        self.size: int | None = None
        if size is not None:
            self.set_size(size)
        self.received = 0
        self.file: protos.File | None = None
        self.last_used = time.monotonic()
        self._hash = hashlib.sha256()
        self._requests = 0
        try:
            self.key, self.part = folder.create()
        except OSError as error:
            raise _disk_error(error) from error

    part: FileIO

    @property
    def open(self) -> bool:
        """Whether it goes on."""
        return self.file is None and not self.part.closed

    def set_size(self, size: int) -> None:
        """Set the size that the client has announced.

        Raises:
            InvalidArgument: It is above the limit, or another one than before.
        """
        if size > MAX_SIZE:
            raise InvalidArgument(f"the file has {size:,} bytes; the limit is {MAX_SIZE:,}")
        if self.size not in (None, size):
            raise InvalidArgument(f"the size was {self.size:,} bytes, and now is {size:,}")
        self.size = size

    async def append(self, chunks: AsyncIterator[bytes], offset: int | None, *, final: bool) -> None:
        """Append the body of a request; what has come when the connection breaks stays.

        Args:
            chunks: The body.
            offset: Where it begins.
            final: Whether it is the last.

        Raises:
            InvalidArgument: The offset is not the number of bytes received, the length is no multiple of the
                granularity, or there are more bytes than announced.
            Aborted: Another request of the upload came meanwhile.
            ResourceExhausted: The disk is full.
            ClientDisconnect: The connection broke.
        """
        self._requests += 1
        current = self._requests
        if offset is None or offset != self.received:
            raise InvalidArgument(f"x-goog-upload-offset is {offset}; {self.received} bytes were received")
        before = self.received
        async for chunk in chunks:
            if current != self._requests or not self.open:
                raise Aborted("another request of this upload came meanwhile; ask for the offset with 'query'")
            self._write(chunk)
        length = self.received - before
        if not final and self.received % GRANULARITY:
            self._truncate(before)
            raise InvalidArgument(
                f"the chunk has {length:,} bytes; all but the last end at a multiple of {GRANULARITY:,}"
            )

    def supersede(self) -> None:
        """End the requests that still append: their connection broke, and what they receive is sent again."""
        self._requests += 1

    def check_complete(self) -> None:
        """Check the content that is complete, and note its size and hash in the record.

        Raises:
            InvalidArgument: Bytes are missing.
            DataLoss: The client has announced another hash.
        """
        if self.size is not None and self.received != self.size:
            raise InvalidArgument(
                f"{self.received:,} of {self.size:,} bytes were received when the upload was finalized"
            )
        digest = self._hash.digest()
        if (expected := self.record.sha256_hash) and expected not in (digest, digest.hex().encode()):
            raise DataLoss(
                f"the SHA-256 of the content is {digest.hex()}, and file.sha256_hash says otherwise; upload it again"
            )
        self.record.sha256_hash, self.record.size_bytes = digest, self.received

    def discard(self) -> None:
        """Delete what has come."""
        self.part.close()
        self._folder.remove(self.key)

    def _write(self, chunk: bytes) -> None:
        received = self.received + len(chunk)
        if received > (limit := MAX_SIZE if self.size is None else self.size):
            raise InvalidArgument(
                f"the content is longer than {limit:,} bytes, the {'announced' if self.size else 'largest'} size"
            )
        try:
            rest = memoryview(chunk)
            while rest:
                rest = rest[self.part.write(rest) :]
        except OSError as error:
            self.discard()
            raise _disk_error(error) from error
        self._hash.update(chunk)
        self.received = received

    def _truncate(self, size: int) -> None:
        """Forget what came after so many bytes."""
        self.part.truncate(size)
        self.part.seek(size)
        self.received = size
        self._hash = hashlib.sha256()
        with open(self.part.name, "rb") as content:
            while data := content.read(1 << 20):
                self._hash.update(data)


def _disk_error(error: OSError) -> ResourceExhausted:
    return ResourceExhausted(f"the server cannot store the content: {error.strerror or error}; nothing of it is left")
