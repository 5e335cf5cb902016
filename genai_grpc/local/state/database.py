"""SQLite database of the server's state, with tables of resources that expire."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from genai_grpc.errors import ConfigurationError, InternalServerError
from genai_grpc.local._daemon_threads import WorkerThread
from genai_grpc.local.state.state_file import (
    FILE,
    Table,
    check_header,
    check_integrity,
    create_tables,
    restrict_mode,
)

__all__ = ["Database", "Transaction"]

Out = TypeVar("Out")

LOCK_TIMEOUT: Final = 30.0
"""Seconds to wait while another server on the same file writes."""


# Names of tables and columns are constants of our own; values are bound.
# ruff: noqa: S608
@dataclass(frozen=True, slots=True)
class Transaction:
    """Reads and writes that take effect together. Rows that have expired are never found.

    Attributes:
        connection: For statements other than those here.
        now: The time of the transaction, in microseconds since 1970 UTC.
        place: Where the state is stored, for messages.
    """

    connection: sqlite3.Connection
    now: int
    place: str

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

    def page(
        self, table: Table, *columns: str, after: int, limit: int, parent: str = "", **equal: object
    ) -> list[tuple[Any, ...]]:
        """The position and the given columns of up to `limit` rows after a position, in order; all for -1.

        Args:
            table: The table.
            columns: The columns.
            after: The position.
            limit: The maximum number of rows.
            parent: If it is given, only those whose names are below its name.
            equal: Columns and the values that rows must have.
        """
        conditions = "".join(f" AND {column} = ?" for column in equal) + (_BELOW if parent else "")
        statement = (
            f"SELECT position, {', '.join(columns)} FROM {table.name} "
            f"WHERE position > ? AND expires > ?{conditions} ORDER BY position LIMIT ?"
        )
        values = (after, self.now, *equal.values(), *_bounds(parent), limit)
        return self.connection.execute(statement, values).fetchall()

    def update(self, table: Table, name: str, /, **values: object) -> None:
        """Set columns of the row with that name."""
        assignments = ", ".join(f"{column} = ?" for column in values)
        self.connection.execute(f"UPDATE {table.name} SET {assignments} WHERE name = ?", (*values.values(), name))

    def delete(self, table: Table, name: str) -> None:
        """Delete the row with that name."""
        self.connection.execute(f"DELETE FROM {table.name} WHERE name = ?", (name,))

    def delete_children(self, table: Table, parent: str) -> int:
        """Delete the rows whose names are below the name of a parent, and return their number."""
        statement = f"DELETE FROM {table.name} WHERE TRUE{_BELOW}"
        return self.connection.execute(statement, _bounds(parent)).rowcount


_BELOW: Final = " AND name >= ? AND name < ?"


def _bounds(parent: str) -> tuple[str, ...]:
    """The bounds of the names below a parent's: "0" is the character after "/"."""
    return (f"{parent}/", f"{parent}0") if parent else ()


class Database:
    """SQLite database, in a file that outlives the server or in memory.

    A value may have megabytes, and another server may lock the file, so SQLite runs on a thread of its own, one
    transaction after the other, and never blocks the event loop. Several servers may share a directory.

    Args:
        directory: The directory of the file `state.sqlite3`, created if it is missing; None for a database in memory.
        clock: Returns seconds since 1970 UTC.
    """

    def __init__(self, directory: Path | None = None, *, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._connection: sqlite3.Connection | None = None
        self._path = None if directory is None else directory / FILE
        self._worker = WorkerThread("genai-grpc-database")

    def now(self) -> int:
        """The time, in microseconds since 1970 UTC."""
        return int(self._clock() * 1_000_000)

    @property
    def place(self) -> str:
        """Where the state is stored, for messages: the file, or "memory"."""
        return "memory" if self._path is None else str(self._path)

    async def open(self, *tables: Table) -> None:
        """Open the database and create the tables that are missing; called once, before anything else.

        A file of an earlier version of this package becomes one of this version, if its tables are the same.

        Raises:
            ConfigurationError: The directory or file cannot be used, or the file is damaged, or that of another
                application or version; nothing is written to it then.
        """
        try:
            self._connection = await self._run(lambda: self._connect(tables))
        except BaseException:
            self._worker.close()
            raise

    async def aclose(self) -> None:
        """Close the database after the transactions so far; harmless if it is closed."""
        connection, self._connection = self._connection, None
        if connection is not None:
            closing = self._run(connection.close)
            self._worker.close()
            await closing

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
                return work(Transaction(connection, self.now(), self.place))

        try:
            return await self._run(run)
        except sqlite3.Error as error:
            raise InternalServerError(f"the database of the server's state ({self.place}) failed: {error}") from error

    def _run(self, work: Callable[[], Out]) -> asyncio.Future[Out]:
        return asyncio.wrap_future(self._worker.submit(work))

    def _connect(self, tables: tuple[Table, ...]) -> sqlite3.Connection:
        try:
            if self._path is not None:
                # Prompts are private to the user.
                self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                check_header(self._path)
            # Used and closed on the worker's thread alone; the interpreter may collect it on another.
            connection = sqlite3.connect(
                self._path or ":memory:", timeout=LOCK_TIMEOUT, isolation_level=None, check_same_thread=False
            )
            try:
                with connection:
                    connection.execute("BEGIN IMMEDIATE")
                    if self._path is not None:
                        check_integrity(self._path, connection, tables)
                        restrict_mode(self._path)
                    create_tables(connection, tables)
            except BaseException:
                connection.close()
                raise
        except (OSError, sqlite3.Error) as error:
            raise ConfigurationError(f"cannot store the server's state in {self.place}: {error}") from error
        return connection
