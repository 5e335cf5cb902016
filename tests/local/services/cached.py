"""The services that use cached contents, called without gRPC, for their tests."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import grpc
import pytest

from genai_grpc import protos
from genai_grpc.local.engines.script import ScriptEngine
from genai_grpc.local.services.caching import CacheService
from genai_grpc.local.services.generative import GenerativeService
from genai_grpc.local.services.models import ModelRegistry
from genai_grpc.local.state.cached_contents import CACHED_CONTENTS, CachedContentStore
from genai_grpc.local.state.database import Database
from genai_grpc_protos.protobuf import FieldMask

__all__ = ["START", "Clock", "Services", "error_of", "turn", "with_services"]

Out = TypeVar("Out")
START = 1_000_000


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.seconds = START

    def __call__(self) -> float:
        return self.seconds


class AbortedError(Exception):
    """Raised where a service ends a call."""


class Context:
    """The part of gRPC's context that the services use."""

    async def abort(self, code: grpc.StatusCode, message: str, *_: object) -> None:
        """End the call."""
        raise AbortedError(f"{code.name}: {message}")


class Services:
    """The services that use cached contents, over one store."""

    def __init__(self, store: CachedContentStore, script: ScriptEngine) -> None:
        registry = ModelRegistry([script])
        none: Any = None  # no prompt here has files, and none is for a tuned model or a corpus
        self.store = store
        self.cache = CacheService(registry, store, none, max_request_bytes=1000)
        self.generative = GenerativeService(registry, store, none, none, none, none, max_request_bytes=1000)
        self.context: Any = Context()

    def create(self, **fields: Any) -> Awaitable[protos.CachedContent]:
        """Create a cached content, with one turn by default."""
        content = protos.CachedContent(**{"model": "models/script", "contents": [turn("A long tale.")], **fields})
        request = protos.CreateCachedContentRequest(cached_content=content)
        return self.cache.CreateCachedContent(request, self.context)

    def get(self, name: str) -> Awaitable[protos.CachedContent]:
        """Get one."""
        return self.cache.GetCachedContent(protos.GetCachedContentRequest(name=name), self.context)

    def update(self, paths: list[str], **fields: Any) -> Awaitable[protos.CachedContent]:
        """Update one."""
        request = protos.UpdateCachedContentRequest(
            cached_content=protos.CachedContent(**fields), update_mask=FieldMask(paths=paths)
        )
        return self.cache.UpdateCachedContent(request, self.context)

    def delete(self, name: str) -> Awaitable[object]:
        """Delete one."""
        return self.cache.DeleteCachedContent(protos.DeleteCachedContentRequest(name=name), self.context)

    def page(self, **fields: Any) -> Awaitable[protos.ListCachedContentsResponse]:
        """List a page."""
        return self.cache.ListCachedContents(protos.ListCachedContentsRequest(**fields), self.context)

    def generate(self, **fields: Any) -> Awaitable[protos.GenerateContentResponse]:
        """Generate content."""
        request = protos.GenerateContentRequest(**{"model": "models/script", "contents": [turn("Hi")], **fields})
        return self.generative.GenerateContent(request, self.context)


def turn(text: str, role: str = "user") -> protos.Content:
    """A turn of one part."""
    return protos.Content(role=role, parts=[protos.Part(text=text)])


def with_services(
    body: Callable[[Services], Awaitable[Out]], clock: Clock | None = None, script: ScriptEngine | None = None
) -> Out:
    """Run a test's body with the services, on a database in memory."""

    async def main() -> Out:
        database = Database(clock=clock or Clock())
        await database.open(CACHED_CONTENTS.table)
        try:
            return await body(Services(CachedContentStore(database), script or ScriptEngine()))
        finally:
            await database.aclose()

    return asyncio.run(main())


async def error_of(call: Awaitable[object]) -> str:
    """The code and message with which a call ends."""
    with pytest.raises(AbortedError) as aborted:
        await call
    return str(aborted.value)
