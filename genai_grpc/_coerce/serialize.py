"""Contents to the bytes of a request, without building messages that would only be serialized.

Fields may be serialized separately and concatenated (https://protobuf.dev/programming-guides/encoding/): text and the
data of a Blob are copied once, into the request.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache, wraps
from typing import TYPE_CHECKING, Any, Final

from genai_grpc import protos as gemini
from genai_grpc._coerce.content import TurnParts, TurnSource, to_turn_sources
from genai_grpc._coerce.media import BlobData
from genai_grpc._coerce.part_source import PartSource
from genai_grpc._services.messages import GEMINI, Protos
from genai_grpc_protos._convert import to_message

if TYPE_CHECKING:
    from typing_extensions import Self


__all__ = ["SerializedContents", "TurnList"]


class SerializedContents:
    """The turns of a conversation, serialized as the field `contents` of a request.

    Args:
        chunks: The serialized turns.
        protos: The API whose messages they are.

    >>> contents = SerializedContents.of("Hi")
    >>> contents.append(GEMINI.Content(role="model", parts=[GEMINI.Part(text="Hello")]))
    >>> [turn.role for turn in contents.to_messages()]
    ['user', 'model']
    """

    __slots__ = ("_chunks", "protos")

    def __init__(self, chunks: Iterable[bytes] = (), protos: Protos = GEMINI) -> None:
        self._chunks = list(chunks)
        self.protos = protos

    @classmethod
    def of(cls, value: object, protos: Protos = GEMINI) -> Self:
        """Serialize what `to_contents` returns for `value`.

        Raises:
            TypeError: As `to_contents` does.
            ValueError: As `to_contents` does.
        """
        if type(value) is TurnList and value.serialized is not None and value.serialized.protos is protos:
            return cls(value.serialized._chunks, protos)
        writer = _writer(protos)
        if type(value) is str and value:  # the most frequent case; the code below returns the same bytes
            return cls(writer.user_text(value), protos)
        return cls((chunk for turn in to_turn_sources(value, protos) for chunk in writer.turn(turn)), protos)

    @classmethod
    def of_turns(cls, turns: Iterable[gemini.Content], protos: Protos = GEMINI) -> Self:
        """Serialize turns that are messages already."""
        return cls(map(_writer(protos).content, turns), protos)

    def append(self, turn: gemini.Content) -> None:
        """Add a turn."""
        self._chunks.append(_writer(self.protos).content(turn))

    def copy(self) -> Self:
        """A copy that grows on its own; the bytes are shared."""
        return type(self)(self._chunks, self.protos)

    def to_bytes(self, prefix: bytes = b"") -> bytes:
        """The field `contents`, after the serialized other fields of a request."""
        return b"".join([prefix, *self._chunks])

    def to_messages(self) -> list[gemini.Content]:
        """The turns as messages."""
        return list(self.protos.GenerateContentRequest.FromString(self.to_bytes()).contents)


class TurnList(list[Any]):
    """The turns of a request with their serialized form, for the contents that a chat passes to its model.

    A program that reads an item or changes the list may change what is sent. So the serialized form is dropped then,
    and the list is serialized when it is sent.

    Attributes:
        serialized: The serialized turns; None once the list was read or changed.
    """

    __slots__ = ("serialized",)

    def __init__(self, turns: Iterable[gemini.Content], serialized: SerializedContents | None) -> None:
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


class _Writer:
    """Writes the turns of one API, whose fields have numbers of its own."""

    def __init__(self, protos: Protos) -> None:
        self._protos = protos
        self._contents = _tag(protos.GenerateContentRequest, "contents")
        self._parts = _tag(protos.Content, "parts")
        self._text = _tag(protos.Part, "text")
        self._inline_data = _tag(protos.Part, "inline_data")
        self._mime_type = _tag(protos.Blob, "mime_type")
        self._data = _tag(protos.Blob, "data")
        self._user = protos.Content(role="user").SerializeToString()

    def user_text(self, text: str) -> list[bytes]:
        """Serialize the turn of a user that has only text."""
        header, data = self._text_part(text)
        user = self._user
        return [self._contents + _varint(len(header) + len(data) + len(user)) + header, data, user]

    def content(self, turn: gemini.Content) -> bytes:
        """Serialize a turn, also of the other API, as an element of the field `contents`."""
        data = to_message(self._protos.Content, turn).SerializeToString()
        return self._contents + _varint(len(data)) + data

    def turn(self, turn: TurnSource) -> list[bytes]:
        """Serialize a turn as an element of the field `contents`, in chunks."""
        if not isinstance(turn, TurnParts):
            return [self.content(turn)]
        chunks = [chunk for part in turn.parts for chunk in self._part(part)]
        if turn.role:
            is_user = turn.role == "user"
            chunks.append(self._user if is_user else self._protos.Content(role=turn.role).SerializeToString())
        return _length_delimited(self._contents, chunks)

    def _part(self, source: PartSource) -> list[bytes]:
        """Serialize a part as an element of `Content.parts`, in chunks."""
        if isinstance(source, str):
            return self._text_part(source)
        if isinstance(source, BlobData):
            mime_type = _length_delimited(self._mime_type, [source.mime_type.encode()])
            blob = [*mime_type, *_length_delimited(self._data, [source.data])]
            return _length_delimited(self._parts, _length_delimited(self._inline_data, blob))
        data = [source.SerializeToString()]
        if isinstance(source, self._protos.Part):
            return _length_delimited(self._parts, data)
        return _length_delimited(self._parts, _length_delimited(self._inline_data, data))

    def _text_part(self, text: str) -> list[bytes]:
        """Serialize a text part: tags and lengths, and the text."""
        data = text.encode()
        header = self._text + _varint(len(data))
        return [self._parts + _varint(len(header) + len(data)) + header, data]


_writer: Final = cache(_Writer)


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
