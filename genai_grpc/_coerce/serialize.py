"""Contents to the bytes of a request, where messages would be made only to be serialized.

Fields may be serialized apart and joined (https://protobuf.dev/programming-guides/encoding/): text is framed as
it is, and what a blob holds is copied once, into the request. Whatever is not text or a blob is made a message first.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any, Final

from genai_grpc import protos
from genai_grpc._coerce.content import is_content, is_empty, is_sequence, to_contents, to_part
from genai_grpc._coerce.media import image_to_blob, path_to_blob

__all__ = ["serialize_contents", "serialize_turn"]


def serialize_contents(value: object) -> list[bytes]:
    """The field `contents` of a request, in pieces to be joined: what `to_contents` makes of `value`, serialized.

    Raises:
        TypeError: As `to_contents` does.
        ValueError: As `to_contents` does.

    >>> protos.GenerateContentRequest.FromString(b"".join(frame_contents("Hi"))).contents[0].parts[0].text
    'Hi'
    """
    if type(value) is str and value:  # as most are: what is below would come to the same
        text = value.encode()
        before = _TEXT + _varint(len(text))
        before = _PARTS + _varint(len(before) + len(text)) + before
        return [_CONTENTS + _varint(len(before) + len(text) + len(_USER)) + before, text, _USER]
    if not is_sequence(value):
        if isinstance(value, (os.PathLike, Mapping)) and not is_content(value) and not is_empty(value):
            return _framed(_CONTENTS, [*_part(value), _USER])
        return _turns(to_contents(value))
    items = list(value)
    if not all(map(is_content, items)):
        return _framed(_CONTENTS, [piece for item in items for piece in _part(item)] + [_USER])
    # The turns of a conversation: each is serialized as it is now, so that what was edited is sent as edited.
    return _turns(to_contents(items))


def serialize_turn(turn: protos.Content) -> bytes:
    """One turn as an element of the field `contents` of a request."""
    data = turn.SerializeToString()
    return _CONTENTS + _varint(len(data)) + data


def _turns(contents: Iterable[protos.Content]) -> list[bytes]:
    return list(map(serialize_turn, contents))


def _part(value: object) -> list[bytes]:
    """A part as an element of `Content.parts`, in pieces."""
    if type(value) is str:
        return _framed(_PARTS, _framed(_TEXT, [value.encode()]))
    if (blob := _blob(value)) is not None:
        return _framed(_PARTS, _framed(_INLINE_DATA, blob))
    return _framed(_PARTS, [to_part(value).SerializeToString()])


def _blob(value: Any) -> list[bytes] | None:
    """A Blob in pieces, its data among them as it is; None if `value` is something else."""
    if isinstance(value, Mapping):
        mime_type, data = value.get("mime_type"), value.get("data")
        if len(value) == 2 and isinstance(mime_type, str) and isinstance(data, bytes):
            return [*_framed(_MIME_TYPE, [mime_type.encode()]), *_framed(_DATA, [data])]
        return None
    if isinstance(value, protos.Blob):
        return [value.SerializeToString()]
    found = path_to_blob(value) if isinstance(value, os.PathLike) else image_to_blob(value)
    return None if found is None else [found.SerializeToString()]


def _framed(tag: bytes, pieces: list[bytes]) -> list[bytes]:
    """A field of these bytes: its tag, their length, and they themselves."""
    return [tag + _varint(sum(map(len, pieces))), *pieces]


def _varint(number: int) -> bytes:
    """A number in groups of seven bits, the lowest first, all but the last with the high bit set."""
    if number < 0x80:
        return _SHORT[number]
    groups = bytearray()
    while number > 0x7F:
        groups.append(number & 0x7F | 0x80)
        number >>= 7
    groups.append(number)
    return bytes(groups)


def _tag(message: Any, field: str) -> bytes:
    """The tag of a field whose length is told: its number and wire type 2."""
    return _varint(message.DESCRIPTOR.fields_by_name[field].number << 3 | 2)


_SHORT: Final = [bytes([number]) for number in range(0x80)]
_CONTENTS: Final = _tag(protos.GenerateContentRequest, "contents")
_PARTS: Final = _tag(protos.Content, "parts")
_TEXT: Final = _tag(protos.Part, "text")
_INLINE_DATA: Final = _tag(protos.Part, "inline_data")
_MIME_TYPE: Final = _tag(protos.Blob, "mime_type")
_DATA: Final = _tag(protos.Blob, "data")
_USER: Final = protos.Content(role="user").SerializeToString()
