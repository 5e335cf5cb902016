"""The file of the server's state: before anything is written to it, whether it is ours, whole and of this version."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from genai_grpc.errors import ConfigurationError

__all__ = ["FILE", "Table", "check_header", "check_integrity", "create_tables", "restrict_mode"]

FILE: Final = "state.sqlite3"

APPLICATION_ID: Final = 0x67656E61
"""Marks the file as ours, "gena" in ASCII (https://www.sqlite.org/fileformat2.html#application_id)."""

VERSION: Final = 2
"""Version of the tables' layout; one more with every change other than a new table."""

_UNMARKED_VERSIONS: Final = frozenset({0, 2})
"""The versions that a file of ours may have without the mark: one without tables, and those of before the mark."""

_HEADER_SIZE: Final = 100
_MAGIC: Final = b"SQLite format 3\0"
_COMPANIONS: Final = ("", "-journal", "-wal", "-shm")
"""What SQLite appends to the name of a database for its files."""


@dataclass(frozen=True, slots=True)
class Table:
    """Table of resources.

    Each row has a `position` (in the order of creation), a unique `name`, and the time at which it `expires`
    (microseconds since 1970 UTC), besides columns of its own.

    Attributes:
        name: The table's name.
        columns: Its own columns, as SQL, e.g. "summary BLOB NOT NULL".
    """

    name: str
    columns: tuple[str, ...]

    @property
    def schema(self) -> str:
        """The statement that creates the table if it does not exist."""
        common = (
            "position INTEGER PRIMARY KEY AUTOINCREMENT",
            "name TEXT NOT NULL UNIQUE",
            "expires INTEGER NOT NULL",
        )
        return f"CREATE TABLE IF NOT EXISTS {self.name} ({', '.join(common + self.columns)})"

    def columns_in(self, connection: sqlite3.Connection) -> list[Any]:
        """The columns that the table has in a database, with their types; empty if it does not exist."""
        return connection.execute(f"PRAGMA table_info({self.name})").fetchall()


def check_header(path: Path) -> None:
    """Create the file if it is missing, for its owner alone, and check whose it is without SQLite.

    SQLite may write to a file that it opens, e.g. to end a transaction that was interrupted.

    Raises:
        ConfigurationError: The file is no database, or that of another application or version.
        OSError: It cannot be read or written.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o600)
    with os.fdopen(descriptor, "rb") as file:
        header = file.read(_HEADER_SIZE)
    if not header:
        return
    if len(header) < _HEADER_SIZE or not header.startswith(_MAGIC):
        raise _refusal(path, "is not a database of SQLite")
    _check_mark(path, int.from_bytes(header[68:72], "big"), int.from_bytes(header[60:64], "big", signed=True))


def check_integrity(path: Path, connection: sqlite3.Connection, tables: Iterable[Table]) -> None:
    """Check the whole database, within a transaction.

    Raises:
        ConfigurationError: It is damaged, or has tables that are not ours.
        sqlite3.Error: It is damaged so that SQLite cannot check it.
    """
    problems = [problem for (problem,) in connection.execute("PRAGMA integrity_check(1)")]
    if problems != ["ok"]:
        raise _refusal(path, f"is damaged ({problems[0].splitlines()[-1]})")
    mark = _pragma(connection, "application_id")
    _check_mark(path, mark, _pragma(connection, "user_version"))
    ours = {table.name for table in tables}
    found = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'")}
    if mark != APPLICATION_ID and not found <= ours:
        raise _refusal(path, f"belongs to another application: it has {', '.join(sorted(found - ours))}")
    with closing(sqlite3.connect(":memory:")) as expected:
        for table in tables:
            expected.execute(table.schema)
            if table.name in found and table.columns_in(connection) != table.columns_in(expected):
                raise _refusal(path, f"has a table {table.name} with columns that are not this server's")


def create_tables(connection: sqlite3.Connection, tables: Iterable[Table]) -> None:
    """Create the tables that are missing, and mark the file as ours, within a transaction."""
    for table in tables:
        connection.execute(table.schema)
    if _pragma(connection, "application_id") != APPLICATION_ID:
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {VERSION}")


def restrict_mode(path: Path) -> None:
    """Make the file, and those that SQLite adds to it, readable for their owner alone: prompts are private.

    SQLite gives the files that it adds later the mode of the database.

    Raises:
        OSError: The file belongs to another user.
    """
    for suffix in _COMPANIONS:
        companion = path.with_name(path.name + suffix)
        with suppress(FileNotFoundError):
            if companion.stat().st_mode & 0o077:
                companion.chmod(0o600)


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    (value,) = connection.execute(f"PRAGMA {name}").fetchone()
    return int(value)


def _check_mark(path: Path, application_id: int, version: int) -> None:
    if application_id == APPLICATION_ID:
        if version != VERSION:
            age = "a newer" if version > VERSION else "an older"
            problem = f"was written by {age} genai_grpc (version {version} of its tables, this one reads {VERSION})"
            raise _refusal(path, problem)
    elif application_id != 0 or version not in _UNMARKED_VERSIONS:
        raise _refusal(path, f"belongs to another application (application_id {application_id}, version {version})")


def _refusal(path: Path, problem: str) -> ConfigurationError:
    return ConfigurationError(
        f"the file of the server's state {path} {problem}; nothing was changed: move it away to begin with an empty "
        "one, restore it from a backup, or choose another directory"
    )
