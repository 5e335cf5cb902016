"""Prompts cached by the service, so that requests with a common beginning need not send and process it again.

>>> import genai_grpc as genai
>>> cache = genai.caching.CachedContent.create("gemini-pro", contents="A very long tale.", ttl=600)
>>> genai.GenerativeModel.from_cached_content(cache).generate_content("Who is it about?").text
'A girl named Lily.'
"""

from __future__ import annotations

import datetime
from collections.abc import AsyncIterator, Iterator
from typing import Any

from genai_grpc import protos, types
from genai_grpc._coerce.cached_content import to_cached_content, to_cached_content_name, to_expiration
from genai_grpc._coerce.settings import to_options
from genai_grpc._responses.times import to_datetime
from genai_grpc._rpc.call import Call, reply_message
from genai_grpc._rpc.operation import Operation
from genai_grpc._rpc.pager import list_pages
from genai_grpc._self import Self
from genai_grpc._services.messages import protos_of
from genai_grpc.client import Client, async_transport, default_client, dialect_of, sync_transport
from genai_grpc_protos._convert import to_message
from genai_grpc_protos.protobuf import FieldMask

__all__ = ["CachedContent"]


class CachedContent:
    """A prompt cached by the service until it expires, for the requests of one model.

    `GenerativeModel.from_cached_content` returns the model that uses it. Its contents cannot be read back or changed;
    its expiry can. The constructor gets it by name, as `get` does.

    Args:
        name: The resource name; `cachedContents/` is put before a bare name.
        client: By default the one that `configure` sets; `update` and `delete` use the same one.
        request_options: Timeouts, retry policy and metadata of the call.

    Raises:
        NotFound: There is none of that name, or it has expired.
        APIError: The call failed otherwise.

    >>> cache = CachedContent.create("gemini-pro", contents="A very long text.", ttl=600)
    >>> cache.usage_metadata.total_token_count
    4
    >>> CachedContent(cache.name).model
    'models/gemini-pro'
    >>> cache.delete()
    """

    __slots__ = ("_client", "_proto")

    def __init__(
        self, name: str, *, client: Client | None = None, request_options: types.RequestOptionsType | None = None
    ) -> None:
        self._client: Client | None = client or default_client()
        self._proto: protos.CachedContent = sync_transport(self._client).call(
            _get_call(self._client, name, request_options)
        )

    @classmethod
    def create(
        cls,
        model: str,
        *,
        display_name: str | None = None,
        system_instruction: types.ContentType | None = None,
        contents: types.ContentsType | None = None,
        tools: types.ToolsType | None = None,
        tool_config: types.ToolConfigType | None = None,
        ttl: types.TTLType | None = None,
        expire_time: types.ExpireTimeType | None = None,
        client: Client | None = None,
        request_options: types.RequestOptionsType | None = None,
    ) -> Self:
        """Cache a prompt. It needs a system instruction or contents.

        Retried only after ResourceExhausted, since after any other error the prompt may have been cached all the same.

        Args:
            model: The only model that can use it; `models/` is put before a bare name.
            display_name: A name for people, at most 128 characters.
            system_instruction: The instruction before every conversation.
            contents: The turns to put before those of every request.
            tools: The tools that the model may call.
            tool_config: How it may call them.
            ttl: Lifetime from now: seconds, a timedelta, a Duration or a dict of one; an hour by default.
            expire_time: In place of `ttl`, the time of expiry: a datetime (local time if it has no zone), whole seconds
                since 1970 UTC, a Timestamp or a dict of one.
            client: By default the one that `configure` sets.
            request_options: Timeouts, retry policy and metadata of the call.

        Raises:
            TypeError: An argument is of a type that cannot be converted.
            ValueError: The display name is longer than 128 characters, or both ttl and expire_time are given.
            APIError: The call failed.

        >>> import datetime
        >>> cache = CachedContent.create(
        ...     "gemini-pro", display_name="the tale", contents="A long tale.", ttl=datetime.timedelta(minutes=5)
        ... )
        >>> cache.expire_time - cache.create_time
        datetime.timedelta(seconds=300)
        """
        client = client or default_client()
        call = _create_call(
            client,
            model,
            display_name,
            system_instruction,
            contents,
            tools,
            tool_config,
            ttl,
            expire_time,
            request_options,
        )
        return cls.from_proto(sync_transport(client).call(call), client=client)

    @classmethod
    async def create_async(
        cls,
        model: str,
        *,
        display_name: str | None = None,
        system_instruction: types.ContentType | None = None,
        contents: types.ContentsType | None = None,
        tools: types.ToolsType | None = None,
        tool_config: types.ToolConfigType | None = None,
        ttl: types.TTLType | None = None,
        expire_time: types.ExpireTimeType | None = None,
        client: Client | None = None,
        request_options: types.RequestOptionsType | None = None,
    ) -> Self:
        """The async twin of `create`."""
        client = client or default_client()
        call = _create_call(
            client,
            model,
            display_name,
            system_instruction,
            contents,
            tools,
            tool_config,
            ttl,
            expire_time,
            request_options,
        )
        return cls.from_proto(await async_transport(client).call(call), client=client)

    @classmethod
    def get(
        cls, name: str, *, client: Client | None = None, request_options: types.RequestOptionsType | None = None
    ) -> Self:
        """Get a cached content by name.

        Args:
            name: The resource name; `cachedContents/` is put before a bare name.
            client: By default the one that `configure` sets.
            request_options: Timeouts, retry policy and metadata of the call.

        Raises:
            NotFound: There is none, or it has expired.
            APIError: The call failed otherwise.

        >>> cache = CachedContent.create("gemini-pro", contents="A long tale.")
        >>> CachedContent.get(cache.name).expire_time == cache.expire_time
        True
        """
        client = client or default_client()
        return cls.from_proto(sync_transport(client).call(_get_call(client, name, request_options)), client=client)

    @classmethod
    async def get_async(
        cls, name: str, *, client: Client | None = None, request_options: types.RequestOptionsType | None = None
    ) -> Self:
        """The async twin of `get`."""
        client = client or default_client()
        return cls.from_proto(
            await async_transport(client).call(_get_call(client, name, request_options)), client=client
        )

    @classmethod
    def list(
        cls,
        page_size: int = 50,
        *,
        client: Client | None = None,
        request_options: types.RequestOptionsType | None = None,
    ) -> Iterator[Self]:
        """List the cached contents that have not expired; a page is fetched when its items are needed.

        Args:
            page_size: Items per page, 1 to 1000.
            client: By default the one that `configure` sets.
            request_options: Timeouts, retry policy and metadata of each page's call.

        Raises:
            APIError: A call failed, when its page is needed.

        >>> cache = CachedContent.create("gemini-pro", display_name="the tale", contents="A long tale.")
        >>> "the tale" in [cache.display_name for cache in CachedContent.list()]
        True
        """
        client = client or default_client()
        return sync_transport(client).iterate(_list(cls, client, page_size, request_options))

    @classmethod
    def list_async(
        cls,
        page_size: int = 50,
        *,
        client: Client | None = None,
        request_options: types.RequestOptionsType | None = None,
    ) -> AsyncIterator[Self]:
        """The async twin of `list`; read it with `async for`."""
        client = client or default_client()
        return async_transport(client).iterate(_list(cls, client, page_size, request_options))

    def update(
        self,
        *,
        ttl: types.TTLType | None = None,
        expire_time: types.ExpireTimeType | None = None,
        request_options: types.RequestOptionsType | None = None,
    ) -> None:
        """Change its expiry, and replace this object's data by the service's answer.

        Args:
            ttl: Lifetime from now, as `create` takes it.
            expire_time: In place of `ttl`, the time of expiry, as `create` takes it.
            request_options: Timeouts, retry policy and metadata of the call, which is retried only after
                ResourceExhausted.

        Raises:
            ValueError: Both or neither of ttl and expire_time are given.
            NotFound: It has expired.
            APIError: The call failed otherwise.

        >>> cache = CachedContent.create("gemini-pro", contents="A long tale.", ttl=60)
        >>> before = cache.expire_time
        >>> cache.update(ttl=3600)
        >>> cache.expire_time > before
        True
        """
        self._proto = sync_transport(self.client).call(
            _update_call(self.client, self.name, ttl, expire_time, request_options)
        )

    async def update_async(
        self,
        *,
        ttl: types.TTLType | None = None,
        expire_time: types.ExpireTimeType | None = None,
        request_options: types.RequestOptionsType | None = None,
    ) -> None:
        """The async twin of `update`."""
        self._proto = await async_transport(self.client).call(
            _update_call(self.client, self.name, ttl, expire_time, request_options)
        )

    def delete(self, *, request_options: types.RequestOptionsType | None = None) -> None:
        """Delete it before it expires. Retried only after ResourceExhausted.

        Raises:
            NotFound: It has expired, or was deleted before.
            APIError: The call failed otherwise.

        >>> CachedContent.create("gemini-pro", contents="A long tale.").delete()
        """
        sync_transport(self.client).call(_delete_call(self.client, self.name, request_options))

    async def delete_async(self, *, request_options: types.RequestOptionsType | None = None) -> None:
        """The async twin of `delete`."""
        await async_transport(self.client).call(_delete_call(self.client, self.name, request_options))

    @classmethod
    def from_proto(cls, proto: protos.CachedContent, *, client: Client | None = None) -> Self:
        """The cached content of a message; nothing is sent.

        >>> CachedContent.from_proto(protos.CachedContent(name="cachedContents/abc")).name
        'cachedContents/abc'
        """
        self = cls.__new__(cls)
        self._proto, self._client = to_message(protos_of(proto).CachedContent, proto), client
        return self

    def to_proto(self) -> protos.CachedContent:
        """The message, as the service last sent it."""
        return self._proto

    @property
    def client(self) -> Client:
        """The client that performs its calls."""
        return default_client() if self._client is None else self._client

    @property
    def name(self) -> str:
        """The resource name, `cachedContents/…`."""
        return self._proto.name

    @property
    def model(self) -> str:
        """The resource name of the model that can use it."""
        return self._proto.model

    @property
    def display_name(self) -> str:
        """Its name for people; empty if it has none."""
        return self._proto.display_name

    @property
    def usage_metadata(self) -> protos.CachedContent.UsageMetadata:
        """Its size: `total_token_count`, in tokens."""
        return self._proto.usage_metadata

    @property
    def create_time(self) -> datetime.datetime:
        """When it was created, in UTC."""
        return to_datetime(self._proto.create_time)

    @property
    def update_time(self) -> datetime.datetime:
        """When it was created or last updated, in UTC."""
        return to_datetime(self._proto.update_time)

    @property
    def expire_time(self) -> datetime.datetime:
        """When it expires, in UTC."""
        return to_datetime(self._proto.expire_time)

    def __repr__(self) -> str:
        return (
            f"CachedContent(name={self.name!r}, model={self.model!r}, display_name={self.display_name!r}, "
            f"total_token_count={self.usage_metadata.total_token_count}, create_time='{self.create_time}', "
            f"update_time='{self.update_time}', expire_time='{self.expire_time}')"
        )


