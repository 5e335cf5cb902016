"""SQLite database of the server's state, with tables of resources that expire."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from genai_grpc.errors import ConfigurationError, InternalServerError

__all__ = ["FILE", "Database", "Table", "Transaction"]

Out = TypeVar("Out")

FILE: Final = "state.sqlite3"
VERSION: Final = 2
"""Version of the tables' layout; one more with every change other than a new table."""

LOCK_TIMEOUT: Final = 30.0
"""Seconds to wait while another server on the same file writes."""


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


# Names of tables and columns are constants of our own; values are bound.
# ruff: noqa: S608
@dataclass(frozen=True, slots=True)
class Transaction:
    """Reads and writes that take effect together. Rows that have expired are never found.

    Attributes:
        connection: For statements other than those here.
        now: The time of the transaction, in microseconds since 1970 UTC.
    """

    connection: sqlite3.Connection
    now: int

    def insert(self, table: Table, **values: object) -> None:
        """Add a row, and delete those that have expired, so that the file does not grow without bound."""
        self.connection.execute(f"DELETE FROM {table.name} WHERE expires <= ?", (self.now,))
        self.connection.execute(
            f"INSERT INTO {table.name} ({', '.join(values)}) VALUES ({', '.join('?' * len(values))})",
            tuple(values.values()),
        )

    def find(self, table: Table, name: str, *columns: str) -> tuple[Any, ...] | None:
        """The given columns of the row with that name; None if there is no such row."""
        statement = f"SELECT {', '.join(columns)} FROM {table.name} WHERE name = ? AND expires > ?"
        row: tuple[Any, ...] | None = self.connection.execute(statement, (name, self.now)).fetchone()
        return row

    def page(self, table: Table, column: str, *, after: int, limit: int) -> list[tuple[int, Any]]:
        """The position and one column of up to `limit` rows after a position, in order."""
        statement = (
            f"SELECT position, {column} FROM {table.name} WHERE position > ? AND expires > ? ORDER BY position LIMIT ?"
        )
        return self.connection.execute(statement, (after, self.now, limit)).fetchall()

    def update(self, table: Table, name: str, /, **values: object) -> None:
        """Set columns of the row with that name."""
        assignments = ", ".join(f"{column} = ?" for column in values)
        self.connection.execute(f"UPDATE {table.name} SET {assignments} WHERE name = ?", (*values.values(), name))

    def delete(self, table: Table, name: str) -> None:
        """Delete the row with that name."""
        self.connection.execute(f"DELETE FROM {table.name} WHERE name = ?", (name,))


class Database:
    """SQLite database, in a file that outlives the server or in memory.

    A value may have megabytes, and another server may lock the file, so SQLite runs on a thread of its own, one
    transaction after the other, and never blocks the event loop. Several servers may share a directory.

    Args:
        directory: The directory of the file `state.sqlite3`, created if it is missing; None for a database in memory.
        clock: Returns seconds since 1970 UTC.
    """

    def __init__(self, directory: Path | None = None, *, clock: Callable[[], float] = time.time) -> None:
        self._directory = directory
        self._clock = clock
        self._connection: sqlite3.Connection | None = None
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="genai-grpc-database")

    def now(self) -> int:
        """The time, in microseconds since 1970 UTC."""
        return int(self._clock() * 1_000_000)

    async def open(self, *tables: Table) -> None:
        """Open the database and create the tables that are missing; called once, before anything else.

        Raises:
            ConfigurationError: The directory or file cannot be used.
        """
        loop = asyncio.get_running_loop()
        try:
            self._connection = await loop.run_in_executor(self._worker, self._connect, tables)
        except BaseException:
            self._worker.shutdown()
            raise

    async def aclose(self) -> None:
        """Close the database; harmless if it is closed."""
        self._worker.shutdown()
        connection, self._connection = self._connection, None
        if connection is not None:
            # Not on the worker: an executor takes no more work once the interpreter is shutting down.
            connection.close()

    async def transact(self, work: Callable[[Transaction], Out]) -> Out:
        """Run `work` as one transaction on the database's thread; an exception rolls it back.

        Raises:
            InternalServerError: SQLite failed.
        """
        connection = self._connection
        if connection is None:
            raise RuntimeError("the database is not open")

        def run() -> Out:
            with connection:
                # Lock for writing at once, so that no other server writes between a read here and a write.
                connection.execute("BEGIN IMMEDIATE")
                return work(Transaction(connection, self.now()))

        try:
            return await asyncio.get_running_loop().run_in_executor(self._worker, run)
        except sqlite3.Error as error:
            raise InternalServerError(f"the database of the server's state failed: {error}") from error

    def _connect(self, tables: tuple[Table, ...]) -> sqlite3.Connection:
        path = ":memory:"
        try:
            if self._directory is not None:
                # Prompts are private to the user.
                self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
                path = str(self._directory / FILE)
            # Used on the worker's thread alone, and closed from another when that has ended.
            connection = sqlite3.connect(path, timeout=LOCK_TIMEOUT, isolation_level=None, check_same_thread=False)
            try:
                _create(connection, tables)
            except BaseException:
                connection.close()
                raise
        except (OSError, sqlite3.Error) as error:
            raise ConfigurationError(f"cannot store the server's state in {self._directory}: {error}") from error
        return connection


def _create(connection: sqlite3.Connection, tables: tuple[Table, ...]) -> None:
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version not in (0, VERSION):  # 0 is that of a new file
            raise ConfigurationError(
                f"the server's state was written by another version of genai_grpc (version {version} of its tables, "
                f"this one reads {VERSION}); install that version, or choose another directory"
            )
        for table in tables:
            connection.execute(table.schema)
        connection.execute(f"PRAGMA user_version = {VERSION}")
