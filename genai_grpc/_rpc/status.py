"""gRPC status to error, and error to status: the client parses statuses, the local server writes them."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from google.protobuf.message import DecodeError, Message

from genai_grpc._rpc.secret import mask, mask_bytes
from genai_grpc.errors import BY_NUMBER, APIError, Unknown
from genai_grpc_protos._pool import message_class
from genai_grpc_protos.rpc import Status

if TYPE_CHECKING:
    import grpc

__all__ = ["DETAILS_KEY", "decode_details", "encode_details", "error_class", "parse_status", "unpack"]

DETAILS_KEY: Final = "grpc-status-details-bin"
"""The trailing metadata key of a serialized `google.rpc.Status` (https://google.aip.dev/193)."""


def parse_status(
    code: grpc.StatusCode,
    message: str | None,
    trailing: Iterable[tuple[str, str | bytes]] | None,
    secrets: Iterable[str] = (),
) -> APIError:
    """The error of a status, with decoded details. Never raises, whatever the details contain.

    Args:
        code: The status code.
        message: The status message.
        trailing: The trailing metadata.
        secrets: The keys and tokens that the call sent, which are masked wherever the server repeats them.
    """
    details = decode_details(trailing or (), secrets)
    return error_class(code.value[0])(mask(message or code.name, secrets), details=details)


def error_class(number: int) -> type[APIError]:
    """The error class of a status code.

    If `google.api_core.exceptions` is loaded, the class also derives from the class of the same name there, so that
    existing `except` clauses keep working. This package does not depend on it.
    """
    cls = BY_NUMBER.get(number, Unknown)
    api_core_class = getattr(sys.modules.get("google.api_core.exceptions"), cls.__name__, None)
    if api_core_class is None:
        return cls
    joined = _JOINED.get(cls)
    if joined is None:
        namespace = {"__module__": cls.__module__, "__qualname__": cls.__qualname__, "__doc__": cls.__doc__}
        joined = _JOINED[cls] = type(api_core_class)(cls.__name__, (cls, api_core_class), namespace)
    return joined


_JOINED: Final[dict[type[APIError], type[APIError]]] = {}


def decode_details(trailing: Iterable[tuple[str, str | bytes]], secrets: Iterable[str] = ()) -> tuple[Message, ...]:
    """The details in trailing metadata, without secrets; a detail of an unknown type stays a `google.protobuf.Any`."""
    for key, value in trailing:
        if key == DETAILS_KEY and isinstance(value, bytes):
            try:
                return tuple(map(unpack, Status.FromString(mask_bytes(value, secrets)).details))
            except DecodeError:
                return ()
    return ()


def unpack(packed: Any) -> Message:
    """The message of an Any; the Any itself if its type is unknown or its bytes are damaged."""
    unpacked: Message
    try:
        unpacked = message_class(packed.type_url.rpartition("/")[2])()
        unpacked.ParseFromString(packed.value)
    except (KeyError, DecodeError):
        unpacked = packed
    return unpacked


def encode_details(error: APIError) -> tuple[tuple[str, bytes], ...]:
    """The trailing metadata with an error's details; empty if it has none."""
    if not error.details:
        return ()
    status = Status(code=error.number, message=error.message)
    for detail in error.details:
        if detail.DESCRIPTOR.full_name == "google.protobuf.Any":
            status.details.add().ParseFromString(detail.SerializeToString())
        else:
            status.details.add().Pack(detail)
    return ((DETAILS_KEY, status.SerializeToString()),)
