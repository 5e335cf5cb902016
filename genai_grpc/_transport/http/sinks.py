"""Where downloads go: a path, an open file or memory."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from typing import Any, BinaryIO

__all__ = ["FileSink", "open_sink"]


class FileSink:
    """The content of a download in an open file; as `_rpc.download.DownloadSink`.

    Args:
        file: The file.

    Attributes:
        value: The content, once it is complete, if it is in memory.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._start = file.tell() if file.seekable() else None
        self._is_empty = True
        self.value: bytes | None = None

    def write(self, data: bytes) -> None:
        """Append bytes."""
        self._is_empty = False
        self._file.write(data)

    def rewind(self) -> bool:
        """Drop what was written; False if that cannot be."""
        if self._start is None:
            return self._is_empty
        self._file.seek(self._start)
        self._file.truncate()
        return True


@contextmanager
def open_sink(path: Any) -> Iterator[FileSink]:
    """The sink of a path, which is replaced at the end, of an open file, or of memory for None.

    Raises:
        OSError: The path cannot be written.
    """
    if path is None:
        memory = BytesIO()
        sink = FileSink(memory)
        yield sink
        sink.value = memory.getvalue()
    elif callable(getattr(path, "write", None)):
        yield FileSink(path)
    else:
        path = os.fspath(path)
        folder, name = os.path.split(os.path.abspath(path))
        descriptor, part = tempfile.mkstemp(prefix=f".{name}.", dir=folder)
        try:
            with open(descriptor, "wb") as file:
                yield FileSink(file)
            os.chmod(part, 0o666 & ~_umask())
            os.replace(part, path)
        except BaseException:
            with suppress(FileNotFoundError):
                os.unlink(part)
            raise


def _umask() -> int:
    """The bits that new files do not get; it can be read by setting it only."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
