"""gRPC by hand, for a transport that knows HTTP/2 and no more: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md.

The messages are this project's own, and what is done with them is what the plain stub does, but for the image's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

from benchmarks.peers import KEY, MODEL, PROMPT
from genai_grpc_protos import v1beta as protos

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from google.protobuf.message import Message

    from benchmarks.peers import Endpoint

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
_PREFIX: Final = 5


class Transport:
    """Calls of two methods, by what a subclass does with a POST; the pieces it returns may be cut anywhere.

    Attributes:
        url: The server's.
        timeout: Seconds that a call may take.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self.url = f"http://{endpoint.grpc}"
        self.timeout = TIMEOUT

    def post(self, path: str, body: bytes) -> Data:
        """The body of the response, once `check` has passed its trailers."""
        raise NotImplementedError

    async def post_async(self, path: str, body: bytes) -> Data:
        """`post`, on the running loop."""
        raise NotImplementedError

    def pieces(self, path: str, body: bytes) -> Iterator[Data]:
        """The body as it comes; at its end `check` has passed the trailers."""
        raise NotImplementedError

    def pieces_async(self, path: str, body: bytes) -> AsyncIterator[Data]:
        """`pieces`, on the running loop."""
        raise NotImplementedError

    def ask(self) -> str:
        return _only_text(self.post(_UNARY, _framed(_request())))

    async def ask_async(self) -> str:
        return _only_text(await self.post_async(_UNARY, _framed(_request())))

    def texts(self) -> Iterator[str]:
        messages = _Messages()
        for piece in self.pieces(_STREAM, _framed(_request())):
            yield from messages.texts(piece)

    async def texts_async(self) -> AsyncIterator[str]:
        messages = _Messages()
        async for piece in self.pieces_async(_STREAM, _framed(_request())):
            for text in messages.texts(piece):
                yield text

    def ask_of_blob(self, data: bytes) -> str:
        return _only_text(self.post(_UNARY, _framed_blob(data)))


def check(status: str | bytes | None) -> None:
    """Raise if this `grpc-status`, of the trailers or of headers that nothing follows, is not that of success."""
    if status not in ("0", b"0"):
        raise RuntimeError(f"the call ended with status {status!r}")


def _request() -> protos.GenerateContentRequest:
    content = protos.Content(role="user", parts=[protos.Part(text=PROMPT)])
    return protos.GenerateContentRequest(model=MODEL, contents=[content])


def _framed(message: protos.GenerateContentRequest) -> bytes:
    data = message.SerializeToString()
    return b"\0%b%b" % (len(data).to_bytes(4, "big"), data)


def _framed_blob(data: bytes) -> bytes:
    """A request with an image file, which is copied once; this project's client does it so."""
    blob = protos.Blob(mime_type="image/png").SerializeToString(), *_field(protos.Blob, "data", data)
    part = _field(protos.Part, "inline_data", *blob)
    content = protos.Content(role="user", parts=[protos.Part(text=PROMPT)]).SerializeToString()
    contents = _field(protos.GenerateContentRequest, "contents", content, *_field(protos.Content, "parts", *part))
    request = protos.GenerateContentRequest(model=MODEL).SerializeToString(), *contents
    return b"".join((b"\0", sum(map(len, request)).to_bytes(4, "big"), *request))


def _field(kind: type[Message], name: str, *pieces: bytes) -> tuple[bytes, ...]:
    """A field of a message, of the pieces of its bytes (https://protobuf.dev/programming-guides/encoding/)."""
    number = kind.DESCRIPTOR.fields_by_name[name].number
    return _varint(number << 3 | 2) + _varint(sum(map(len, pieces))), *pieces


def _varint(number: int) -> bytes:
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*found, number])


def _only_text(body: Data) -> str:
    [text] = _Messages().texts(body)
    return text


class _Messages:
    """Puts messages together from the pieces of a body."""

    def __init__(self) -> None:
        self._rest = b""

    def texts(self, piece: Data) -> Iterator[str]:
        """The texts of the messages that this piece completes."""
        data = self._rest + piece
        begin, end = 0, len(data)
        while end - begin >= _PREFIX:
            if data[begin]:
                raise ValueError("a compressed message came, which nobody asked for")
            size = _PREFIX + int.from_bytes(data[begin + 1 : begin + _PREFIX], "big")
            if end - begin < size:
                break
            reply = protos.GenerateContentResponse.FromString(data[begin + _PREFIX : begin + size])
            yield reply.candidates[0].content.parts[0].text
            begin += size
        self._rest = data[begin:]
