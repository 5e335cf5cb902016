"""The service of cached contents."""

from __future__ import annotations

from typing import Final

from genai_grpc import protos
from genai_grpc.errors import InvalidArgument
from genai_grpc.local.services.errors import Context, abort_on_error, engine_errors
from genai_grpc.local.services.file_prompts import insert_files
from genai_grpc.local.services.models import ModelRegistry
from genai_grpc.local.services.paging import parse_page
from genai_grpc.local.services.validation import check_prompt, check_size
from genai_grpc.local.state.cached_contents import CachedContentStore, StoredContent
from genai_grpc.local.state.files import FileStore
from genai_grpc_protos.protobuf import Empty
from genai_grpc_protos.v1beta.cache_service_pb2_grpc import CacheServiceServicer

__all__ = ["CacheService"]

MAX_DISPLAY_NAME: Final = 128
"""Characters of a display name, at most."""

# In microseconds: the default lifetime, as in the Gemini API (https://ai.google.dev/gemini-api/docs/caching), and the
# latest second of a Timestamp, the last of the year 9999.
DEFAULT_TTL: Final = 3600 * 1_000_000
MAX_TIMESTAMP: Final = 253_402_300_799 * 1_000_000

PROMPT_FIELDS: Final = ("system_instruction", "contents", "tools", "tool_config")


class CacheService(CacheServiceServicer):
    """Creates, describes, lists, prolongs and deletes cached contents.

    Args:
        registry: The engines, which count the tokens of the prompts.
        cached_contents: The store.
        files: The files that prompts may name.
        max_request_bytes: The size of a request, in bytes, above which it is INVALID_ARGUMENT.
    """

    def __init__(
        self,
        registry: ModelRegistry,
        cached_contents: CachedContentStore,
        files: FileStore,
        *,
        max_request_bytes: int,
    ) -> None:
        self._registry = registry
        self._cached_contents = cached_contents
        self._files = files
        self._max_request_bytes = max_request_bytes

    async def CreateCachedContent(  # noqa: N802 -- gRPC's
        self, request: protos.CreateCachedContentRequest, context: Context
    ) -> protos.CachedContent:
        """Count the tokens of a prompt, and store it."""
        async with abort_on_error(context):
            check_size(request.ByteSize(), self._max_request_bytes)
            content = request.cached_content
            now = self._cached_contents.now()
            expires = _expiration(content, now) or now + DEFAULT_TTL
            if len(content.display_name) > MAX_DISPLAY_NAME:
                raise InvalidArgument(
                    f"display_name has {len(content.display_name)} characters; give at most {MAX_DISPLAY_NAME}"
                )
            prompt = _to_prompt(content)
            summary = protos.CachedContent(
                model=content.model,
                display_name=content.display_name if content.HasField("display_name") else None,
            )
            summary.usage_metadata.total_token_count = await self._count_tokens(prompt)
            summary.create_time.FromMicroseconds(now)
            summary.update_time.FromMicroseconds(now)
            summary.expire_time.FromMicroseconds(expires)
            return await self._cached_contents.add(StoredContent(summary, prompt))

    async def GetCachedContent(  # noqa: N802 -- gRPC's
        self, request: protos.GetCachedContentRequest, context: Context
    ) -> protos.CachedContent:
        """Describe one cached content, without its prompt."""
        async with abort_on_error(context):
            return await self._cached_contents.summary(request.name)

    async def ListCachedContents(  # noqa: N802 -- gRPC's
        self, request: protos.ListCachedContentsRequest, context: Context
    ) -> protos.ListCachedContentsResponse:
        """Describe a page of the cached contents, in the order of their creation."""
        async with abort_on_error(context):
            page = parse_page(request)
            summaries, next_page_token = page.split(await self._cached_contents.page(page.after, page.limit))
            return protos.ListCachedContentsResponse(cached_contents=summaries, next_page_token=next_page_token)

    async def UpdateCachedContent(  # noqa: N802 -- gRPC's
        self, request: protos.UpdateCachedContentRequest, context: Context
    ) -> protos.CachedContent:
        """Change when a cached content expires."""
        async with abort_on_error(context):
            content = request.cached_content
            now = self._cached_contents.now()
            expires = _expiration(content, now)
            field = content.WhichOneof("expiration")
            # Without a mask, every field that is set is updated (https://google.aip.dev/134).
            paths = list(request.update_mask.paths)
            if expires is None or (paths and paths != [field]):
                raise InvalidArgument(
                    f"update_mask is {paths} and the expiration given is {field}; only the expiry of a cached content "
                    "can be updated: set ttl or expire_time, and name it in the mask"
                )

            def set_expiry(summary: protos.CachedContent) -> None:
                summary.update_time.FromMicroseconds(now)
                summary.expire_time.FromMicroseconds(expires)

            return await self._cached_contents.update(content.name, set_expiry)

    async def DeleteCachedContent(  # noqa: N802 -- gRPC's
        self, request: protos.DeleteCachedContentRequest, context: Context
    ) -> Empty:
        """Delete a cached content before it expires."""
        async with abort_on_error(context):
            await self._cached_contents.delete(request.name)
            return Empty()

    async def _count_tokens(self, prompt: protos.GenerateContentRequest) -> int:
        engine = self._registry.engine(prompt.model)
        if not prompt.contents and not prompt.HasField("system_instruction"):
            raise InvalidArgument("there is nothing to cache; set contents or system_instruction")
        await insert_files(self._files, engine, prompt)
        check_prompt(engine, prompt)
        with engine_errors(engine):
            return (await engine.count_tokens(prompt)).total_tokens


def _to_prompt(content: protos.CachedContent) -> protos.GenerateContentRequest:
    """The prompt of a cached content, as the beginning of a request for content."""
    fields = {field.name: value for field, value in content.ListFields() if field.name in PROMPT_FIELDS}
    return protos.GenerateContentRequest(model=content.model, **fields)


def _expiration(content: protos.CachedContent, now: int) -> int | None:
    """The requested time of expiry, in microseconds since 1970 UTC; None if there is none."""
    match content.WhichOneof("expiration"):
        case "ttl":
            expires = now + content.ttl.ToMicroseconds()
        case "expire_time":
            expires = content.expire_time.ToMicroseconds()
        case _:
            return None
    if not now < expires <= MAX_TIMESTAMP:
        raise InvalidArgument(
            f"it would expire {(expires - now) / 1e6:g} seconds from now; give a ttl above 0, "
            "or an expire_time in the future and before the year 10000"
        )
    return expires
