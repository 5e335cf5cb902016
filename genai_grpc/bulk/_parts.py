"""The results of a run on a cluster: parts as JSON Lines in a folder of any fsspec file system, joined at the end."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from heapq import heappop, heappush
from importlib import import_module
from itertools import islice
from operator import itemgetter
from pathlib import Path
from typing import Any, Final, NamedTuple
from uuid import uuid4

from genai_grpc.bulk._journal import OutputError, parse_line, read_lines
from genai_grpc.bulk._json import encode
from genai_grpc.bulk._parquet import check_pyarrow, from_parquet, to_parquet
from genai_grpc.bulk._row_set import RowSet

__all__ = ["PartWriter", "Parts"]

COPIED: Final = 1 << 20
# Results of each part that is made of an earlier output.
TAKEN: Final = 10_000


class PartWriter(NamedTuple):
    """Writes parts from any process.

    Attributes:
        folder: Their folder, a URL or path.
        run: The name of the run: parts of several runs have different names.
    """

    folder: str
    run: str

    def write(self, results: list[dict[str, Any]]) -> None:
        """Write results, in the order of their rows, as one part. It is there as a whole, or not at all.

        A batch that is repeated replaces its part.

        Raises:
            OutputError: It cannot be written.
        """
        fs, folder = _file_system(self.folder)
        path = f"{folder}/{results[0]['row']:012d}-{results[-1]['row']:012d}-{self.run}.jsonl"
        with _replaced(fs, path) as file:
            for result in results:
                file.write(encode(result))


class Parts:
    """The parts of an output, those of earlier runs included.

    Args:
        out: The output, a .jsonl or .parquet file, as a path or URL of fsspec.
        resume: Whether to go on with results that are there; otherwise they are discarded.
        retry_failed: Whether to discard those of rows that failed.

    Raises:
        ImportError: Parquet needs pyarrow, or URLs fsspec, which is not installed.
        OutputError: It cannot be opened, or no such run wrote it.
        ValueError: It is another kind of file.

    Attributes:
        rows: Results in them.
        failed: Those of rows that failed.
        writer: Writes parts of this run.
    """

    def __init__(self, out: str, *, resume: bool, retry_failed: bool) -> None:
        if not out.endswith((".jsonl", ".parquet")):
            raise ValueError(f"the output is a .jsonl or a .parquet file; got {out!r}")
        self._is_parquet = out.endswith(".parquet")
        if self._is_parquet:
            check_pyarrow()
        self.writer = PartWriter(f"{out}.parts", uuid4().hex)
        self._fs, self._out = _file_system(out)
        self._folder = f"{self._out}.parts"
        with _errors(self._folder):
            if not resume and self._fs.exists(self._folder):
                self._fs.rm(self._folder, recursive=True)
            self._fs.makedirs(self._folder, exist_ok=True)
            if resume and self._fs.exists(self._out):
                self._take_output()
        self.rows = self.failed = 0
        self._done = RowSet()
        for path in self._paths():
            self._load(path, retry_failed)

    def has(self, row: int) -> bool:
        """Whether there was the result of a row when the run started."""
        return self._done.has(row)

    def join(self) -> None:
        """Join the parts to the output, in the order of the rows and each row once, and remove them.

        Raises:
            OutputError: It cannot be written; the parts stay.
        """
        if not self._is_parquet:
            with _replaced(self._fs, self._out) as file:
                file.writelines(self._ordered_lines())
        else:
            with tempfile.TemporaryDirectory() as folder:
                lines, table = Path(folder, "out.jsonl"), Path(folder, "out.parquet")
                with _errors(str(table)):
                    with lines.open("wb") as file:
                        file.writelines(self._ordered_lines())
                    to_parquet(lines, table)
                with _replaced(self._fs, self._out) as file:
                    _copy(table, file)
        with contextlib.suppress(OSError):
            self._fs.rm(self._folder, recursive=True)

    def _paths(self) -> list[str]:
        paths = self._fs.ls(self._folder, detail=False, refresh=True)
        return sorted(path for path in paths if path.endswith(".jsonl"))

    def _take_output(self) -> None:
        """Make parts of the output of an earlier run. A kill leaves both, with the same rows."""
        with tempfile.TemporaryDirectory() as folder:
            lines = self._lines(self._out)
            if self._is_parquet:
                table, copy = Path(folder, "out.parquet"), Path(folder, "out.jsonl")
                self._fs.get_file(self._out, str(table))
                from_parquet(table, copy)
                lines = read_lines(copy)
            writer = PartWriter(self.writer.folder, uuid4().hex)
            results = (parse_line(line, self._out) for line in lines)
            while batch := sorted(islice(results, TAKEN), key=itemgetter("row")):
                writer.write(batch)
        self._fs.rm_file(self._out)

    def _load(self, path: str, retry_failed: bool) -> None:
        kept: list[bytes] = []  # of a part that has failed rows; such a part is rewritten as a whole
        has_failed = False
        for line in self._lines(path):
            result = parse_line(line, path)
            if retry_failed and result["error"] is not None:
                has_failed = True
                continue
            if retry_failed:
                kept.append(line)
            if self._done.add(result["row"]):
                self.rows += 1
                self.failed += result["error"] is not None
        if has_failed:
            with _replaced(self._fs, path) as file:
                file.writelines(kept)

    def _lines(self, path: str) -> Iterator[bytes]:
        with self._fs.open(path, "rb") as file:
            for line in file:
                if line.endswith(b"\n"):  # else an earlier run on one machine was killed
                    yield line

    def _ordered_lines(self) -> Iterator[bytes]:
        """The lines by row, each row once. Only parts whose rows overlap are in memory at once."""
        self.rows = self.failed = 0
        last = -1
        for row, is_failed, line in self._sorted_results():
            if row != last:
                self.rows += 1
                self.failed += is_failed
                yield line
            last = row

    def _sorted_results(self) -> Iterator[tuple[int, bool, bytes]]:
        """Results by row. A row may have two, as of a machine that was believed lost; one without an error is first."""
        waiting: list[tuple[int, bool, bytes]] = []
        for path in self._paths():
            first = int(path.rpartition("/")[2].partition("-")[0])
            while waiting and waiting[0][0] < first:
                yield heappop(waiting)
            for line in self._lines(path):
                result = parse_line(line, path)
                heappush(waiting, (result["row"], result["error"] is not None, line))
        while waiting:
            yield heappop(waiting)


def _file_system(url: str) -> tuple[Any, str]:
    try:
        fsspec = import_module("fsspec")  # optional
    except ImportError as error:
        raise ImportError("runs on a cluster need fsspec; pip install 'genai-grpc[ray]'", name="fsspec") from error
    fs, path = fsspec.url_to_fs(url)
    return fs, path


@contextmanager
def _errors(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}; run again to resume") from error


@contextmanager
def _replaced(fs: Any, path: str) -> Iterator[Any]:
    """A file that is at its path when the block ends, and not at all if it ends with an exception."""
    folder, _, name = path.rpartition("/")
    partial = f"{folder}/.{name}.{uuid4().hex}.new"
    with _errors(path):
        try:
            with fs.open(partial, "wb") as file:
                yield file
            fs.mv(partial, path)
        except BaseException:
            with contextlib.suppress(OSError):
                fs.rm_file(partial)
            raise


def _copy(source: Path, file: Any) -> None:
    with source.open("rb") as content:
        while piece := content.read(COPIED):
            file.write(piece)
