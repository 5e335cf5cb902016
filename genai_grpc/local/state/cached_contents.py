"""Store of cached contents."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from genai_grpc import protos
from genai_grpc.errors import NotFound
from genai_grpc.local.state.database import Database, Table, Transaction

__all__ = ["TABLE", "CachedContentStore", "StoredContent"]

TABLE: Final = Table("cached_contents", ("summary BLOB NOT NULL", "prompt BLOB NOT NULL"))


@dataclass(frozen=True, slots=True)
class StoredContent:
    """A cached content.

    Attributes:
        summary: What responses show of it: everything but the prompt.
        prompt: The beginning of the requests that name it.
    """

    summary: protos.CachedContent
    prompt: protos.GenerateContentRequest


class CachedContentStore:
    """Cached contents by name, until they expire.

    Args:
        database: An open database with `TABLE`.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def now(self) -> int:
        """The time, in microseconds since 1970 UTC."""
        return self._database.now()

    async def add(self, content: StoredContent) -> protos.CachedContent:
        """Store a cached content under a new name, and return its summary with that name."""
        summary = protos.CachedContent()
        summary.CopyFrom(content.summary)
        summary.name = f"cachedContents/{secrets.token_hex(16)}"

        def insert(transaction: Transaction) -> None:
            prompt = content.prompt.SerializeToString()
            transaction.insert(TABLE, name=summary.name, prompt=prompt, **_columns(summary))

        await self._database.transact(insert)
        return summary

    async def summary(self, name: str) -> protos.CachedContent:
        """The summary of a cached content.

        Raises:
            NotFound: There is none of that name, or it has expired.
        """
        (summary,) = await self._database.transact(lambda transaction: _find(transaction, name, "summary"))
        return protos.CachedContent.FromString(summary)

    async def get(self, name: str) -> StoredContent:
        """A cached content with its prompt.

        Raises:
            NotFound: There is none of that name, or it has expired.
        """
        summary, prompt = await self._database.transact(
            lambda transaction: _find(transaction, name, "summary", "prompt")
        )
        return StoredContent(protos.CachedContent.FromString(summary), protos.GenerateContentRequest.FromString(prompt))

    async def page(self, after: int, limit: int) -> list[tuple[int, protos.CachedContent]]:
        """Up to `limit` summaries of what was created after a position, each with its own position, in order."""
        rows = await self._database.transact(
            lambda transaction: transaction.page(TABLE, "summary", after=after, limit=limit)
        )
        return [(position, protos.CachedContent.FromString(summary)) for position, summary in rows]

    async def update(self, name: str, change: Callable[[protos.CachedContent], None]) -> protos.CachedContent:
        """Change a summary in one transaction, and return it.

        Raises:
            NotFound: There is none of that name, or it has expired.
        """

        def update(transaction: Transaction) -> protos.CachedContent:
            summary = protos.CachedContent.FromString(*_find(transaction, name, "summary"))
            change(summary)
            transaction.update(TABLE, name, **_columns(summary))
            return summary

        return await self._database.transact(update)

    async def delete(self, name: str) -> None:
        """Delete a cached content.

        Raises:
            NotFound: There is none of that name, or it has expired.
        """

        def delete(transaction: Transaction) -> None:
            _find(transaction, name, "position")
            transaction.delete(TABLE, name)

        await self._database.transact(delete)


def _columns(summary: protos.CachedContent) -> dict[str, Any]:
    """The columns that depend on the summary."""
    return {"expires": summary.expire_time.ToMicroseconds(), "summary": summary.SerializeToString()}


def _find(transaction: Transaction, name: str, *columns: str) -> tuple[Any, ...]:
    row = transaction.find(TABLE, name, *columns)
    if row is None:
        raise NotFound(
            f"there is no cached content {name!r}, or it has expired; CachedContent.list() lists those there are"
        )
    return row
