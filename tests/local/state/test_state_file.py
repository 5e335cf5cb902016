from __future__ import annotations

import asyncio
import os
import resource
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from genai_grpc import local
from genai_grpc.errors import ConfigurationError, InternalServerError
from genai_grpc.local.engines.script import ScriptEngine
from genai_grpc.local.state.database import Database, Transaction
from genai_grpc.local.state.state_file import APPLICATION_ID, FILE, Table

TABLE = Table("tales", ("tale BLOB NOT NULL",))
PAGE = 4096
TALES = {f"{index}": bytes([index]) * (200 if index % 3 else 9000) for index in range(1, 60)}
"""Enough for a tree of pages, with pages that continue a value."""


def run(directory: Path, body: Callable[[Database], Awaitable[Any]]) -> Any:
    """Run a test's body with the open database of a directory."""

    async def main() -> Any:
        database = Database(directory, clock=lambda: 0.0)
        await database.open(TABLE)
        try:
            return await body(database)
        finally:
            await database.aclose()

    return asyncio.run(main())


async def write(database: Database) -> None:
    """Store the tales."""

    def insert(transaction: Transaction) -> None:
        for name, tale in TALES.items():
            transaction.insert(TABLE, name=name, tale=tale, expires=1)

    await database.transact(insert)


async def read(database: Database) -> dict[str, bytes]:
    """The stored tales."""
    rows = await database.transact(lambda transaction: transaction.page(TABLE, "name", "tale", after=0, limit=1000))
    return {name: tale for _, name, tale in rows}


def sql(path: Path, *statements: str) -> list[Any]:
    """Execute statements on a file, and return the rows of the last."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        rows: list[Any] = []
        for statement in statements:
            rows = connection.execute(statement).fetchall()
        return rows


def mode(path: Path) -> int:
    """The permissions of a file."""
    return stat.S_IMODE(path.stat().st_mode)


def test_garbage_in_any_page(tmp_path: Path) -> None:
    """A file with garbage in any of its pages is refused and left as it is."""
    run(tmp_path, write)
    path = tmp_path / FILE
    content = path.read_bytes()
    assert len(content) > 30 * PAGE

    for start in range(0, len(content), PAGE):
        garbled = content[:start] + b"\xa5" * PAGE + content[start + PAGE :]
        path.write_bytes(garbled)
        with pytest.raises(ConfigurationError, match=str(path)):
            run(tmp_path, read)
        assert path.read_bytes() == garbled


@pytest.mark.parametrize("size", [1, 99, 100, 4096])
def test_not_a_database(tmp_path: Path, size: int) -> None:
    """A file that is no database is refused by the server and left as it is; the error says what to do."""
    (tmp_path / FILE).write_bytes(b"x" * size)
    with (
        pytest.raises(
            ConfigurationError, match=rf"{FILE} is not a database of SQLite; nothing was changed: move it away"
        ),
        local.serve(ScriptEngine(), state_dir=tmp_path),
    ):
        pass

    assert (tmp_path / FILE).read_bytes() == b"x" * size


def test_truncated(tmp_path: Path) -> None:
    """A file without its last pages is refused."""
    run(tmp_path, write)
    content = (tmp_path / FILE).read_bytes()[: -10 * PAGE]
    (tmp_path / FILE).write_bytes(content)

    with pytest.raises(ConfigurationError, match=r"is damaged|is malformed"):
        run(tmp_path, read)
    assert (tmp_path / FILE).read_bytes() == content


@pytest.mark.parametrize(
    ("statements", "problem"),
    [
        (["PRAGMA application_id = 1"], r"belongs to another application \(application_id 1, version 0\)"),
        (["PRAGMA user_version = 7"], r"belongs to another application \(application_id 0, version 7\)"),
        (["CREATE TABLE songs (song)"], "belongs to another application: it has songs"),
        ([TABLE.schema, "CREATE VIEW everything AS SELECT * FROM tales"], "it has everything"),
        (["CREATE TABLE tales (title, tale)"], "has a table tales with columns that are not this server's"),
        ([f"PRAGMA application_id = {APPLICATION_ID}", "PRAGMA user_version = 3"], r"a newer genai_grpc \(version 3"),
        ([f"PRAGMA application_id = {APPLICATION_ID}", "PRAGMA user_version = 1"], r"an older genai_grpc \(version 1"),
    ],
)
def test_other_owner(tmp_path: Path, statements: list[str], problem: str) -> None:
    """The database of another application, or of another version, is refused and left as it is, its mode too."""
    path = tmp_path / FILE
    sql(path, *statements)
    path.chmod(0o644)
    content = path.read_bytes()

    with pytest.raises(ConfigurationError, match=problem):
        run(tmp_path, read)
    assert path.read_bytes() == content
    assert [mode(file) for file in tmp_path.iterdir()] == [0o644]


@pytest.mark.parametrize("version", [0, 2])
def test_taken_over(tmp_path: Path, version: int) -> None:
    """A file of before the mark is taken over with its rows: it gets the mark, and the mode that protects prompts."""
    path = tmp_path / FILE
    row = "INSERT INTO tales (name, expires, tale) VALUES ('old', 1, x'00')"
    sql(path, TABLE.schema, row, f"PRAGMA user_version = {version}")
    path.chmod(0o644)

    assert run(tmp_path, read) == {"old": b"\0"}
    assert sql(path, "PRAGMA application_id") == [(APPLICATION_ID,)]
    assert sql(path, "PRAGMA user_version") == [(2,)]
    assert mode(path) == 0o600


def test_tables_of_a_later_server(tmp_path: Path) -> None:
    """A file of ours may have tables that only a later server of the same layout knows."""
    run(tmp_path, write)
    sql(tmp_path / FILE, "CREATE TABLE songs (song)")

    assert run(tmp_path, read) == TALES


def test_interrupted_transaction(tmp_path: Path) -> None:
    """A transaction that a crash interrupted is undone at the next start."""
    run(tmp_path, write)
    program = """if True:
        import os, sqlite3, sys
        connection = sqlite3.connect(sys.argv[1], isolation_level=None)
        connection.execute("PRAGMA cache_size = 2")
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("UPDATE tales SET tale = x'ff'")
        os._exit(0)
    """
    subprocess.run([sys.executable, "-c", program, str(tmp_path / FILE)], check=True, timeout=60)
    assert (tmp_path / f"{FILE}-journal").stat().st_size > 0

    assert run(tmp_path, read) == TALES


def test_modes(tmp_path: Path) -> None:
    """Directory, file and journal are readable for their owner alone, whatever the umask is."""
    directory = tmp_path / "some" / "state"
    modes: dict[str, int] = {}

    async def body(database: Database) -> None:
        def insert(transaction: Transaction) -> None:
            transaction.insert(TABLE, name="a", tale=b"a", expires=1)
            modes.update((path.name, mode(path)) for path in directory.iterdir())

        await database.transact(insert)

    before = os.umask(0)
    try:
        run(directory, body)
    finally:
        os.umask(before)

    assert mode(directory) == 0o700
    assert modes == {FILE: 0o600, f"{FILE}-journal": 0o600}


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """Make writes beyond a size fail, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)


