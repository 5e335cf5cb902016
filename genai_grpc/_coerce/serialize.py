"""Contents to the bytes of a request, without building messages that would only be serialized.

Fields may be serialized separately and concatenated (https://protobuf.dev/programming-guides/encoding/): text and the
data of a Blob are copied once, into the request.
"""

from __future__ import annotations

from typing import Any, Final

from genai_grpc import protos
from genai_grpc._coerce.content import TurnSource, to_turn_sources
from genai_grpc._coerce.media import BlobData
from genai_grpc._coerce.part_source import PartSource

__all__ = ["serialize_contents", "serialize_turn"]


def serialize_contents(value: object) -> list[bytes]:
    """Serialize what `to_contents` returns for `value` as the field `contents` of a request, in chunks to be joined.

    Raises:
        TypeError: As `to_contents` does.
        ValueError: As `to_contents` does.

    >>> data = b"".join(serialize_contents("Hi"))
    >>> protos.GenerateContentRequest.FromString(data).contents[0].parts[0].text
    'Hi'
    """
    if type(value) is str and value:  # the most frequent case; the code below returns the same bytes
        header, text = _text(value)
        return [_CONTENTS + _varint(len(header) + len(text) + len(_USER)) + header, text, _USER]
    return [chunk for turn in to_turn_sources(value) for chunk in _turn(turn)]


def serialize_turn(turn: protos.Content) -> bytes:
    """Serialize one turn as an element of the field `contents` of a request."""
    data = turn.SerializeToString()
    return _CONTENTS + _varint(len(data)) + data


def _turn(turn: TurnSource) -> list[bytes]:
    if isinstance(turn, protos.Content):
        return [serialize_turn(turn)]
    chunks = [chunk for part in turn.parts for chunk in _part(part)]
    if turn.role:
        chunks.append(_USER if turn.role == "user" else protos.Content(role=turn.role).SerializeToString())
    return _length_delimited(_CONTENTS, chunks)


def _part(source: PartSource) -> list[bytes]:
    """Serialize a part as an element of `Content.parts`, in chunks."""
    match source:
        case str():
            return _text(source)
        case BlobData(mime_type=mime_type, data=data):
            blob = [*_length_delimited(_MIME_TYPE, [mime_type.encode()]), *_length_delimited(_DATA, [data])]
            return _length_delimited(_PARTS, _length_delimited(_INLINE_DATA, blob))
        case protos.Blob():
            return _length_delimited(_PARTS, _length_delimited(_INLINE_DATA, [source.SerializeToString()]))
        case protos.Part():
            return _length_delimited(_PARTS, [source.SerializeToString()])


def _text(text: str) -> list[bytes]:
    """Serialize a text part: tags and lengths, and the text."""
    data = text.encode()
    header = _TEXT + _varint(len(data))
    return [_PARTS + _varint(len(header) + len(data)) + header, data]


def _length_delimited(tag: bytes, chunks: list[bytes]) -> list[bytes]:
    """Return a field with these bytes as its value: tag, length and value."""
    return [tag + _varint(sum(map(len, chunks))), *chunks]


def _varint(number: int) -> bytes:
    """Encode a number in groups of seven bits, lowest first; the high bit of all but the last is set."""
    if number < 0x80:
        return _ONE_BYTE_VARINTS[number]
    groups = bytearray()
    while number > 0x7F:
        groups.append(number & 0x7F | 0x80)
        number >>= 7
    groups.append(number)
    return bytes(groups)


def _tag(message: Any, field: str) -> bytes:
    """Return the tag of a length-delimited field: its number and wire type 2."""
    return _varint(message.DESCRIPTOR.fields_by_name[field].number << 3 | 2)


_ONE_BYTE_VARINTS: Final = [bytes([number]) for number in range(0x80)]
_CONTENTS: Final = _tag(protos.GenerateContentRequest, "contents")
_PARTS: Final = _tag(protos.Content, "parts")
_TEXT: Final = _tag(protos.Part, "text")
_INLINE_DATA: Final = _tag(protos.Part, "inline_data")
_MIME_TYPE: Final = _tag(protos.Blob, "mime_type")
_DATA: Final = _tag(protos.Blob, "data")
_USER: Final = protos.Content(role="user").SerializeToString()
