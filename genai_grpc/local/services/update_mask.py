"""Updates of resources by a field mask (https://google.aip.dev/134)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from google.protobuf.message import Message

from genai_grpc.errors import InvalidArgument
from genai_grpc_protos.protobuf import FieldMask

__all__ = ["apply_update"]


def apply_update(resource: Message, update: Message, mask: FieldMask, mutable: Sequence[str]) -> None:
    """Set the fields of a resource that a mask names; without a mask, those that the update has.

    Args:
        resource: The resource, which is changed.
        update: A message of the same type, with the new values.
        mask: The mask; "*" stands for all fields that can be updated.
        mutable: The fields that can be updated.

    Raises:
        InvalidArgument: The mask names another field, or nothing is to be updated.
    """
    paths = list(mask.paths) or [field.name for field, _ in update.ListFields() if field.name in mutable]
    if paths == ["*"]:
        paths = list(mutable)
    if not paths:
        raise InvalidArgument(f"nothing is to be updated; set one of {', '.join(mutable)}, and name it in update_mask")
    for path in paths:
        if path not in mutable:
            raise InvalidArgument(f"update_mask names {path!r}; what can be updated is {', '.join(mutable)}")
        _copy_field(resource, update, path)


def _copy_field(resource: Any, update: Any, field: str) -> None:
    resource.ClearField(field)
    descriptor = resource.DESCRIPTOR.fields_by_name[field]
    value = getattr(update, field)
    if hasattr(value, "extend"):
        getattr(resource, field).extend(value)
    elif descriptor.message_type is not None:
        if update.HasField(field):
            getattr(resource, field).CopyFrom(value)
    elif not descriptor.has_presence or update.HasField(field):
        setattr(resource, field, value)
