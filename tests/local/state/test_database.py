from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from genai_grpc import local
from genai_grpc.errors import ConfigurationError, InternalServerError
from genai_grpc.local.state.database import Database, Transaction
from genai_grpc.local.state.state_file import FILE, Table

TABLE = Table("tales", ("tale TEXT NOT NULL",))


def with_database(
    body: Callable[[Database], Awaitable[None]], directory: Path | None = None, seconds: float = 0.0
) -> None:
    """Run a test's body with an open database, at a fixed time."""

    async def main() -> None:
        database = Database(directory, clock=lambda: seconds)
        await database.open(TABLE)
        try:
            await body(database)
        finally:
            await database.aclose()

    asyncio.run(main())


def add(name: str, *, expires: int = 1) -> Callable[[Transaction], None]:
    """Insert a row."""
    return lambda transaction: transaction.insert(TABLE, name=name, tale=f"The tale of {name}", expires=expires)


def names(transaction: Transaction) -> list[str]:
    """The names of all rows that have not expired."""
    return [name for _, name in transaction.page(TABLE, "name", after=0, limit=100)]


def test_row() -> None:
    """A row is found by its name, updated and deleted."""

    async def body(database: Database) -> None:
        await database.transact(add("Lily"))
        assert await database.transact(lambda rows: rows.find(TABLE, "Lily", "tale", "expires")) == (
            "The tale of Lily",
            1,
        )
        await database.transact(lambda rows: rows.update(TABLE, "Lily", tale="Another", expires=2))
        assert await database.transact(lambda rows: rows.find(TABLE, "Lily", "tale", "expires")) == ("Another", 2)
        await database.transact(lambda rows: rows.delete(TABLE, "Lily"))
        assert await database.transact(lambda rows: rows.find(TABLE, "Lily", "tale")) is None

    with_database(body)


def test_page() -> None:
    """A page has the rows after a position, in the order of their creation; a position is never used again."""

    async def body(database: Database) -> None:
        for name in "abc":
            await database.transact(add(name))
        await database.transact(lambda rows: rows.delete(TABLE, "c"))
        await database.transact(add("d"))
        assert await database.transact(lambda rows: rows.page(TABLE, "name", after=1, limit=5)) == [(2, "b"), (4, "d")]
        assert await database.transact(lambda rows: rows.page(TABLE, "name", after=0, limit=1)) == [(1, "a")]

    with_database(body)


def test_expired_rows(tmp_path: Path) -> None:
    """An expired row is not found, and the next insertion deletes it."""

    async def insert(database: Database) -> None:
        await database.transact(add("early", expires=60_000_000))
        await database.transact(add("late", expires=60_000_001))

    async def read(database: Database) -> None:
        assert await database.transact(lambda rows: rows.find(TABLE, "early", "tale")) is None
        assert await database.transact(names) == ["late"]
        await database.transact(add("new", expires=60_000_002))

    with_database(insert, tmp_path)
    with_database(read, tmp_path, seconds=60)
    with sqlite3.connect(tmp_path / FILE) as connection:
        rows = connection.execute("SELECT name FROM tales ORDER BY position").fetchall()
    connection.close()
    assert rows == [("late",), ("new",)]


def test_exception_rolls_back() -> None:
    """An exception in a transaction is raised in the caller, and nothing of the transaction is stored."""

    async def body(database: Database) -> None:
        def fail(transaction: Transaction) -> None:
            add("Lily")(transaction)
            raise ZeroDivisionError("by accident")

        with pytest.raises(ZeroDivisionError, match="by accident"):
            await database.transact(fail)
        assert await database.transact(names) == []

    with_database(body)


def test_sqlite_error(tmp_path: Path) -> None:
    """An error of SQLite is INTERNAL."""

    async def body(database: Database) -> None:
        with sqlite3.connect(tmp_path / FILE) as connection:
            connection.execute("DROP TABLE tales")
        connection.close()
        with pytest.raises(InternalServerError, match=rf"{tmp_path / FILE}\) failed: no such table") as failed:
            await database.transact(names)
        assert failed.value.status == "INTERNAL"

    with_database(body, tmp_path)


def test_not_open() -> None:
    """A database must be opened before its use, and closing it twice is harmless."""

    async def main() -> None:
        database = Database()
        with pytest.raises(RuntimeError, match="not open"):
            await database.transact(names)
        await database.open(TABLE)
        assert await database.transact(names) == []
        await database.aclose()
        await database.aclose()

    asyncio.run(main())


def test_unusable_directory(tmp_path: Path) -> None:
    """A server whose state directory cannot be used does not start; the error names the directory."""
    file = tmp_path / "file"
    file.write_text("not a directory")
    with (
        pytest.raises(ConfigurationError, match=f"cannot store the server's state in {file}"),
        local.serve(state_dir=file),
    ):
        pass
