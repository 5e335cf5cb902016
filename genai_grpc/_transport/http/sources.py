"""The content of uploads: paths, bytes and open files; and its media type."""

from __future__ import annotations

import hashlib
import io
import mimetypes
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, Final

__all__ = ["MAX_SIZE", "FileSource", "guess_mime_type", "open_source"]

MAX_SIZE: Final = 2 * 1024**3
"""The limit of the Gemini API, in bytes (https://ai.google.dev/gemini-api/docs/files)."""

_HEAD: Final = 8192
"""Bytes of a content from which its media type is guessed."""

# What mimetypes does not know on every machine.
_MORE_TYPES: Final = {".webp": "image/webp", ".md": "text/markdown", ".jsonl": "application/jsonl"}


class FileSource:
    """The content of an open file from its present position on; as `_rpc.resumable_upload.UploadSource`.

    Args:
        file: The file, opened for reading bytes.
        name: What errors call it.

    Raises:
        TypeError: It is opened for text.
        ValueError: It is empty, or larger than 2 GiB.
    """

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._file = file
        self._name = name
        self._start: int | None = None
        self.size: int | None = None
        self.digest = hashlib.sha256()
        self._position = self._hashed = 0
        self._ahead = b""
        if file.seekable():
            self._start = file.tell()
            self.size = file.seek(0, os.SEEK_END) - self._start
            file.seek(self._start)
            self._check_size(self.size)
        # Read before anything is sent, so that the type of a stream can be guessed, too.
        self._ahead = self._read_exactly(_HEAD)
        if not isinstance(self._ahead, bytes):
            raise TypeError(f"{name} is opened for text; open it with mode 'rb'")
        if not self._ahead:
            raise ValueError(f"{name} is empty; the service stores no empty files")

    @property
    def head(self) -> bytes:
        """The first bytes."""
        return self._ahead

    def read(self, size: int) -> bytes:
        """The next bytes: as many as that, fewer only at the end."""
        ahead, self._ahead = self._ahead[:size], self._ahead[size:]
        data = ahead + self._read_exactly(size - len(ahead)) if len(ahead) < size else ahead
        self._position += len(data)
        if self._position > self._hashed:
            self.digest.update(data[len(data) - (self._position - self._hashed) :])
            self._hashed = self._position
        self._check_size(self._position)
        return data

    def rewind(self) -> bool:
        """Begin anew; False if that cannot be."""
        if self._start is None:
            return False
        self._file.seek(self._start)
        self._position, self._ahead = 0, b""
        return True

    def _read_exactly(self, size: int) -> bytes:
        """As many bytes, of a file that may return fewer at once."""
        data = self._file.read(size)
        while 0 < len(data) < size:
            more = self._file.read(size - len(data))
            if not more:
                break
            data += more
        return data

    def _check_size(self, size: int) -> None:
        if size > MAX_SIZE:
            raise ValueError(f"{self._name} has more than {MAX_SIZE:,} bytes (2 GiB), the limit of the service")


@contextmanager
def open_source(content: Any) -> Iterator[FileSource]:
    """The source of a path, of bytes or of an open file, which stays open.

    Raises:
        OSError: The path does not exist, is a directory or cannot be read.
        TypeError: It is none of these, or a file opened for text.
        ValueError: It is empty, or larger than 2 GiB.
    """
    if isinstance(content, (bytes, bytearray, memoryview)):
        yield FileSource(io.BytesIO(content), "the content")
    elif callable(getattr(content, "read", None)):
        yield FileSource(_as_file(content), f"the file {getattr(content, 'name', '')!r}")
    else:
        path = os.fspath(content)
        if os.path.isdir(path):
            raise IsADirectoryError(f"{path!r} is a directory; upload its files one by one")
        if stat.S_ISREG(os.stat(path).st_mode) and not os.path.getsize(path):
            raise ValueError(f"the file {path!r} is empty; the service stores no empty files")
        with open(path, "rb") as file:
            yield FileSource(file, f"the file {path!r}")


def guess_mime_type(path: str | None, head: bytes) -> str | None:
    """The media type of a file, by its name or else by its first bytes; None if neither says it."""
    if path is not None:
        by_name = mimetypes.guess_type(path)[0] or _MORE_TYPES.get(os.path.splitext(path)[1].lower())
        if by_name is not None:
            return by_name
    try:
        import puremagic  # optional
    except ImportError:
        found = []
    else:
        try:
            found = puremagic.magic_string(head)
        except (LookupError, ValueError):  # it knows no such content
            found = []
    for match in found:
        if match.mime_type and match.confidence >= _CONFIDENCE:
            return str(match.mime_type)
    return "text/plain" if _is_text(head) else None


_CONFIDENCE: Final = 0.4


def _is_text(head: bytes) -> bool:
    try:
        text = head[: _HEAD - 3].decode() if len(head) == _HEAD else head.decode()
    except UnicodeDecodeError as error:
        if error.end < len(head) - 4:
            return False
        text = head[: error.start].decode()
    return all(character.isprintable() or character in "\t\n\r\f" for character in text)


def _as_file(content: Any) -> BinaryIO:
    """An open file with the methods that are asked for; some readers have `read` alone."""
    if callable(getattr(content, "seekable", None)):
        file: BinaryIO = content
        return file
    return _Reader(content)  # type: ignore[return-value]


class _Reader:
    """A reader that has no other method than `read`."""

    def __init__(self, reader: Any) -> None:
        self.read = reader.read

    def seekable(self) -> bool:
        return False
