"""The service that keeps cached contents, and how a request comes to the prompt that it names."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Final

from genai_grpc import protos
from genai_grpc.errors import InvalidArgument
from genai_grpc.local.engines.engine import refuse_media
from genai_grpc.local.services.generative import (
    LARGEST_PAGE_SIZE,
    PAGE_SIZE,
    abort_on_error,
    check_size,
    check_turns,
    to_api_error,
)
from genai_grpc.local.state.cached_contents import StoredContent
from genai_grpc_protos.protobuf import Empty
from genai_grpc_protos.v1beta.cache_service_pb2_grpc import CacheServiceServicer

if TYPE_CHECKING:
    from genai_grpc.local.services.generative import Context, ModelRegistry
    from genai_grpc.local.state.cached_contents import CacheStore

__all__ = ["CacheService"]

DISPLAY_NAME: Final = 128
"""The most characters of a display name."""

# Microseconds: how long a cached content lives that does not say, as in the Gemini API
# (https://ai.google.dev/gemini-api/docs/caching), and the last moment that a Timestamp can say, the end of 9999.
LIFE: Final = 3600 * 1_000_000
LAST: Final = 253_402_300_799 * 1_000_000

PROMPT: Final = ("system_instruction", "contents", "tools", "tool_config")


class CacheService(CacheServiceServicer):
    """Creates, lists, describes, prolongs and deletes cached contents.

    Args:
        catalogue: The engines that cached contents are for, which count their tokens.
        store: Where they are kept.
        max_request_bytes: The size of a request, in bytes, above which it is refused.
    """

    def __init__(self, catalogue: ModelRegistry, store: CacheStore, *, max_request_bytes: int) -> None:
        self._catalogue = catalogue
        self._store = store
        self._max_request_bytes = max_request_bytes

    async def CreateCachedContent(  # noqa: N802 -- gRPC's
        self, request: protos.CreateCachedContentRequest, context: Context
    ) -> protos.CachedContent:
        """Count a prompt's tokens and keep it."""
        async with abort_on_error(context):
            check_size(request.ByteSize(), self._max_request_bytes)
            given = request.cached_content
            now = self._store.now()
            expires = _expiration(given, now) or now + LIFE
            if len(given.display_name) > DISPLAY_NAME:
                raise InvalidArgument(
                    f"display_name has {len(given.display_name)} characters; it has {DISPLAY_NAME} at most"
                )
            prompt = _prompt(given)
            facts = protos.CachedContent(
                model=given.model,
                display_name=given.display_name if given.HasField("display_name") else None,
            )
            facts.usage_metadata.total_token_count = await self._count(prompt)
            facts.create_time.FromMicroseconds(now)
            facts.update_time.FromMicroseconds(now)
            facts.expire_time.FromMicroseconds(expires)
            return await self._store.add(StoredContent(facts, prompt))

    async def GetCachedContent(  # noqa: N802 -- gRPC's
        self, request: protos.GetCachedContentRequest, context: Context
    ) -> protos.CachedContent:
        """Describe one, without its prompt."""
        async with abort_on_error(context):
            return await self._store.facts(request.name)

    async def ListCachedContents(  # noqa: N802 -- gRPC's
        self, request: protos.ListCachedContentsRequest, context: Context
    ) -> protos.ListCachedContentsResponse:
        """Describe a page of them, in the order of their creation (https://google.aip.dev/158)."""
        async with abort_on_error(context):
            if request.page_size < 0:
                raise InvalidArgument(f"page_size is {request.page_size}; it must not be negative")
            size = min(request.page_size or PAGE_SIZE, LARGEST_PAGE_SIZE)
            found = await self._store.page(_position(request.page_token), size + 1)
            page = found[:size]
            return protos.ListCachedContentsResponse(
                cached_contents=[facts for _, facts in page],
                next_page_token=_token(page[-1][0]) if len(found) > size else "",
            )

    async def UpdateCachedContent(  # noqa: N802 -- gRPC's
        self, request: protos.UpdateCachedContentRequest, context: Context
    ) -> protos.CachedContent:
        """Let one expire at another time."""
        async with abort_on_error(context):
            given = request.cached_content
            now = self._store.now()
            expires = _expiration(given, now)
            field = given.WhichOneof("expiration")
            # Without a mask, what is set is meant (https://google.aip.dev/134).
            paths = list(request.update_mask.paths)
            if expires is None or (paths and paths != [field]):
                raise InvalidArgument(
                    f"update_mask is {paths} and the expiration given is {field}; only the expiry of a cached content "
                    "can be updated: set ttl or expire_time, and name it in the mask"
                )

            def prolong(facts: protos.CachedContent) -> None:
                facts.update_time.FromMicroseconds(now)
                facts.expire_time.FromMicroseconds(expires)

            return await self._store.change(given.name, prolong)

    async def DeleteCachedContent(  # noqa: N802 -- gRPC's
        self, request: protos.DeleteCachedContentRequest, context: Context
    ) -> Empty:
        """Forget one before it expires."""
        async with abort_on_error(context):
            await self._store.delete(request.name)
            return Empty()

    async def _count(self, prompt: protos.GenerateContentRequest) -> int:
        engine = self._catalogue.engine(prompt.model)
        if not prompt.contents and not prompt.HasField("system_instruction"):
            raise InvalidArgument("there is nothing to cache; set contents or system_instruction")
        check_turns(prompt)
        refuse_media(engine, prompt)
        try:
            return (await engine.count_tokens(prompt)).total_tokens
        except Exception as error:
            raise to_api_error(engine, error) from error


def _prompt(given: protos.CachedContent) -> protos.GenerateContentRequest:
    """What a cached content holds, as a request for content to be completed."""
    held = {field.name: value for field, value in given.ListFields() if field.name in PROMPT}
    return protos.GenerateContentRequest(model=given.model, **held)


def _expiration(given: protos.CachedContent, now: int) -> int | None:
    """When it shall expire, in microseconds since 1970 UTC; None if it does not say."""
    match given.WhichOneof("expiration"):
        case "ttl":
            expires = now + given.ttl.ToMicroseconds()
        case "expire_time":
            expires = given.expire_time.ToMicroseconds()
        case _:
            return None
    if not now < expires <= LAST:
        raise InvalidArgument(
            f"it would expire {(expires - now) / 1e6:g} seconds from now; give a ttl above 0, "
            "or an expire_time to come and before the year 10000"
        )
    return expires


def _token(position: int) -> str:
    return base64.urlsafe_b64encode(str(position).encode()).decode()


def _position(token: str) -> int:
    if not token:
        return 0
    try:
        position = int(base64.urlsafe_b64decode(token))
    except ValueError:
        position = 0
    if not 0 < position < 2**63 or _token(position) != token:
        raise InvalidArgument("page_token is not one that ListCachedContents returned")
    return position
