"""gRPC by hand, over an HTTP/2 transport: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md.

The messages are this project's own, and are used as by the plain stub, except for that with an image.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Final, TypeAlias

from benchmarks.peers import KEY, MODEL, PROMPT, Endpoint
from genai_grpc_protos import v1beta as protos

if TYPE_CHECKING:
    from google.protobuf.message import Message

__all__ = ["HEADERS", "TIMEOUT", "Data", "Transport", "check"]

Data: TypeAlias = bytes | memoryview

TIMEOUT: Final = 600.0
HEADERS: Final = {
    "content-type": "application/grpc",
    "te": "trailers",
    "grpc-timeout": f"{TIMEOUT:.0f}S",
    "x-goog-api-key": KEY,
}
_SERVICE: Final = "/google.ai.generativelanguage.v1beta.GenerativeService"
_UNARY: Final = f"{_SERVICE}/GenerateContent"
_STREAM: Final = f"{_SERVICE}/StreamGenerateContent"
_PREFIX_SIZE: Final = 5


class Transport:
    """Base of the transports: calls of two methods. A subclass implements POST; it may split a body anywhere.

    Attributes:
        url: URL of the server.
        timeout: Timeout of a call in seconds.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self.url = f"http://{endpoint.grpc}"
        self.timeout = TIMEOUT

    def post(self, path: str, body: bytes) -> Data:
        """The body of the response, after a `check` of its trailers."""
        raise NotImplementedError

    async def post_async(self, path: str, body: bytes) -> Data:
        """As `post`, on the running loop."""
        raise NotImplementedError

    def pieces(self, path: str, body: bytes) -> Iterator[Data]:
        """The body in pieces, as they arrive; then a `check` of the trailers."""
        raise NotImplementedError

    def pieces_async(self, path: str, body: bytes) -> AsyncIterator[Data]:
        """As `pieces`, on the running loop."""
        raise NotImplementedError

    def ask(self) -> str:
        return _only_text(self.post(_UNARY, _length_prefixed(_request())))

    async def ask_async(self) -> str:
        return _only_text(await self.post_async(_UNARY, _length_prefixed(_request())))

    def texts(self) -> Iterator[str]:
        parser = _MessageParser()
        for piece in self.pieces(_STREAM, _length_prefixed(_request())):
            yield from parser.texts(piece)

    async def texts_async(self) -> AsyncIterator[str]:
        parser = _MessageParser()
        async for piece in self.pieces_async(_STREAM, _length_prefixed(_request())):
            for text in parser.texts(piece):
                yield text

    def ask_of_blob(self, data: bytes) -> str:
        return _only_text(self.post(_UNARY, _request_with_blob(data)))


def check(status: str | bytes | None) -> None:
    """Raise RuntimeError if a `grpc-status`, of the trailers or of a trailers-only response, is not OK."""
    if status not in ("0", b"0"):
        raise RuntimeError(f"the call ended with status {status!r}")


def _request() -> protos.GenerateContentRequest:
    content = protos.Content(role="user", parts=[protos.Part(text=PROMPT)])
    return protos.GenerateContentRequest(model=MODEL, contents=[content])


def _length_prefixed(message: protos.GenerateContentRequest) -> bytes:
    data = message.SerializeToString()
    return b"\0%b%b" % (len(data).to_bytes(4, "big"), data)


def _request_with_blob(data: bytes) -> bytes:
    """A length-prefixed request with an image file, which is copied once, as by this project's client."""
    blob = protos.Blob(mime_type="image/png").SerializeToString(), *_field(protos.Blob, "data", data)
    part = _field(protos.Part, "inline_data", *blob)
    content = protos.Content(role="user", parts=[protos.Part(text=PROMPT)]).SerializeToString()
    contents = _field(protos.GenerateContentRequest, "contents", content, *_field(protos.Content, "parts", *part))
    request = protos.GenerateContentRequest(model=MODEL).SerializeToString(), *contents
    return b"".join((b"\0", sum(map(len, request)).to_bytes(4, "big"), *request))


def _field(kind: type[Message], name: str, *pieces: bytes) -> tuple[bytes, ...]:
    """A length-delimited field, from the pieces of its value (https://protobuf.dev/programming-guides/encoding/)."""
    number = kind.DESCRIPTOR.fields_by_name[name].number
    return _varint(number << 3 | 2) + _varint(sum(map(len, pieces))), *pieces


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*encoded, number])


def _only_text(body: Data) -> str:
    [text] = _MessageParser().texts(body)
    return text


class _MessageParser:
    """Parses length-prefixed messages from the pieces of a body."""

    def __init__(self) -> None:
        self._buffer = b""

    def texts(self, piece: Data) -> Iterator[str]:
        """The texts of the messages that this piece completes."""
        data = self._buffer + piece
        begin, end = 0, len(data)
        while end - begin >= _PREFIX_SIZE:
            if data[begin]:
                raise ValueError("received a compressed message, although grpc-accept-encoding was not sent")
            size = _PREFIX_SIZE + int.from_bytes(data[begin + 1 : begin + _PREFIX_SIZE], "big")
            if end - begin < size:
                break
            reply = protos.GenerateContentResponse.FromString(data[begin + _PREFIX_SIZE : begin + size])
            yield reply.candidates[0].content.parts[0].text
            begin += size
        self._buffer = data[begin:]
