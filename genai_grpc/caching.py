"""Prompts that the service keeps, so that requests which begin alike need not send and process them again.

>>> import genai_grpc as genai
>>> cache = genai.caching.CachedContent.create("gemini-pro", contents="A very long tale.", ttl=600)
>>> genai.GenerativeModel.from_cached_content(cache).generate_content("Who is it about?").text
'A girl named Lily.'
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from genai_grpc import protos
from genai_grpc._coerce.cached_content import to_cached_content, to_cached_content_name, to_expiration
from genai_grpc._coerce.messages import to_message
from genai_grpc._coerce.settings import to_options
from genai_grpc._rpc.call import SERVICES, Call, Method, Operation, Yield, identity
from genai_grpc.client import Client, default_client
from genai_grpc_protos.protobuf import Empty, FieldMask

if TYPE_CHECKING:
    import datetime
    from collections.abc import AsyncIterator, Iterator

    from typing_extensions import Self, Unpack

    from genai_grpc.types import CachedContentOptions, ExpireTimeType, RequestOptionsType, TTLType
    from genai_grpc_protos.protobuf import Timestamp

__all__ = ["CachedContent"]

# A second try of these would keep, and bill, a prompt twice, set back a ttl, or not find what is deleted already.
CREATE_CACHED_CONTENT: Final = Method(
    f"{SERVICES}CacheService/CreateCachedContent",
    protos.CreateCachedContentRequest,
    protos.CachedContent,
    idempotent=False,
)
UPDATE_CACHED_CONTENT: Final = Method(
    f"{SERVICES}CacheService/UpdateCachedContent",
    protos.UpdateCachedContentRequest,
    protos.CachedContent,
    route="cached_content.name",
    idempotent=False,
)
DELETE_CACHED_CONTENT: Final = Method(
    f"{SERVICES}CacheService/DeleteCachedContent",
    protos.DeleteCachedContentRequest,
    Empty,
    route="name",
    idempotent=False,
)
GET_CACHED_CONTENT: Final = Method(
    f"{SERVICES}CacheService/GetCachedContent", protos.GetCachedContentRequest, protos.CachedContent, route="name"
)
LIST_CACHED_CONTENTS: Final = Method(
    f"{SERVICES}CacheService/ListCachedContents", protos.ListCachedContentsRequest, protos.ListCachedContentsResponse
)


class CachedContent:
    """A prompt that the service keeps until it expires, for the requests of one model.

    `GenerativeModel.from_cached_content` makes the model that uses it. What it holds cannot be read back or changed,
    only its expiry can. Constructing one by name fetches it, as `get` does.

    Args:
        name: The resource name; a bare name is put under `cachedContents/`.
        client: By default the one that `configure` sets; `update` and `delete` go to the same one.
        request_options: Deadline, retries and metadata of the call.

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
        self, name: str, *, client: Client | None = None, request_options: RequestOptionsType | None = None
    ) -> None:
        self._client: Client | None = client or default_client()
        self._proto: protos.CachedContent = self._client.call(_getting(name, request_options))

    @classmethod
    def create(
        cls,
        model: str,
        *,
        client: Client | None = None,
        request_options: RequestOptionsType | None = None,
        **options: Unpack[CachedContentOptions],
    ) -> Self:
        """Have the service keep a prompt.

        It is tried again only after ResourceExhausted, since one that failed otherwise may have been kept all the same.

        Args:
            model: The only model that can use it; a bare name is put under `models/`.
            client: By default the one that `configure` sets.
            request_options: Deadline, retries and metadata of the call.
            **options: See `types.CachedContentOptions`.

        Raises:
            TypeError: An argument is of a type of which nothing can be made.
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
        return cls.from_proto(client.call(_creating(model, options, request_options)), client=client)

    @classmethod
    async def create_async(
        cls,
        model: str,
        *,
        client: Client | None = None,
        request_options: RequestOptionsType | None = None,
        **options: Unpack[CachedContentOptions],
    ) -> Self:
        """The async twin of `create`."""
        client = client or default_client()
        return cls.from_proto(await client.call_async(_creating(model, options, request_options)), client=client)

    @classmethod
    def get(cls, name: str, *, client: Client | None = None, request_options: RequestOptionsType | None = None) -> Self:
        """The cached content of that name.

        Args:
            name: The resource name; a bare name is put under `cachedContents/`.
            client: By default the one that `configure` sets.
            request_options: Deadline, retries and metadata of the call.

        Raises:
            NotFound: There is none, or it has expired.
            APIError: The call failed otherwise.

        >>> cache = CachedContent.create("gemini-pro", contents="A long tale.")
        >>> CachedContent.get(cache.name).expire_time == cache.expire_time
        True
        """
        client = client or default_client()
        return cls.from_proto(client.call(_getting(name, request_options)), client=client)

    @classmethod
    async def get_async(
        cls, name: str, *, client: Client | None = None, request_options: RequestOptionsType | None = None
    ) -> Self:
        """The async twin of `get`."""
        client = client or default_client()
        return cls.from_proto(await client.call_async(_getting(name, request_options)), client=client)

    @classmethod
    def list(
        cls, page_size: int = 50, *, client: Client | None = None, request_options: RequestOptionsType | None = None
    ) -> Iterator[Self]:
        """The cached contents that have not expired, page by page as they are asked for.

        Args:
            page_size: How many to ask for at once, 1 to 1000.
            client: By default the one that `configure` sets.
            request_options: Deadline, retries and metadata of each page's call.

        Raises:
            APIError: A call failed, when its page is asked for.

        >>> cache = CachedContent.create("gemini-pro", display_name="the tale", contents="A long tale.")
        >>> "the tale" in [cache.display_name for cache in CachedContent.list()]
        True
        """
        client = client or default_client()
        return client.iterate(_pages(cls, client, page_size, request_options))

    @classmethod
    def list_async(
        cls, page_size: int = 50, *, client: Client | None = None, request_options: RequestOptionsType | None = None
    ) -> AsyncIterator[Self]:
        """The async twin of `list`; read it with `async for`."""
        client = client or default_client()
        return client.iterate_async(_pages(cls, client, page_size, request_options))

    def update(
        self,
        *,
        ttl: TTLType | None = None,
        expire_time: ExpireTimeType | None = None,
        request_options: RequestOptionsType | None = None,
    ) -> None:
        """Let it expire at another time, and take on what the service then says of it.

        Args:
            ttl: How long it lives from now on, as `types.CachedContentOptions` says.
            expire_time: In place of `ttl`, when it expires.
            request_options: Deadline, retries and metadata of the call; it is tried again only after
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
        self._proto = self.client.call(_updating(self.name, ttl, expire_time, request_options))

    async def update_async(
        self,
        *,
        ttl: TTLType | None = None,
        expire_time: ExpireTimeType | None = None,
        request_options: RequestOptionsType | None = None,
    ) -> None:
        """The async twin of `update`."""
        self._proto = await self.client.call_async(_updating(self.name, ttl, expire_time, request_options))

    def delete(self, *, request_options: RequestOptionsType | None = None) -> None:
        """Delete it on the service before it expires; it is tried again only after ResourceExhausted.

        Raises:
            NotFound: It has expired, or was deleted before.
            APIError: The call failed otherwise.

        >>> CachedContent.create("gemini-pro", contents="A long tale.").delete()
        """
        self.client.call(_deleting(self.name, request_options))

    async def delete_async(self, *, request_options: RequestOptionsType | None = None) -> None:
        """The async twin of `delete`."""
        await self.client.call_async(_deleting(self.name, request_options))

    @classmethod
    def from_proto(cls, proto: protos.CachedContent, *, client: Client | None = None) -> Self:
        """The cached content that a message describes; nothing is sent.

        >>> CachedContent.from_proto(protos.CachedContent(name="cachedContents/abc")).name
        'cachedContents/abc'
        """
        made = cls.__new__(cls)
        made._proto, made._client = to_message(protos.CachedContent, proto), client
        return made

    def to_proto(self) -> protos.CachedContent:
        """The message, as the service sent it last."""
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
        """How much it holds: `total_token_count`, in tokens."""
        return self._proto.usage_metadata

    @property
    def create_time(self) -> datetime.datetime:
        """When it was created, in UTC."""
        return _moment(self._proto.create_time)

    @property
    def update_time(self) -> datetime.datetime:
        """When it was created or last updated, in UTC."""
        return _moment(self._proto.update_time)

    @property
    def expire_time(self) -> datetime.datetime:
        """When it expires, in UTC."""
        return _moment(self._proto.expire_time)

    def __repr__(self) -> str:
        return (
            f"CachedContent(name={self.name!r}, model={self.model!r}, display_name={self.display_name!r}, "
            f"total_token_count={self.usage_metadata.total_token_count}, create_time='{self.create_time}', "
            f"update_time='{self.update_time}', expire_time='{self.expire_time}')"
        )


