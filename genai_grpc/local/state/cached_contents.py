"""Where cached contents are kept: a SQLite database, in a file that outlives the server or in memory."""

from __future__ import annotations

import asyncio
import secrets
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

from genai_grpc import protos
from genai_grpc.errors import ConfigurationError, InternalServerError, NotFound

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["CacheStore", "StoredContent"]

Out = TypeVar("Out")

FILE: Final = "state.sqlite3"
# Raised with every change of the tables that older servers could not work with.
VERSION: Final = 1
TABLES: Final = """
CREATE TABLE IF NOT EXISTS cached_contents (
    position INTEGER PRIMARY KEY AUTOINCREMENT, -- the order of creation, which pages follow
    name TEXT NOT NULL UNIQUE,
    expires INTEGER NOT NULL, -- microseconds since 1970 UTC
    facts BLOB NOT NULL, -- a CachedContent, as replies carry it
    prompt BLOB NOT NULL -- a GenerateContentRequest: what is put before a request
)
"""
# Seconds to wait while another server on the same file writes.
PATIENCE: Final = 30.0


@dataclass(frozen=True, slots=True)
class StoredContent:
    """A cached content with the prompt that it holds, as a request for content to be completed."""

    facts: protos.CachedContent
    prompt: protos.GenerateContentRequest


