"""The output as JSON Lines, to which each result is added when it is there, and from which a run is resumed."""

from __future__ import annotations

import contextlib
import io
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from genai_grpc.bulk._json import encode
from genai_grpc.bulk._row_set import RowSet
from genai_grpc.errors import GenAIError

__all__ = ["Journal", "OutputError", "parse_line", "read_lines"]

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


class OutputError(GenAIError):
    """The output cannot be written, or is not that of such a run. What is in it stays; run again to resume."""


class Journal:
    """Results as JSON Lines, one per row, each written at once and as a whole.

    Args:
        path: The file.
        resume: Whether to go on with the results that it has; otherwise they are discarded.
        retry_failed: Whether to discard those of rows that failed.

    Raises:
        OutputError: The file is not such an output, or cannot be opened.

    Attributes:
        rows: Results in it.
        failed: Those of rows that failed.
    """

    def __init__(self, path: Path, *, resume: bool = True, retry_failed: bool = False) -> None:
        self.path = path
        self.rows = self.failed = 0
        self._done = RowSet()
        try:
            self._file = _open_locked(path)
            if not resume:
                self._file.truncate(0)
            elif retry_failed:
                self._discard_failed()
        except OSError as error:
            raise OutputError(f"cannot open the output {path}: {error.strerror or error}") from error
        try:
            self._size = self._read()
            self._cut()  # what a killed run left of its last line
        except BaseException:
            self._file.close()
            raise

    def has(self, row: int) -> bool:
        """Whether it has the result of a row."""
        return self._done.has(row)

    def add(self, result: dict[str, Any]) -> None:
        """Add the result of a row.

        Raises:
            OutputError: It cannot be written; the results before it are there as a whole.
        """
        data = memoryview(encode(result))
        written = 0
        try:
            while written < len(data):
                written += self._file.write(data[written:]) or 0
        except OSError as error:
            with contextlib.suppress(OSError):
                self._cut()
            raise OutputError(
                f"cannot write to {self.path}: {error.strerror or error}; it has {self.rows} results. Make space, and "
                "run again to resume"
            ) from error
        self._size += len(data)
        self._count(result)

    def close(self) -> None:
        """Write what the system has not yet, and close the file.

        Raises:
            OutputError: It cannot be written.
        """
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            raise OutputError(f"cannot write to {self.path}: {error.strerror or error}; run again to resume") from error
        finally:
            self._file.close()

    def _cut(self) -> None:
        """Cut the file after the last whole result."""
        self._file.truncate(self._size)
        self._file.seek(self._size)

    def _read(self) -> int:
        """Read the results; the size of their lines."""
        size = 0
        with open(self.path, "rb") as file:
            for line in file:
                if not line.endswith(b"\n"):
                    break
                self._count(parse_line(line, self.path))
                size += len(line)
        return size

    def _count(self, result: dict[str, Any]) -> None:
        self._done.add(result["row"])
        self.rows += 1
        self.failed += result["error"] is not None

    def _discard_failed(self) -> None:
        kept = self.path.with_name(f"{self.path.name}.new")
        try:
            with kept.open("wb") as file:
                for line in read_lines(self.path):
                    if parse_line(line, self.path)["error"] is None:
                        file.write(line)
                file.flush()
                os.fsync(file.fileno())
            kept.replace(self.path)
        except BaseException:
            self._file.close()
            kept.unlink(missing_ok=True)
            raise
        self._file.close()
        self._file = _open_locked(self.path)


def _open_locked(path: Path) -> io.FileIO:
    """Open a file for one run alone, until it is closed; it is created if there is none.

    Raises:
        OutputError: Another run writes to it.
        OSError: It cannot be opened.
    """
    # Unbuffered: a result is with the system before the next row is taken.
    file = io.FileIO(path, "r+" if path.exists() else "w+")
    if fcntl is not None:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            raise OutputError(f"another run writes to {path}; wait for its end, or name another output") from None
        except OSError:
            pass  # a file system without locks
    return file


def read_lines(path: Path) -> Iterator[bytes]:
    """The lines of a journal but one that was not written to its end."""
    with path.open("rb") as file:
        for line in file:
            if line.endswith(b"\n"):
                yield line


def parse_line(line: bytes, path: Path | str) -> dict[str, Any]:
    """The result of a line.

    Raises:
        OutputError: No run wrote it.
    """
    try:
        result = json.loads(line)
        if isinstance(result["row"], int) and result["row"] >= 0 and "error" in result:
            return dict(result)
    except (ValueError, KeyError, TypeError):
        pass
    raise OutputError(
        f"{path} has lines that no such run wrote; name another output, or pass resume=False to replace it"
    )
