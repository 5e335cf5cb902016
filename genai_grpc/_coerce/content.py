"""Parts, turns and conversations."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeGuard

from genai_grpc import protos
from genai_grpc._coerce.media import image_to_blob, path_to_blob
from genai_grpc._coerce.messages import as_message, field_of, to_message

__all__ = [
    "is_content",
    "is_empty",
    "is_sequence",
    "to_content",
    "to_contents",
    "to_part",
    "to_system_instruction",
]

PARTS: Final = "a str, an image, a Path, a Blob, a FileData, a File, a Part or a dict of one of these"

BYTES: Final = (bytes, bytearray, memoryview)

# The messages that a Part can hold, by name, and the field that holds each.
HELD: Final = {
    "Blob": "inline_data",
    "FileData": "file_data",
    "FunctionCall": "function_call",
    "FunctionResponse": "function_response",
    "ExecutableCode": "executable_code",
    "CodeExecutionResult": "code_execution_result",
}
HOLDS: Final = {field: name for name, field in HELD.items()}


def to_contents(value: object) -> list[protos.Content]:
    """The turns of a conversation.

    An iterable whose items are all Contents, or dicts of Contents, is turns; anything else is one turn, and an
    iterable its parts. A last turn without a role becomes the user's.

    Raises:
        TypeError: There is nothing in it, or an item of which no Part can be made.
        ValueError: A dict with unknown keys; an image or file that cannot be read.

    >>> [turn.role for turn in to_contents([{"role": "user", "parts": "Hi"}, {"role": "model", "parts": "Hello"}])]
    ['user', 'model']
    >>> len(to_contents(["What is in", "these two parts?"])[0].parts)
    2
    """
    if is_empty(value):
        raise TypeError(f"contents must not be empty; pass {PARTS}, or a list of parts or of turns")
    if is_sequence(value):
        items = list(value)
        if not items:
            raise TypeError(f"contents must not be empty; pass {PARTS}, or a list of parts or of turns")
        turns = [to_content(item) for item in items] if all(map(is_content, items)) else [to_content(items)]
    else:
        turns = [to_content(value)]
    if not turns[-1].role:
        turns[-1] = protos.Content(role="user", parts=turns[-1].parts)
    return turns


def to_content(value: object) -> protos.Content:
    """One turn, its role left empty where none is given.

    Raises:
        TypeError: It is empty, or no Content can be made of it.
        ValueError: A dict with unknown keys; an image or file that cannot be read.
    """
    if is_empty(value):
        raise TypeError(f"a turn must not be empty; pass {PARTS}, or a list of them")
    match value:
        case protos.Content():
            return value
        case Mapping() if "parts" in value:
            return _dict_to_content(value)
    if (message := as_message(value)) is not None and message.DESCRIPTOR.name == "Content":
        return to_message(protos.Content, message)
    if is_sequence(value):
        parts = [to_part(item) for item in value]
        if not parts:
            raise TypeError(f"a turn must not be empty; pass {PARTS}, or a list of them")
        return protos.Content(parts=parts)
    return protos.Content(parts=[to_part(value)])


def to_part(value: object) -> protos.Part:
    """One part.

    Raises:
        TypeError: No Part can be made of it.
        ValueError: A dict with unknown keys; an image or file that cannot be read.
    """
    match value:
        case protos.Part():
            return value
        case str():
            return protos.Part(text=value)
        case os.PathLike():
            return protos.Part(inline_data=path_to_blob(value))
        case _ if is_content(value):
            raise TypeError("a turn (Content) cannot be a part; pass a list of turns only, or of parts only")
        case Mapping():
            return _dict_to_part(value)
    if (message := as_message(value)) is not None:
        return _message_to_part(message)
    if (blob := image_to_blob(value)) is not None:
        return protos.Part(inline_data=blob)
    hint = " (bytes need their MIME type: {'mime_type': ..., 'data': ...})" if isinstance(value, BYTES) else ""
    raise TypeError(f"cannot make a Part from {type(value).__name__}; pass {PARTS}{hint}")


def to_system_instruction(value: object) -> protos.Content | None:
    """The system instruction: a turn without a role, or None."""
    return None if value is None else to_content(value)


def _dict_to_content(value: Mapping[str, Any]) -> protos.Content:
    parts = value["parts"]
    # A single part is as good as a list of one.
    made = [to_part(part) for part in parts] if is_sequence(parts) else [to_part(parts)]
    rest = {key: item for key, item in value.items() if key != "parts"}
    content = to_message(protos.Content, rest)
    content.parts.extend(made)
    return content


def _dict_to_part(value: Mapping[str, Any]) -> protos.Part:
    if _is_blob(value):
        return protos.Part(inline_data=to_message(protos.Blob, value))
    made = {field_of(protos.Part, key) or key: item for key, item in value.items() if item is not None}
    if not made.keys() & protos.Part.DESCRIPTOR.fields_by_name.keys():
        raise ValueError(
            f"cannot tell what the dict with the keys {sorted(map(str, value))} is: a Content has 'parts', "
            "a Part 'text', 'inline_data' or another field of Part, a Blob 'mime_type' and 'data'"
        )
    # What a dict holds may be what a person would pass alone: an image, a Path, a File.
    if isinstance(blob := made.get("inline_data"), Mapping) and not _is_blob(blob):
        raise ValueError(f"Part.inline_data has 'mime_type' and 'data'; got the keys {sorted(map(str, blob))}")
    if isinstance(link := made.get("file_data"), Mapping) and _is_file(link):
        made["file_data"] = to_message(protos.File, link)
    for field in "inline_data", "file_data":
        if field in made and not isinstance(made[field], Mapping):
            part = to_part(made[field])
            if part.WhichOneof("data") != field:
                raise TypeError(f"Part.{field}: cannot make a {HOLDS[field]} from {type(made[field]).__name__}")
            made[field] = getattr(part, field)
    return to_message(protos.Part, made)


def _is_blob(value: Mapping[str, Any]) -> bool:
    return {"mime_type", "data"} <= {field_of(protos.Blob, key) for key in value}


def _is_file(value: Mapping[str, Any]) -> bool:
    """Whether a dict is a File's rather than a FileData's: it has a URI, under the name that a File has for it."""
    return "uri" in value and not any(field_of(protos.FileData, key) == "file_uri" for key in value)


def _message_to_part(message: Any) -> protos.Part:
    name = message.DESCRIPTOR.name
    if name == "Part":
        return to_message(protos.Part, message)
    if name == "File":
        file = to_message(protos.File, message)
        return protos.Part(file_data=protos.FileData(mime_type=file.mime_type, file_uri=file.uri))
    if name in HELD:
        return to_message(protos.Part, {HELD[name]: message})
    raise TypeError(f"cannot make a Part from {name}; pass {PARTS}")


def is_content(value: object) -> bool:
    """Whether `value` is a turn, as a message or a dict."""
    if isinstance(value, Mapping):
        return "parts" in value
    message = as_message(value)
    return message is not None and message.DESCRIPTOR.name == "Content"


def is_empty(value: object) -> bool:
    """Whether there is nothing in `value` to send."""
    if (message := as_message(value)) is not None:
        return not message.ListFields()
    # Not `value == ""`: a repeated field of the pure Python runtime refuses to be compared with a str.
    return value is None or (isinstance(value, (str, bytes, Mapping)) and not value)


def is_sequence(value: object) -> TypeGuard[Iterable[object]]:
    """Whether `value` is an iterable of parts or turns rather than one of them."""
    if isinstance(value, (str, Mapping, *BYTES)) or as_message(value) is not None:
        return False
    return isinstance(value, Iterable)