class CacheStore:
    """Cached contents by name, until they expire.

    A prompt may be megabytes, and another server may hold the file: so SQLite works on a thread of its own, one call
    after the other, and never on the event loop. Several servers may share a directory, since every change is one
    transaction of SQLite's.

    Args:
        directory: Where to keep the file `state.sqlite3`, made if it is missing; None keeps everything in memory.
        now: Seconds since 1970 UTC.
    """

    def __init__(self, directory: Path | None = None, *, now: Callable[[], float] = time.time) -> None:
        self._directory = directory
        self._now = now
        self._connection: sqlite3.Connection | None = None
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="genai-grpc-cache")

    def now(self) -> int:
        """The time, in microseconds since 1970 UTC."""
        return int(self._now() * 1_000_000)

    async def open(self) -> None:
        """Open the database; called once, before anything else.

        Raises:
            ConfigurationError: The directory or file cannot be used.
        """
        loop = asyncio.get_running_loop()
        try:
            self._connection = await loop.run_in_executor(self._worker, self._open)
        except BaseException:
            self._worker.shutdown()
            raise

    async def aclose(self) -> None:
        """Close the database."""
        self._worker.shutdown()
        connection, self._connection = self._connection, None
        if connection is not None:
            # Not on the worker, which takes no more work when the interpreter is on its way out.
            connection.close()

    async def add(self, kept: StoredContent) -> protos.CachedContent:
        """Keep a cached content under a new name."""
        facts = protos.CachedContent()
        facts.CopyFrom(kept.facts)
        facts.name = f"cachedContents/{secrets.token_hex(16)}"
        row = (facts.name, _expires(facts), facts.SerializeToString(), kept.prompt.SerializeToString())

        def insert(connection: sqlite3.Connection) -> None:
            # What has expired is never found; here it goes, so that the file does not grow for good.
            connection.execute("DELETE FROM cached_contents WHERE expires <= ?", (self.now(),))
            connection.execute("INSERT INTO cached_contents (name, expires, facts, prompt) VALUES (?, ?, ?, ?)", row)

        await self._transact(insert)
        return facts

    async def facts(self, name: str) -> protos.CachedContent:
        """What replies say of a cached content.

        Raises:
            NotFound: There is none of that name, or it has expired.
        """
        return await self._transact(lambda connection: self._facts(connection, name))

    async def get(self, name: str) -> StoredContent:
        """A cached content with its prompt.

        Raises:
            NotFound: There is none of that name, or it has expired.
        """
        facts, prompt = await self._transact(lambda connection: self._row(connection, "facts, prompt", name))
        return StoredContent(protos.CachedContent.FromString(facts), protos.GenerateContentRequest.FromString(prompt))

    async def page(self, after: int, size: int) -> list[tuple[int, protos.CachedContent]]:
        """So many cached contents that were created after a position, each with its own position, in order."""

        def select(connection: sqlite3.Connection) -> list[tuple[int, bytes]]:
            found = connection.execute(
                "SELECT position, facts FROM cached_contents WHERE position > ? AND expires > ? "
                "ORDER BY position LIMIT ?",
                (after, self.now(), size),
            )
            return found.fetchall()

        return [(position, protos.CachedContent.FromString(facts)) for position, facts in await self._transact(select)]

    async def change(self, name: str, change: Callable[[protos.CachedContent], None]) -> protos.CachedContent:
        """Change what replies say of a cached content, in one transaction.

        Raises:
            NotFound: There is none of that name, or it has expired.
        """

        def update(connection: sqlite3.Connection) -> protos.CachedContent:
            facts = self._facts(connection, name)
            change(facts)
            connection.execute(
                "UPDATE cached_contents SET expires = ?, facts = ? WHERE name = ?",
                (_expires(facts), facts.SerializeToString(), name),
            )
            return facts

        return await self._transact(update)

    async def delete(self, name: str) -> None:
        """Forget a cached content.

        Raises:
            NotFound: There is none of that name, or it has expired.
        """

        def delete(connection: sqlite3.Connection) -> None:
            self._row(connection, "position", name)
            connection.execute("DELETE FROM cached_contents WHERE name = ?", (name,))

        await self._transact(delete)

    def _facts(self, connection: sqlite3.Connection, name: str) -> protos.CachedContent:
        (facts,) = self._row(connection, "facts", name)
        return protos.CachedContent.FromString(facts)

    def _row(self, connection: sqlite3.Connection, columns: str, name: str) -> tuple[bytes, ...]:
        row: tuple[bytes, ...] | None = connection.execute(
            f"SELECT {columns} FROM cached_contents WHERE name = ? AND expires > ?",  # noqa: S608 -- our own columns
            (name, self.now()),
        ).fetchone()
        if row is None:
            raise NotFound(
                f"there is no cached content {name!r}, or it has expired; CachedContent.list() lists those there are"
            )
        return row

    async def _transact(self, work: Callable[[sqlite3.Connection], Out]) -> Out:
        """Do some work as one transaction on the store's own thread."""
        connection = self._connection
        if connection is None:
            raise RuntimeError("the store of cached contents is not open")

        def transact() -> Out:
            with connection:
                # At once for writing, so that nobody else writes between what is read here and what is written.
                connection.execute("BEGIN IMMEDIATE")
                return work(connection)

        try:
            return await asyncio.get_running_loop().run_in_executor(self._worker, transact)
        except sqlite3.Error as error:
            raise InternalServerError(f"cached contents cannot be kept or found: {error}") from error

    def _open(self) -> sqlite3.Connection:
        where = ":memory:"
        try:
            if self._directory is not None:
                # Prompts are nobody else's business.
                self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
                where = str(self._directory / FILE)
            # Used by the worker alone, and closed when that has ended.
            connection = sqlite3.connect(where, timeout=PATIENCE, isolation_level=None, check_same_thread=False)
            try:
                _prepare(connection)
            except BaseException:
                connection.close()
                raise
        except (OSError, sqlite3.Error) as error:
            raise ConfigurationError(f"cannot keep the server's state in {self._directory}: {error}") from error
        return connection


def _prepare(connection: sqlite3.Connection) -> None:
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version > VERSION:
            raise ConfigurationError(
                f"the server's state was written by a newer genai_grpc (version {version} of its tables, "
                f"this one knows {VERSION}); update, or choose another directory"
            )
        connection.execute(TABLES)
        connection.execute(f"PRAGMA user_version = {VERSION}")


def _expires(facts: protos.CachedContent) -> int:
    return facts.expire_time.ToMicroseconds()
