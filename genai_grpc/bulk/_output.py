"""The output of a run: a journal, which is the file of JSON Lines, or is beside a Parquet file until the end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from genai_grpc.bulk._journal import Journal, OutputError
from genai_grpc.bulk._parquet import check_pyarrow, from_parquet, to_parquet

__all__ = ["opened"]


@contextmanager
def opened(out: Path, *, resume: bool, retry_failed: bool) -> Iterator[Journal]:
    """The journal of an output, which is complete when the block ends without an exception.

    Raises:
        ImportError: Parquet needs pyarrow, which is not installed.
        OutputError: The output cannot be opened, or no such run wrote it.
        ValueError: It is another kind of file.
    """
    if out.suffix not in (".jsonl", ".parquet"):
        raise ValueError(f"the output is a .jsonl or a .parquet file; got {out.name!r}")
    if out.suffix == ".jsonl":
        journal = Journal(out, resume=resume, retry_failed=retry_failed)
        try:
            yield journal
        finally:
            journal.close()
        return
    check_pyarrow()
    beside = out.with_name(f"{out.name}.jsonl")
    if resume and out.exists() and not beside.exists():
        with _written(beside, kept=out):
            from_parquet(out, beside)
    journal = Journal(beside, resume=resume, retry_failed=retry_failed)
    try:
        yield journal
    finally:
        journal.close()
    with _written(out, kept=beside):
        to_parquet(beside, out)
    beside.unlink()


@contextmanager
def _written(path: Path, kept: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        with suppress(OSError):
            path.with_name(f"{path.name}.new").unlink()
        raise OutputError(
            f"cannot write {path}: {error.strerror or error}; all results are in {kept}. Make space, and run again"
        ) from error
