"""Classification of what a program passes as a part, a turn or contents.

Each value is classified once, and parts are reduced to one of four forms (`PartSource`). From these, `content` builds
messages and `serialize` builds bytes.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, Final, Literal, TypeAlias

from google.protobuf.message import Message

from genai_grpc import protos as gemini
from genai_grpc._coerce.media import BlobData, image_to_blob, path_to_blob
from genai_grpc._services.messages import GEMINI, Protos
from genai_grpc_protos._by_name import where_else
from genai_grpc_protos._convert import as_message, field_of, to_message

__all__ = ["ACCEPTED", "Kind", "PartSource", "classify", "is_empty", "part_fields", "part_message", "to_part_source"]

ACCEPTED: Final = "a str, an image, a Path, a Blob, a FileData, a File, a Part or a dict of one of these"

# Text, a Blob before or after its data was copied into a message, or any other part. A str, a Blob and a Part are the
# caller's own objects.
PartSource: TypeAlias = "str | BlobData | gemini.Blob | gemini.Part"

BYTES: Final = (bytes, bytearray, memoryview)


@cache
def part_fields_of(protos: Protos) -> Mapping[str, str]:
    """The messages that a Part can hold, and the field for each."""
    fields = protos.Part.DESCRIPTOR.oneofs_by_name["data"].fields
    return {field.message_type.name: field.name for field in fields if field.message_type is not None}


# What a value is. A turn is a Content or a dict of one; "other" is an image or an unsupported value.
# Literals, since reading an Enum's member takes 0.1 µs in Python 3.11.
Kind: TypeAlias = Literal["text", "bytes", "path", "dict", "message", "turn", "sequence", "other"]

# The most frequent types, without the isinstance checks below; the classes of messages are added when they are met.
_EXACT_TYPES: Final[dict[type, Kind]] = {str: "text", list: "sequence", tuple: "sequence"}


def classify(value: Any) -> tuple[Kind, Any]:
    """Return the kind of a value, and the value; a proto-plus object is replaced by the message in it."""
    if (kind := _EXACT_TYPES.get(type(value))) is not None:
        return kind, value
    if isinstance(value, (dict, Mapping)):
        return "turn" if "parts" in value else "dict", value
    if isinstance(value, str):
        return "text", value
    if (message := as_message(value)) is not None:
        found: Kind = "turn" if message.DESCRIPTOR.name == "Content" else "message"
        if message is value:
            _EXACT_TYPES[type(value)] = found
        return found, message
    if isinstance(value, os.PathLike):
        return "path", value
    if isinstance(value, BYTES):
        return "bytes", value
    return "sequence" if isinstance(value, Iterable) else "other", value


def is_empty(value: Any) -> bool:
    """Whether a value that `classify` returned has nothing to send."""
    # Not `value == ""`: a repeated field of the pure Python runtime cannot be compared with a str.
    if isinstance(value, Message):
        return not value.ListFields()
    return value is None or (isinstance(value, (str, bytes, Mapping)) and not value)


def to_part_source(kind: Kind, value: Any, protos: Protos = GEMINI) -> PartSource:
    """Reduce a classified value to the source of a part, whose messages are of `protos`.

    Raises:
        TypeError: The value is not supported as a part.
        ValueError: A dict has unknown keys; an image or file cannot be read.
    """
    match kind:
        case "text":
            text: str = value
            return text
        case "message":
            return _from_message(value, protos)
        case "dict":
            return _from_dict(value, protos)
        case "path":
            return path_to_blob(value)
        case "turn":
            raise TypeError("a turn (Content) cannot be a part; pass a list of turns only, or of parts only")
    if hasattr(value, "to_proto"):  # a types.File
        return to_part_source(*classify(value.to_proto()), protos)
    if (image := image_to_blob(value)) is not None:
        return image
    hint = " (bytes need their MIME type: {'mime_type': ..., 'data': ...})" if kind == "bytes" else ""
    raise TypeError(f"cannot make a Part from {type(value).__name__}; pass {ACCEPTED}{hint}")


def part_message(source: PartSource, protos: Protos = GEMINI) -> gemini.Part:
    """Build the message of a part; a Part is returned as it is."""
    return source if isinstance(source, protos.Part) else protos.Part(**part_fields(source))


def part_fields(source: Any) -> dict[str, Any]:
    """Return the arguments of the Part to build, from a source that is no Part."""
    match source:
        case str():
            return {"text": source}
        case BlobData(mime_type=mime_type, data=data):
            return {"inline_data": {"mime_type": mime_type, "data": data}}
        case _:
            return {"inline_data": source}


def _from_message(message: Any, protos: Protos) -> PartSource:
    name = message.DESCRIPTOR.name
    if name == "Part":
        return to_message(protos.Part, message)
    if name == "Blob":
        return to_message(protos.Blob, message)
    if name == "File":
        return protos.Part(file_data=protos.FileData(mime_type=message.mime_type, file_uri=message.uri))
    if (field := part_fields_of(protos).get(name)) is not None:
        return to_message(protos.Part, {field: message})
    raise TypeError(f"cannot make a Part from {name}; pass {ACCEPTED}")


def _from_dict(value: Mapping[str, Any], protos: Protos) -> PartSource:
    mime_type, data = value.get("mime_type"), value.get("data")
    if len(value) == 2 and isinstance(mime_type, str) and isinstance(data, bytes):
        return BlobData(mime_type, data)
    if _is_blob(value):
        return to_message(protos.Blob, value)
    fields = {field_of(protos.Part, key) or str(key): item for key, item in value.items() if item is not None}
    if "file_uri" in value and value.keys() <= {"file_uri", "mime_type"}:
        return protos.Part(file_data=to_message(protos.FileData, value))
    if not fields.keys() & set(protos.Part.DESCRIPTOR.fields_by_name):
        to_message(protos.Part, {key: item for key, item in fields.items() if where_else(protos.Part.DESCRIPTOR, key)})
        raise ValueError(
            f"cannot tell what the dict with the keys {sorted(map(str, value))} is: a Content has 'parts', "
            "a Part 'text', 'inline_data' or another field of Part, a Blob 'mime_type' and 'data', "
            "an uploaded file 'file_uri' and 'mime_type'"
        )
    if isinstance(blob := fields.get("inline_data"), Mapping) and not _is_blob(blob):
        raise ValueError(f"Part.inline_data has 'mime_type' and 'data'; got the keys {sorted(map(str, blob))}")
    if isinstance(file := fields.get("file_data"), Mapping) and _is_file(file):
        fields["file_data"] = to_message(GEMINI.File, file)
    # These fields accept what is accepted as a part on its own: an image, a Path, a File.
    for field in "inline_data", "file_data":
        if field in fields and not isinstance(fields[field], Mapping):
            fields[field] = _to_part_field(field, fields[field], protos)
    return to_message(protos.Part, fields)


def _to_part_field(field: str, value: object, protos: Protos) -> Any:
    part = part_message(to_part_source(*classify(value), protos), protos)
    if part.WhichOneof("data") != field:
        name = "Blob" if field == "inline_data" else "FileData"
        raise TypeError(f"Part.{field}: cannot make a {name} from {type(value).__name__}")
    return getattr(part, field)


def _is_blob(value: Mapping[str, Any]) -> bool:
    return {"mime_type", "data"} <= {field_of(GEMINI.Blob, key) for key in value}


def _is_file(value: Mapping[str, Any]) -> bool:
    """Whether a dict is of a File rather than of a FileData: it names the URI as a File does."""
    return "uri" in value and not any(field_of(GEMINI.FileData, key) == "file_uri" for key in value)
