"""The rows of a source, one after the other: an iterable, a file or a data frame."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sized
from pathlib import Path
from typing import Any, Final, NamedTuple

__all__ = ["Row", "count_rows", "to_rows"]

# Rows of a data frame that are converted at once.
SLICE: Final = 1000
# Characters of a value in CSV; a C long on any system.
LONGEST: Final = 2**31 - 1


class Row(NamedTuple):
    """A row of the source.

    Attributes:
        number: Its number, from 0.
        values: Its values by column; that of a source without columns is `contents`.
        problem: Why it cannot be read; None if it can.
    """

    number: int
    values: dict[str, Any]
    problem: str | None = None


def to_rows(source: Any) -> Iterator[Row]:
    """The rows of a source. Memory does not grow with their number.

    Args:
        source: A path of a file (.jsonl, .csv, .parquet), a data frame of pandas or polars, a table of pyarrow, or an
            iterable of dicts or of contents.

    Raises:
        OSError: The file cannot be opened.
        TypeError: It is of another type.
        ValueError: The file is of another kind.
    """
    if isinstance(source, (str, os.PathLike)):
        return _from_file(Path(source))
    if type(source).__module__.startswith("ray."):
        raise TypeError("rows are no dataset of Ray; call its map_batches with genai_grpc.bulk.ray_data.Generate")
    if hasattr(source, "iter_rows") and hasattr(source, "columns"):  # polars
        return _numbered(source.iter_rows(named=True))
    if hasattr(source, "to_batches"):  # pyarrow
        return _numbered(row for batch in source.to_batches(SLICE) for row in batch.to_pylist())
    if hasattr(source, "iloc") and hasattr(source, "to_dict"):  # pandas
        slices = (source.iloc[start : start + SLICE] for start in range(0, len(source), SLICE))
        return _numbered(row for part in slices for row in part.to_dict("records"))
    if isinstance(source, Iterable) and not isinstance(source, (bytes, Mapping)):
        return _numbered(iter(source))
    raise TypeError(
        f"rows are a path, a data frame, or an iterable of dicts or of contents; got {type(source).__name__}"
    )


def count_rows(source: Any) -> int | None:
    """How many rows there are, if that is known without reading them."""
    return len(source) if isinstance(source, Sized) and not isinstance(source, (str, os.PathLike)) else None


def _numbered(items: Iterator[Any]) -> Iterator[Row]:
    for number, item in enumerate(items):
        values = dict(item) if isinstance(item, Mapping) else {"contents": item}
        yield Row(number, {str(name): value for name, value in values.items()})


def _from_file(path: Path) -> Iterator[Row]:
    readers = {".jsonl": _json_lines, ".ndjson": _json_lines, ".csv": _csv, ".parquet": _parquet}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise ValueError(f"rows are read from .jsonl, .csv and .parquet files; got {path.name}")
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}")
    return reader(path)


def _json_lines(path: Path) -> Iterator[Row]:
    with path.open("rb") as file:
        for number, line in enumerate(file):
            if line.isspace():
                continue
            try:
                item = json.loads(line)
            except (ValueError, RecursionError) as error:
                yield Row(number, {}, f"line {number + 1} of {path.name} is not JSON: {error}")
                continue
            yield Row(number, item if isinstance(item, dict) else {"contents": item})


def _csv(path: Path) -> Iterator[Row]:
    # Bytes that are not UTF-8 become lone surrogates, which are a problem of their rows alone.
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        for number, values in enumerate(_csv_rows(csv.DictReader(file))):
            if isinstance(values, csv.Error):
                yield Row(number, {}, f"row {number + 1} of {path.name} is not CSV: {values}")
            elif None in values or None in values.values():
                problem = f"row {number + 1} of {path.name} has another number of columns than the heading"
                yield Row(number, {name: value for name, value in values.items() if name is not None}, problem)
            elif not _is_utf8("".join([*values, *values.values()])):
                yield Row(number, values, f"row {number + 1} of {path.name} is not UTF-8")
            else:
                yield Row(number, values)


def _csv_rows(reader: csv.DictReader[str]) -> Iterator[dict[str, str] | csv.Error]:
    """The rows, or why one cannot be read, with no limit on the size of a value."""
    while True:
        limit = csv.field_size_limit(LONGEST)  # of the process: of other readers, too
        try:
            values: dict[str, str] | csv.Error = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            values = error
        finally:
            csv.field_size_limit(limit)
        yield values


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _parquet(path: Path) -> Iterator[Row]:
    try:
        import pyarrow.parquet as parquet  # optional
    except ImportError as error:
        raise ImportError("Parquet files need pyarrow; pip install 'genai-grpc[bulk]'", name="pyarrow") from error
    with parquet.ParquetFile(path) as file:
        yield from _numbered(row for batch in file.iter_batches(SLICE) for row in batch.to_pylist())