def test_full_disk_at_the_start(tmp_path: Path) -> None:
    """On a full disk, the start fails with the file and SQLite's reason, and works once there is space."""
    with file_size_limit(PAGE), pytest.raises(ConfigurationError, match=rf"in {tmp_path / FILE}: (disk|database)"):
        run(tmp_path, read)

    assert run(tmp_path, read) == {}


def test_full_disk_later(tmp_path: Path) -> None:
    """If the disk becomes full, a write is INTERNAL with the file and SQLite's reason, and what was stored remains."""

    async def body(database: Database) -> None:
        await write(database)
        with (
            file_size_limit((tmp_path / FILE).stat().st_size),
            pytest.raises(InternalServerError, match=rf"{tmp_path / FILE}\) failed: (disk|database)"),
        ):
            await database.transact(
                lambda rows: rows.insert(TABLE, name="big", tale=bytes(1_000_000), expires=1),
            )
        assert await read(database) == TALES

    run(tmp_path, body)


@contextmanager
def unprivileged() -> Iterator[None]:
    """Give up the rights of root, for whom no file is read-only."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_read_only(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A read-only directory is an error that names the file and the reason."""
    directory = tmp_path_factory.mktemp("read-only")
    directory.chmod(0o500)
    with unprivileged(), pytest.raises(ConfigurationError, match=rf"in {directory / FILE}: .*Permission denied"):
        run(directory, read)


def test_read_only_file(tmp_path: Path) -> None:
    """So is a read-only file."""
    run(tmp_path, write)
    (tmp_path / FILE).chmod(0o400)
    with unprivileged(), pytest.raises(ConfigurationError, match=r": .*Permission denied"):
        run(tmp_path, read)
