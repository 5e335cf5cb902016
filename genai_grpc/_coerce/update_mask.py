"""Updates of resources: dicts with dotted paths, and differences of messages, as a message and a field mask."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from genai_grpc_protos._convert import to_message
from genai_grpc_protos.protobuf import FieldMask

__all__ = ["changed_fields", "flatten", "to_update"]


def flatten(updates: Mapping[str, Any]) -> dict[str, Any]:
    """Values by dotted path.

    >>> flatten({"tuning_task": {"hyperparameters": {"epoch_count": 5}}, "top_k": 3})
    {'tuning_task.hyperparameters.epoch_count': 5, 'top_k': 3}
    """
    flat: dict[str, Any] = {}
    for key, value in updates.items():
        if isinstance(value, Mapping):
            flat |= {f"{key}.{path}": item for path, item in flatten(value).items()}
        else:
            flat[key] = value
    return flat


def to_update(message_type: Any, name: str, updates: Any) -> tuple[Any, FieldMask]:
    """The message with the new values of a resource, and the mask of their paths.

    Args:
        message_type: The class of the message.
        name: The resource name.
        updates: Values by field, or by dotted path.

    Raises:
        TypeError: `updates` is no dict, or a value is of the wrong type.
        ValueError: It is empty, or names an unknown field.

    >>> from genai_grpc import protos
    >>> message, mask = to_update(protos.Corpus, "corpora/tales", {"display_name": "Tales"})
    >>> message.display_name, list(mask.paths)
    ('Tales', ['display_name'])
    """
    if not isinstance(updates, Mapping):
        raise TypeError(f"updates is a dict of fields and their values; got {type(updates).__name__}")
    if not updates:
        raise ValueError("updates is empty; name a field and its new value")
    nested: dict[str, Any] = {"name": name}
    for path, value in flatten(updates).items():
        *parents, last = path.split(".")
        target = nested
        for parent in parents:
            target = target.setdefault(parent, {})
        target[last] = value
    return to_message(message_type, nested), FieldMask(paths=list(flatten(updates)))


def changed_fields(before: Any, after: Any) -> FieldMask:
    """The mask of the fields in which two messages of one type differ."""
    fields = before.DESCRIPTOR.fields
    return FieldMask(paths=[field.name for field in fields if _differ(before, after, field)])


def _differ(before: Any, after: Any, field: Any) -> bool:
    if field.has_presence and before.HasField(field.name) != after.HasField(field.name):
        return True
    return bool(getattr(before, field.name) != getattr(after, field.name))
