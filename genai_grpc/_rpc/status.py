"""Between a gRPC status and an error, both ways: the client reads one, the local server writes one."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

from genai_grpc.errors import BY_NUMBER, APIError, Unknown

if TYPE_CHECKING:
    from collections.abc import Iterable

    import grpc
    from google.protobuf.message import Message

__all__ = ["DETAILS_KEY", "decode_details", "encode_details", "error_class", "parse_status"]

DETAILS_KEY: Final = "grpc-status-details-bin"
"""The trailing metadata that carries a `google.rpc.Status` (https://google.aip.dev/193)."""


def parse_status(
    code: grpc.StatusCode, message: str | None, trailing: Iterable[tuple[str, str | bytes]] | None
) -> APIError:
    """The error of a call's status, with its details decoded; never raises, whatever the details hold."""
    return error_class(code.value[0])(message or code.name, details=decode_details(trailing or ()))


def error_class(number: int) -> type[APIError]:
    """The class of a status code's errors.

    Where `google.api_core.exceptions` is loaded, it is a subclass of the class of that name there as well, so that a
    program which catches those goes on working. Nothing here depends on that package.
    """
    ours = BY_NUMBER.get(number, Unknown)
    theirs = getattr(sys.modules.get("google.api_core.exceptions"), ours.__name__, None)
    if theirs is None:
        return ours
    found = _JOINED.get(ours)
    if found is None:
        place = {"__module__": ours.__module__, "__qualname__": ours.__qualname__, "__doc__": ours.__doc__}
        found = _JOINED[ours] = type(theirs)(ours.__name__, (ours, theirs), place)
    return found


_JOINED: Final[dict[type[APIError], type[APIError]]] = {}


def decode_details(trailing: Iterable[tuple[str, str | bytes]]) -> tuple[Message, ...]:
    """The details in trailing metadata; those of a type we do not know stay `google.protobuf.Any`."""
    from google.protobuf.message import DecodeError

    from genai_grpc_protos.rpc import Status

    for key, value in trailing:
        if key == DETAILS_KEY and isinstance(value, bytes):
            try:
                return tuple(map(_unpack, Status.FromString(value).details))
            except DecodeError:
                return ()
    return ()


def _unpack(packed: Any) -> Message:
    from google.protobuf.message import DecodeError
    from google.protobuf.message_factory import GetMessageClass

    from genai_grpc_protos._pool import POOL

    try:
        descriptor = POOL.FindMessageTypeByName(packed.type_url.rpartition("/")[2])
        unpacked = GetMessageClass(descriptor)()
        unpacked.ParseFromString(packed.value)
    except (KeyError, DecodeError):
        unpacked = packed
    return unpacked


def encode_details(error: APIError) -> tuple[tuple[str, bytes], ...]:
    """The trailing metadata that says `error` with its details; empty if there are none."""
    from genai_grpc_protos.rpc import Status

    if not error.details:
        return ()
    status = Status(code=error.number, message=error.message)
    for detail in error.details:
        if detail.DESCRIPTOR.full_name == "google.protobuf.Any":
            status.details.add().ParseFromString(detail.SerializeToString())
        else:
            status.details.add().Pack(detail)
    return ((DETAILS_KEY, status.SerializeToString()),)
