"""Live sessions, as tests open and read them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import genai_grpc as genai
from genai_grpc.live import LiveMessage, LiveSession
from genai_grpc.local.server import Server


async def read_turn(session: LiveSession) -> list[LiveMessage]:
    """The messages of the service up to the end of its turn."""
    return [message async for message in session.receive()]


def text_of(messages: list[LiveMessage]) -> str:
    """The text of a reply."""
    return "".join(message.text for message in messages)


@asynccontextmanager
async def opened(server: Server, *args: Any, **kwargs: Any) -> AsyncIterator[LiveSession]:
    """A session of a client of its own."""
    async with (
        genai.Client(endpoint=server.endpoint) as client,
        client.live.connect("gemini-pro", *args, **kwargs) as session,
    ):
        yield session