def _create_call(
    client: Client,
    model: str,
    display_name: str | None,
    system_instruction: types.ContentType | None,
    contents: types.ContentsType | None,
    tools: types.ToolsType | None,
    tool_config: types.ToolConfigType | None,
    ttl: types.TTLType | None,
    expire_time: types.ExpireTimeType | None,
    request_options: types.RequestOptionsType | None,
) -> Call[Any, Any, protos.CachedContent]:
    dialect = dialect_of(client)
    cached_content = to_cached_content(
        model,
        display_name=display_name,
        system_instruction=system_instruction,
        contents=contents,
        tools=tools,
        tool_config=tool_config,
        ttl=ttl,
        expire_time=expire_time,
        dialect=dialect,
    )
    request = dialect.protos.CreateCachedContentRequest(cached_content=cached_content, **dialect.scope())
    return Call(dialect.method("CreateCachedContent"), request, reply_message, to_options(request_options))


def _get_call(
    client: Client, name: str, request_options: types.RequestOptionsType | None
) -> Call[Any, Any, protos.CachedContent]:
    dialect = dialect_of(client)
    request = dialect.protos.GetCachedContentRequest(name=to_cached_content_name(name, dialect))
    return Call(dialect.method("GetCachedContent"), request, reply_message, to_options(request_options))


