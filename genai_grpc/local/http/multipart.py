"""Uploads of one request in two parts, multipart/related: the description as JSON, and the content."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from email.message import Message
from email.parser import BytesParser
from typing import TYPE_CHECKING, Final

from genai_grpc import protos
from genai_grpc.errors import InvalidArgument
from genai_grpc.local.http.record import read_record

if TYPE_CHECKING:
    from starlette.requests import Request

__all__ = ["read_multipart"]

_MAX_SIZE: Final = 64 * 1024 * 1024
"""Bytes of a request in parts, which is read into memory; larger files take the resumable protocol."""


async def read_multipart(request: Request) -> tuple[protos.File, AsyncIterator[bytes]]:
    """The record and the content of a request.

    Raises:
        InvalidArgument: It does not have these two parts, or is too large.
    """
    header = Message()
    header["content-type"] = request.headers.get("content-type", "")
    boundary = header.get_boundary()
    if boundary is None or header.get_content_maintype() != "multipart":
        raise InvalidArgument("the content-type is not multipart/related with a boundary")
    body = bytearray(b"\n")
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_SIZE:
            raise InvalidArgument(f"the request is larger than {_MAX_SIZE:,} bytes; use the resumable protocol")
    # Before the first delimiter is a preamble, after the last one its end, "--". Lines may end with "\n" alone.
    parts = re.split(rb"\r?\n--" + re.escape(boundary.encode()), body)[1:-1]
    if len(parts) != 2:
        raise InvalidArgument(f"the request has {len(parts)} parts; it has two: the JSON of the file, and its content")
    (_, description), (content_type, content) = map(_split, parts)

    async def chunks() -> AsyncIterator[bytes]:
        yield content

    return read_record(description, content_type), chunks()


def _split(part: bytes) -> tuple[str, bytes]:
    """The media type and the body of a part."""
    part = part.removeprefix(b"\r").removeprefix(b"\n")
    separator = min((each for each in (b"\r\n\r\n", b"\n\n") if each in part), key=part.index, default=b"\r\n\r\n")
    head, _, body = part.partition(separator)
    return BytesParser().parsebytes(head).get("content-type", ""), body
