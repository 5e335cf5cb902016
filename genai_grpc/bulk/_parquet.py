"""Output as Parquet: made of the journal when a run has ended, and a journal again when it is resumed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Final

from genai_grpc.bulk._journal import read_lines

__all__ = ["check_pyarrow", "from_parquet", "to_parquet"]

BATCH: Final = 10_000


def check_pyarrow() -> None:
    """Check that pyarrow is installed; raises ImportError."""
    try:
        import pyarrow  # noqa: F401 -- optional
    except ImportError as error:
        raise ImportError("Parquet files need pyarrow; pip install 'genai-grpc[bulk]'", name="pyarrow") from error


def to_parquet(journal: Path, out: Path) -> None:
    """Write the results of a journal as Parquet. A column whose values have no common type holds their JSON."""
    import pyarrow
    from pyarrow import parquet

    schema = None
    for batch in _batches(journal):
        found = pyarrow.Table.from_pylist(_columns(batch)).schema
        schema = found if schema is None else _unified(schema, found)
    if schema is None:
        schema = pyarrow.schema([("row", pyarrow.int64()), ("error", pyarrow.string())])
    schema = pyarrow.schema([_known(field) for field in schema])
    partial = out.with_name(f"{out.name}.new")
    with parquet.ParquetWriter(partial, schema) as writer:
        texts = {field.name for field in schema if field.type == pyarrow.string()}
        for batch in _batches(journal):
            rows = [
                {name: _text(value) if name in texts else value for name, value in row.items()}
                for row in _columns(batch)
            ]
            writer.write_table(pyarrow.Table.from_pylist(rows, schema=schema))
    partial.replace(out)


def from_parquet(out: Path, journal: Path) -> None:
    """Write the results of an earlier run as a journal, to go on with."""
    from pyarrow import parquet

    partial = journal.with_name(f"{journal.name}.new")
    with parquet.ParquetFile(out) as file, partial.open("w") as lines:
        for batch in file.iter_batches(BATCH):
            for row in batch.to_pylist():
                lines.write(json.dumps(row, ensure_ascii=False, separators=(",", ":"), default=str) + "\n")
    partial.replace(journal)


def _batches(journal: Path) -> Iterator[list[dict[str, Any]]]:
    rows = map(json.loads, read_lines(journal))
    while batch := list(islice(rows, BATCH)):
        yield batch


def _columns(batch: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows with JSON as text where pyarrow has no one type for a column of this batch."""
    import pyarrow

    names = dict.fromkeys(name for row in batch for name in row)
    mixed = set()
    for name in names:
        try:
            pyarrow.array([row.get(name) for row in batch])
        except (pyarrow.ArrowInvalid, pyarrow.ArrowTypeError):
            mixed.add(name)
    return [{name: _text(row.get(name)) if name in mixed else row.get(name) for name in names} for row in batch]


def _unified(first: Any, second: Any) -> Any:
    import pyarrow

    fields = {field.name: field for field in first}
    for field in second:
        known = fields.get(field.name)
        if known is None or pyarrow.types.is_null(known.type):
            fields[field.name] = field
        elif known.type != field.type and not pyarrow.types.is_null(field.type):
            try:
                [unified] = pyarrow.unify_schemas(
                    [pyarrow.schema([known]), pyarrow.schema([field])], promote_options="permissive"
                )
            except (pyarrow.ArrowInvalid, pyarrow.ArrowTypeError):
                unified = pyarrow.field(field.name, pyarrow.string())
            fields[field.name] = unified
    return pyarrow.schema(list(fields.values()))


def _known(field: Any) -> Any:
    """The field, as text where all its values are null."""
    import pyarrow

    return pyarrow.field(field.name, pyarrow.string()) if pyarrow.types.is_null(field.type) else field


def _text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)