def _update_call(
    client: Client,
    name: str,
    ttl: types.TTLType | None,
    expire_time: types.ExpireTimeType | None,
    request_options: types.RequestOptionsType | None,
) -> Call[Any, Any, protos.CachedContent]:
    expiration: dict[str, Any] = {**to_expiration(ttl, expire_time)}
    if not expiration:
        raise ValueError("only the expiry of a cached content can be updated; give ttl or expire_time")
    dialect = dialect_of(client)
    protos = dialect.protos
    request = protos.UpdateCachedContentRequest(
        cached_content=protos.CachedContent(name=name, **expiration), update_mask=FieldMask(paths=[*expiration])
    )
    return Call(dialect.method("UpdateCachedContent"), request, reply_message, to_options(request_options))


def _delete_call(client: Client, name: str, request_options: types.RequestOptionsType | None) -> Call[Any, Any, Any]:
    dialect = dialect_of(client)
    request = dialect.protos.DeleteCachedContentRequest(name=name)
    return Call(dialect.method("DeleteCachedContent"), request, reply_message, to_options(request_options))


def _list(
    cls: type[CachedContent], client: Client, page_size: int, request_options: types.RequestOptionsType | None
) -> Operation[None]:
    def items(page: protos.ListCachedContentsResponse) -> Iterator[CachedContent]:
        return (cls.from_proto(item, client=client) for item in page.cached_contents)

    dialect = dialect_of(client)
    method = dialect.method("ListCachedContents")
    return list_pages(method, page_size, items, to_options(request_options), **dialect.scope())
