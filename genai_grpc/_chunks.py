"""Chunks: the passages of a document that are found."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from genai_grpc import protos, types
from genai_grpc._coerce.enums import to_state
from genai_grpc._coerce.settings import to_options
from genai_grpc._coerce.update_mask import flatten
from genai_grpc._responses.times import to_datetime
from genai_grpc._rpc.call import Call
from genai_grpc._self import Self
from genai_grpc._services.generative_language import method
from genai_grpc.client import Client, async_transport, default_client, sync_transport
from genai_grpc.types._metadata import ChunkData, CustomMetadata, to_custom_metadata
from genai_grpc_protos.protobuf import FieldMask

__all__ = ["Chunk", "to_child", "to_chunk", "to_update_request"]


@dataclass
class Chunk:
    """A passage of a document, which is found by its meaning.

    Attributes:
        name: The resource name, `corpora/…/documents/…/chunks/…`.
        data: Its content.
        custom_metadata: Its metadata.
        state: A `protos.Chunk.State`: ACTIVE for one that is found.
        create_time: When it was created, in UTC.
        update_time: When it was last changed, in UTC.

    >>> Chunk("corpora/tales/documents/alice/chunks/1", "Down the rabbit-hole").data.string_value
    'Down the rabbit-hole'
    """

    name: str
    data: ChunkData | str
    custom_metadata: list[CustomMetadata] | None = None
    state: Any = protos.Chunk.State.STATE_UNSPECIFIED
    create_time: datetime.datetime | None = None
    update_time: datetime.datetime | None = None
    _client: Client | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        self.data = ChunkData(self.data) if isinstance(self.data, str) else self.data
        self.custom_metadata = list(map(CustomMetadata.from_proto, to_custom_metadata(self.custom_metadata)))
        self.state = to_state(self.state)

    @classmethod
    def from_proto(cls, proto: protos.Chunk, *, client: Client | None = None) -> Self:
        """The chunk of a message."""
        return cls(
            proto.name,
            proto.data.string_value,
            [CustomMetadata.from_proto(each) for each in proto.custom_metadata],
            proto.state,
            to_datetime(proto.create_time),
            to_datetime(proto.update_time),
            client,
        )

    def to_proto(self) -> protos.Chunk:
        """The message, without what the service sets."""
        return to_chunk({"name": self.name, "data": self.data, "custom_metadata": self.custom_metadata})

    def to_dict(self) -> dict[str, Any]:
        """The name, the data and the metadata."""
        metadata = [{"key": each.key, "value": each.value} for each in self.custom_metadata or ()]
        return {"name": self.name, "data": {"string_value": _text_of(self.data)}, "custom_metadata": metadata}

    def update(
        self,
        updates: Mapping[str, Any],
        client: Client | None = None,
        request_options: types.RequestOptionsType | None = None,
    ) -> Chunk:
        """Change its text or its metadata; the object has the new values then.

        Args:
            updates: New values of `data` or `custom_metadata`.
            client: By default the one that it came from.
            request_options: Timeouts, retry policy and metadata of the call.

        Raises:
            ValueError: Nothing, or another field, is to be changed.
            APIError: The call failed.
        """
        return sync_transport(self._owner(client)).call(self._update_call(updates, request_options))

    async def update_async(
        self,
        updates: Mapping[str, Any],
        client: Client | None = None,
        request_options: types.RequestOptionsType | None = None,
    ) -> Chunk:
        """The async twin of `update`."""
        return await async_transport(self._owner(client)).call(self._update_call(updates, request_options))

    def delete(
        self,
        client: Client | None = None,
        request_options: types.RequestOptionsType | None = None,
    ) -> None:
        """Delete it.

        Raises:
            NotFound: There is none of that name.
            APIError: The call failed otherwise.
        """
        sync_transport(self._owner(client)).call(self._delete_call(request_options))

    async def delete_async(
        self,
        client: Client | None = None,
        request_options: types.RequestOptionsType | None = None,
    ) -> None:
        """The async twin of `delete`."""
        await async_transport(self._owner(client)).call(self._delete_call(request_options))

    def _owner(self, client: Client | None) -> Client:
        return client or self._client or default_client()

    def _update_call(self, updates: Mapping[str, Any], request_options: Any) -> Call[Any, Any, Chunk]:
        def parse(reply: Any) -> Chunk:
            changed = type(self).from_proto(reply[0], client=self._client)
            vars(self).update(vars(changed))
            return self

        request = to_update_request(self.name, updates)
        return Call(method("RetrieverService.UpdateChunk"), request, parse, to_options(request_options))

    def _delete_call(self, request_options: Any) -> Call[Any, Any, None]:
        request = protos.DeleteChunkRequest(name=self.name)
        return Call(method("RetrieverService.DeleteChunk"), request, lambda _: None, to_options(request_options))


def to_chunk(value: Any, document: str = "") -> protos.Chunk:
    """The message of a chunk: a Chunk, a message, its text, or a dict of `data` and perhaps `name` and metadata.

    Args:
        value: The chunk.
        document: The name of its document, for a bare name.

    Raises:
        TypeError: It is of another type.
    """
    if isinstance(value, Chunk):
        return value.to_proto()
    if isinstance(value, protos.Chunk):
        return value
    if isinstance(value, (str, ChunkData)):
        value = {"data": value}
    if not isinstance(value, Mapping) or "data" not in value:
        raise TypeError(f"a chunk is a str, a Chunk or a dict with 'data'; got {type(value).__name__}")
    name = value.get("name") or ""
    return protos.Chunk(
        name=f"{document}/chunks/{name}" if name and "/" not in name else name,
        data=protos.ChunkData(string_value=_text_of(value["data"])),
        custom_metadata=to_custom_metadata(value.get("custom_metadata")),
    )


def to_update_request(name: str, updates: Mapping[str, Any]) -> protos.UpdateChunkRequest:
    """The request that changes one chunk.

    Raises:
        ValueError: Nothing, or another field, is to be changed.
    """
    paths = {path.partition(".")[0] for path in flatten(updates)}
    if not paths or not paths <= {"data", "custom_metadata"}:
        raise ValueError(f"the data and the custom_metadata of a chunk can be changed; got {sorted(updates)}")
    chunk = protos.Chunk(name=name)
    if "data" in paths:
        chunk.data.string_value = _text_of(updates.get("data", updates.get("data.string_value")))
    chunk.custom_metadata.extend(to_custom_metadata(updates.get("custom_metadata")))
    return protos.UpdateChunkRequest(chunk=chunk, update_mask=FieldMask(paths=sorted(paths)))


def _text_of(data: Any) -> str:
    if isinstance(data, str):
        return data
    text = data.get("string_value") if isinstance(data, Mapping) else getattr(data, "string_value", None)
    if not isinstance(text, str):
        raise TypeError(f"the data of a chunk is a str, or a ChunkData; got {type(data).__name__}")
    return text


def to_child(parent: str, collection: str, name: Any) -> str:
    """The full name of a child, for its name or the last part of it."""
    return name if "/" in name else f"{parent}/{collection}/{name}"
