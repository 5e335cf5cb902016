"""Uploaded files."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any, TypeAlias

from genai_grpc import protos
from genai_grpc._responses.times import to_datetime
from genai_grpc._rpc.call import Call
from genai_grpc._services.generative_language import method
from genai_grpc.client import Client, async_transport, default_client, sync_transport
from genai_grpc.types._runtime import TypedDict
from genai_grpc_protos._convert import to_message
from genai_grpc_protos.rpc import Status

__all__ = ["File", "FileDataDict", "FileDataType"]


class File:
    """An uploaded file, to be passed as a part. Its attributes are the fields of `protos.File`.

    Args:
        proto: The message, a dict of its fields, or another File.
        client: The one that `delete` calls; by default the one that `configure` sets.

    >>> File({"name": "files/clip", "mime_type": "video/mp4", "state": "ACTIVE"}).mime_type
    'video/mp4'
    """

    def __init__(self, proto: protos.File | File | Mapping[str, Any], *, client: Client | None = None) -> None:
        self._proto = proto.to_proto() if isinstance(proto, File) else to_message(protos.File, proto)
        self._client = client

    def to_proto(self) -> protos.File:
        """Return the message."""
        return self._proto

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON-ready values, defaults included."""
        from genai_grpc_protos._json import to_json_dict  # json_format takes 50 ms

        return to_json_dict(self._proto, always_print_fields_with_no_presence=True, preserving_proto_field_name=True)

    @property
    def name(self) -> str:
        """The resource name, `files/…`."""
        return self._proto.name

    @property
    def display_name(self) -> str:
        """The name for people."""
        return self._proto.display_name

    @property
    def mime_type(self) -> str:
        """The MIME type."""
        return self._proto.mime_type

    @property
    def size_bytes(self) -> int:
        """The size in bytes."""
        return self._proto.size_bytes

    @property
    def create_time(self) -> datetime.datetime | None:
        """When it was created, in UTC; None if that is unknown."""
        return self._time("create_time")

    @property
    def update_time(self) -> datetime.datetime | None:
        """When it was last changed, in UTC; None if that is unknown."""
        return self._time("update_time")

    @property
    def expiration_time(self) -> datetime.datetime | None:
        """When it will be deleted, in UTC; None if it will not."""
        return self._time("expiration_time")

    @property
    def sha256_hash(self) -> bytes:
        """The SHA-256 hash of the content."""
        return self._proto.sha256_hash

    @property
    def uri(self) -> str:
        """The URI that a FileData refers to."""
        return self._proto.uri

    @property
    def state(self) -> Any:
        """Whether the service has processed it: a value of `protos.File.State`."""
        return self._proto.state

    @property
    def video_metadata(self) -> protos.VideoFileMetadata:
        """The metadata of a video; empty for other files."""
        return self._proto.video_metadata

    @property
    def error(self) -> Status:
        """Why processing failed; empty if it did not."""
        return self._proto.error

    def delete(self) -> None:
        """Delete the file; raises as `genai.delete_file`."""
        sync_transport(self._client or default_client()).call(self._delete_call())

    async def delete_async(self) -> None:
        """The async twin of `delete`."""
        await async_transport(self._client or default_client()).call(self._delete_call())

    def _delete_call(self) -> Call[Any, Any, None]:
        return Call(method("FileService.DeleteFile"), protos.DeleteFileRequest(name=self.name), lambda _: None)

    def _time(self, field: str) -> datetime.datetime | None:
        message: Any = self._proto
        return to_datetime(getattr(message, field)) if message.HasField(field) else None

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={value!r}" for name, value in self.to_dict().items())
        return f"File({fields})"


class FileDataDict(TypedDict):
    """A FileData as a dict.

    >>> from genai_grpc import GenerativeModel
    >>> clip: FileDataDict = {"mime_type": "video/mp4", "file_uri": "https://example.com/files/clip"}
    >>> len(GenerativeModel().build_request([{"file_data": clip}]).contents[0].parts)
    1
    """

    mime_type: str
    file_uri: str


FileDataType: TypeAlias = protos.FileData | protos.File | FileDataDict | File
