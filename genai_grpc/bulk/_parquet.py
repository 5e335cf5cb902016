"""Output as Parquet: made of the journal when a run has ended, and a journal again when it is resumed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Final

from genai_grpc.bulk._journal import read_lines
from genai_grpc.bulk._json import encode, replace_surrogates

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
    with parquet.ParquetFile(out) as file, partial.open("wb") as lines:
        for batch in file.iter_batches(BATCH):
            for row in batch.to_pylist():
                lines.write(encode(row))
    partial.replace(journal)


def _batches(journal: Path) -> Iterator[list[dict[str, Any]]]:
    rows = map(_parse, read_lines(journal))
    while batch := list(islice(rows, BATCH)):
        yield batch


def _parse(line: bytes) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(line)
    return replace_surrogates(result) if b"\\ud" in line else result


def _columns(batch: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows with JSON as text where pyarrow has no one type for a column of this batch."""
    import pyarrow

    names = dict.fromkeys(name for row in batch for name in row)
    mixed = set()
    for name in names:
        try:
            pyarrow.array([row.get(name) for row in batch])
        except (pyarrow.ArrowException, OverflowError):
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
    """The field, as text where all its values are null, or where Parquet has no such type."""
    import pyarrow

    storable = not pyarrow.types.is_null(field.type) and not _has_empty_struct(field.type)
    return field if storable else pyarrow.field(field.name, pyarrow.string())


def _has_empty_struct(kind: Any) -> bool:
    import pyarrow

    if pyarrow.types.is_struct(kind):
        return kind.num_fields == 0 or any(_has_empty_struct(field.type) for field in kind)
    return pyarrow.types.is_list(kind) and _has_empty_struct(kind.value_type)


def _text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)
