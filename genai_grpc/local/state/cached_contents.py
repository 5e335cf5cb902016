"""Store of cached contents."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from genai_grpc import protos
from genai_grpc.local.state.database import Database, Transaction
from genai_grpc.local.state.resource_table import ResourceTable

__all__ = ["CACHED_CONTENTS", "CachedContentStore", "StoredContent"]

CACHED_CONTENTS: Final = ResourceTable(
    "cached_contents",
    protos.CachedContent,
    "cached content",
    listing="CachedContent.list()",
    columns=("prompt BLOB NOT NULL",),
    column="summary",
)


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
        database: An open database with `CACHED_CONTENTS.table`.
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
        prompt = content.prompt.SerializeToString()
        await self._database.transact(
            lambda transaction: CACHED_CONTENTS.insert(
                transaction, summary, expires=summary.expire_time.ToMicroseconds(), prompt=prompt
            )
        )
        return summary

    async def summary(self, name: str) -> protos.CachedContent:
        """The summary of a cached content.

        Raises:
            NotFound: There is none of that name, or it has expired.
            DataLoss: It is stored, but damaged.
        """
        return await self._database.transact(lambda transaction: CACHED_CONTENTS.get(transaction, name))

    async def get(self, name: str) -> StoredContent:
        """A cached content with its prompt; raises as `summary`."""

        def get(transaction: Transaction) -> StoredContent:
            (stored,) = CACHED_CONTENTS.columns(transaction, name, "prompt")
            prompt = CACHED_CONTENTS.parse(transaction, name, stored, protos.GenerateContentRequest)
            return StoredContent(CACHED_CONTENTS.get(transaction, name), prompt)

        return await self._database.transact(get)

    async def page(self, after: int, limit: int) -> list[tuple[int, protos.CachedContent]]:
        """Up to `limit` summaries of what was created after a position, each with its own position, in order.

        Raises:
            DataLoss: One of them is damaged; the message names it.
        """
        return await self._database.transact(lambda transaction: CACHED_CONTENTS.page(transaction, after, limit))

    async def update(self, name: str, change: Callable[[protos.CachedContent], None]) -> protos.CachedContent:
        """Change a summary in one transaction, and return it; raises as `summary`."""

        def update(transaction: Transaction) -> protos.CachedContent:
            summary = CACHED_CONTENTS.get(transaction, name)
            change(summary)
            CACHED_CONTENTS.replace(transaction, summary, expires=summary.expire_time.ToMicroseconds())
            return summary

        return await self._database.transact(update)

    async def delete(self, name: str) -> None:
        """Delete a cached content.

        Raises:
            NotFound: There is none of that name, or it has expired.
        """
        await self._database.transact(lambda transaction: CACHED_CONTENTS.delete(transaction, name))