def _creating(
    model: str, options: CachedContentOptions, request_options: RequestOptionsType | None
) -> Call[Any, Any, protos.CachedContent]:
    request = protos.CreateCachedContentRequest(cached_content=to_cached_content(model, **options))
    return Call(CREATE_CACHED_CONTENT, request, identity, to_options(request_options))


def _getting(name: str, request_options: RequestOptionsType | None) -> Call[Any, Any, protos.CachedContent]:
    request = protos.GetCachedContentRequest(name=to_cached_content_name(name))
    return Call(GET_CACHED_CONTENT, request, identity, to_options(request_options))


def _updating(
    name: str, ttl: TTLType | None, expire_time: ExpireTimeType | None, request_options: RequestOptionsType | None
) -> Call[Any, Any, protos.CachedContent]:
    expiration: dict[str, Any] = {**to_expiration(ttl, expire_time)}
    if not expiration:
        raise ValueError("only the expiry of a cached content can be updated; give ttl or expire_time")
    request = protos.UpdateCachedContentRequest(
        cached_content=protos.CachedContent(name=name, **expiration), update_mask=FieldMask(paths=[*expiration])
    )
    return Call(UPDATE_CACHED_CONTENT, request, identity, to_options(request_options))


def _deleting(name: str, request_options: RequestOptionsType | None) -> Call[Any, Any, Any]:
    return Call(
        DELETE_CACHED_CONTENT, protos.DeleteCachedContentRequest(name=name), identity, to_options(request_options)
    )


def _pages(
    kind: type[CachedContent], client: Client, page_size: int, request_options: RequestOptionsType | None
) -> Operation[None]:
    """The cached contents of every page (https://google.aip.dev/158)."""
    options = to_options(request_options)
    token = ""
    while True:
        request = protos.ListCachedContentsRequest(page_size=page_size, page_token=token)
        page: protos.ListCachedContentsResponse = yield Call(LIST_CACHED_CONTENTS, request, identity, options)
        yield Yield(tuple(kind.from_proto(item, client=client) for item in page.cached_contents))
        token = page.next_page_token
        if not token:
            return


def _moment(timestamp: Timestamp) -> datetime.datetime:
    from datetime import timezone

    return timestamp.ToDatetime(tzinfo=timezone.utc)
