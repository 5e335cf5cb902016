"""Contents to the bytes of a request, without building messages that would only be serialized.

Fields may be serialized separately and concatenated (https://protobuf.dev/programming-guides/encoding/): text and the
data of a Blob are copied once, into the request.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import wraps
from typing import TYPE_CHECKING, Any, Final

from genai_grpc import protos
from genai_grpc._coerce.content import TurnSource, to_turn_sources
from genai_grpc._coerce.media import BlobData
from genai_grpc._coerce.part_source import PartSource

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["SerializedContents", "TurnList"]


class SerializedContents:
    """The turns of a conversation, serialized as the field `contents` of a request.

    >>> contents = SerializedContents.of("Hi")
    >>> contents.append(protos.Content(role="model", parts=[protos.Part(text="Hello")]))
    >>> [turn.role for turn in contents.to_messages()]
    ['user', 'model']
    """

    __slots__ = ("_chunks",)

    def __init__(self, chunks: Iterable[bytes] = ()) -> None:
        self._chunks = list(chunks)

    @classmethod
    def of(cls, value: object) -> Self:
        """Serialize what `to_contents` returns for `value`.

        Raises:
            TypeError: As `to_contents` does.
            ValueError: As `to_contents` does.
        """
        if type(value) is TurnList and value.serialized is not None:
            return cls(value.serialized._chunks)
        if type(value) is str and value:  # the most frequent case; the code below returns the same bytes
            header, text = _text(value)
            return cls([_CONTENTS + _varint(len(header) + len(text) + len(_USER)) + header, text, _USER])
        return cls(chunk for turn in to_turn_sources(value) for chunk in _turn(turn))

    @classmethod
    def of_turns(cls, turns: Iterable[protos.Content]) -> Self:
        """Serialize turns that are messages already."""
        return cls(map(_content, turns))

    def append(self, turn: protos.Content) -> None:
        """Add a turn."""
        self._chunks.append(_content(turn))

    def copy(self) -> Self:
        """A copy that grows on its own; the bytes are shared."""
        return type(self)(self._chunks)

    def to_bytes(self, prefix: bytes = b"") -> bytes:
        """The field `contents`, after the serialized other fields of a request."""
        return b"".join([prefix, *self._chunks])

    def to_messages(self) -> list[protos.Content]:
        """The turns as messages."""
        return list(protos.GenerateContentRequest.FromString(self.to_bytes()).contents)


class TurnList(list[protos.Content]):
    """The turns of a request with their serialized form, for the contents that a chat passes to its model.

    A program that reads an item or changes the list may change what is sent. So the serialized form is dropped then,
    and the list is serialized when it is sent.

    Attributes:
        serialized: The serialized turns; None once the list was read or changed.
    """

    __slots__ = ("serialized",)

    def __init__(self, turns: Iterable[protos.Content], serialized: SerializedContents | None) -> None:
        super().__init__(turns)
        self.serialized = serialized


def _dropping(method: Any) -> Any:
    """A method of list that drops the serialized form first."""

    @wraps(method)
    def call(self: TurnList, *arguments: Any, **keywords: Any) -> Any:
        self.serialized = None
        return method(self, *arguments, **keywords)

    return call


for _name in (
    *("__getitem__", "__iter__", "__reversed__", "__setitem__", "__delitem__", "__iadd__", "__add__", "__eq__"),
    *("append", "clear", "copy", "extend", "insert", "pop", "remove", "reverse", "sort", "__imul__", "__mul__"),
):
    setattr(TurnList, _name, _dropping(getattr(list, _name)))


def _content(turn: protos.Content) -> bytes:
    """Serialize one turn as an element of the field `contents`."""
    data = turn.SerializeToString()
    return _CONTENTS + _varint(len(data)) + data


def _turn(turn: TurnSource) -> list[bytes]:
    if isinstance(turn, protos.Content):
        return [_content(turn)]
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
