"""Contents as the bytes of a request, without a message where it would be built only to be serialized.

Fields may be serialized apart and joined (https://protobuf.dev/programming-guides/encoding/). Text is written as it is,
and the data of a blob is copied once, into the request. Anything else is converted to a message first.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from genai_grpc import protos
from genai_grpc._coerce.content import is_content, is_empty, is_sequence, to_contents, to_part
from genai_grpc._coerce.media import image_to_blob, path_to_blob

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["SerializedContents"]


class SerializedContents:
    """The turns of a conversation, serialized as the field `contents` of a request.

    >>> contents = SerializedContents.of("Hi")
    >>> contents.append(protos.Content(role="model", parts=[protos.Part(text="Hello")]))
    >>> [turn.role for turn in contents.to_messages()]
    ['user', 'model']
    """

    __slots__ = ("_pieces",)

    def __init__(self, pieces: Iterable[bytes] = ()) -> None:
        self._pieces = list(pieces)

    @classmethod
    def of(cls, value: object) -> Self:
        """What `to_contents` makes of `value`, serialized.

        Raises:
            TypeError: As `to_contents` does.
            ValueError: As `to_contents` does.
        """
        return cls(_serialize_contents(value))

    @classmethod
    def of_turns(cls, turns: Iterable[protos.Content]) -> Self:
        """Turns that are messages already."""
        return cls(map(_serialize_turn, turns))

    def append(self, turn: protos.Content) -> None:
        """Add a turn."""
        self._pieces.append(_serialize_turn(turn))

    def copy(self) -> Self:
        """A copy that grows on its own; the bytes are shared."""
        return type(self)(self._pieces)

    def to_bytes(self, prefix: bytes = b"") -> bytes:
        """The field `contents`, after the serialized other fields of a request."""
        return b"".join([prefix, *self._pieces])

    def to_messages(self) -> list[protos.Content]:
        """The turns as messages."""
        return list(protos.GenerateContentRequest.FromString(self.to_bytes()).contents)


def _serialize_contents(value: object) -> list[bytes]:
    if type(value) is str and value:  # the most frequent case, and the result of the code below for it
        text = value.encode()
        prefix = _TEXT + _varint(len(text))
        prefix = _PARTS + _varint(len(prefix) + len(text)) + prefix
        return [_CONTENTS + _varint(len(prefix) + len(text) + len(_USER)) + prefix, text, _USER]
    if not is_sequence(value):
        if isinstance(value, (os.PathLike, Mapping)) and not is_content(value) and not is_empty(value):
            return _length_delimited(_CONTENTS, [*_serialize_part(value), _USER])
        return [_serialize_turn(turn) for turn in to_contents(value)]
    items = list(value)
    if not all(map(is_content, items)):
        parts = [piece for item in items for piece in _serialize_part(item)]
        return _length_delimited(_CONTENTS, [*parts, _USER])
    # Turns are serialized as they are now, so that what a program edited is sent as edited.
    return [_serialize_turn(turn) for turn in to_contents(items)]


def _serialize_turn(turn: protos.Content) -> bytes:
    """A turn as an element of the field `contents`."""
    data = turn.SerializeToString()
    return _CONTENTS + _varint(len(data)) + data


def _serialize_part(value: object) -> list[bytes]:
    """A part as an element of `Content.parts`, in pieces."""
    if type(value) is str:
        return _length_delimited(_PARTS, _length_delimited(_TEXT, [value.encode()]))
    if (blob := _serialize_blob(value)) is not None:
        return _length_delimited(_PARTS, _length_delimited(_INLINE_DATA, blob))
    return _length_delimited(_PARTS, [to_part(value).SerializeToString()])


def _serialize_blob(value: Any) -> list[bytes] | None:
    """A Blob in pieces, its data as it is among them; None if `value` is something else."""
    if isinstance(value, Mapping):
        mime_type, data = value.get("mime_type"), value.get("data")
        if len(value) == 2 and isinstance(mime_type, str) and isinstance(data, bytes):
            return [*_length_delimited(_MIME_TYPE, [mime_type.encode()]), *_length_delimited(_DATA, [data])]
        return None
    if isinstance(value, protos.Blob):
        return [value.SerializeToString()]
    found = path_to_blob(value) if isinstance(value, os.PathLike) else image_to_blob(value)
    return None if found is None else [found.SerializeToString()]


def _length_delimited(tag: bytes, pieces: list[bytes]) -> list[bytes]:
    """A length-delimited field: its tag, the length of its pieces, and the pieces."""
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
    """The tag of a length-delimited field: its number and wire type 2."""
    return _varint(message.DESCRIPTOR.fields_by_name[field].number << 3 | 2)


_SHORT: Final = [bytes([number]) for number in range(0x80)]
_CONTENTS: Final = _tag(protos.GenerateContentRequest, "contents")
_PARTS: Final = _tag(protos.Content, "parts")
_TEXT: Final = _tag(protos.Part, "text")
_INLINE_DATA: Final = _tag(protos.Part, "inline_data")
_MIME_TYPE: Final = _tag(protos.Blob, "mime_type")
_DATA: Final = _tag(protos.Blob, "data")
_USER: Final = protos.Content(role="user").SerializeToString()
