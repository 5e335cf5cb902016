"""The histories of live sessions that can be resumed."""

from __future__ import annotations

import secrets
from typing import Any, Final

from genai_grpc import protos
from genai_grpc.errors import NotFound
from genai_grpc.local.state.database import Database, Transaction
from genai_grpc.local.state.state_file import Table

__all__ = ["LIVE_SESSIONS", "LiveSessionStore"]

LIVE_SESSIONS: Final = Table("live_sessions", ("owner TEXT NOT NULL", "history BLOB NOT NULL"))

_LIFETIME: Final = 2 * 3600 * 1_000_000
"""Microseconds in which a session can be resumed, as in the Gemini API (https://ai.google.dev/gemini-api/docs/live)."""


class LiveSessionStore:
    """Histories by handle. Each handle has the history of one moment.

    Args:
        database: The database, open with `LIVE_SESSIONS`.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def save(self, owner: str, history: list[protos.Content], replaces: str = "") -> str:
        """Store a history, and return its handle.

        Args:
            owner: The caller who may resume it.
            history: The turns.
            replaces: A handle to delete.
        """
        handle = secrets.token_urlsafe(24)
        data = protos.GenerateContentRequest(contents=history).SerializeToString()

        def insert(rows: Transaction) -> None:
            rows.delete(LIVE_SESSIONS, replaces)
            rows.insert(LIVE_SESSIONS, name=handle, owner=owner, history=data, expires=rows.now + _LIFETIME)

        await self._database.transact(insert)
        return handle

    async def find(self, owner: str, handle: str) -> list[protos.Content]:
        """The history of a handle.

        Raises:
            NotFound: There is none, it has expired, or it is that of another caller.
        """

        def find(rows: Transaction) -> tuple[Any, ...] | None:
            return rows.find(LIVE_SESSIONS, handle, "owner", "history")

        found = await self._database.transact(find)
        if found is None or found[0] != owner:
            raise NotFound("no session can be resumed with this handle: it is unknown, expired or another caller's")
        return list(protos.GenerateContentRequest.FromString(found[1]).contents)
