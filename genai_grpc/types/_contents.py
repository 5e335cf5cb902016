"""What a program may pass as contents, turns and parts."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeAlias

from genai_grpc import protos
from genai_grpc.types._files import File, FileDataDict
from genai_grpc.types._runtime import Image, Items, TypedDict

__all__ = [
    "BlobDict",
    "BlobType",
    "ContentDict",
    "ContentType",
    "ContentsType",
    "PartDict",
    "PartMessage",
    "PartType",
    "StrictContentType",
]


class BlobDict(TypedDict):
    """A Blob as a dict.

    >>> from genai_grpc import GenerativeModel
    >>> scone: BlobDict = {"mime_type": "image/jpeg", "data": b"..."}
    >>> len(GenerativeModel().build_request(["What is this?", scone]).contents[0].parts)
    2
    """

    mime_type: str
    data: bytes


BlobType: TypeAlias = protos.Blob | BlobDict | Image


class PartDict(TypedDict, total=False):
    """A Part as a dict: one of the fields up to `code_execution_result`, and any of the others.

    >>> from genai_grpc import GenerativeModel
    >>> video: PartDict = {"file_data": {"file_uri": "files/clip"}, "video_metadata": {"fps": 1}}
    >>> len(GenerativeModel().build_request(["What happens here?", video]).contents[0].parts)
    2
    """

    text: str
    inline_data: BlobType
    function_call: protos.FunctionCall | dict[str, Any]
    function_response: protos.FunctionResponse | dict[str, Any]
    file_data: protos.FileData | dict[str, Any]
    executable_code: protos.ExecutableCode | dict[str, Any]
    code_execution_result: protos.CodeExecutionResult | dict[str, Any]
    thought: bool
    thought_signature: bytes
    video_metadata: protos.VideoMetadata | dict[str, Any]


PartMessage: TypeAlias = protos.Part | protos.FileData | protos.File | protos.FunctionCall | protos.FunctionResponse
PartType: TypeAlias = str | Path | BlobType | PartDict | PartMessage | File | FileDataDict


class ContentDict(TypedDict, total=False):
    """A turn as a dict.

    >>> from genai_grpc import GenerativeModel
    >>> turns: list[ContentDict] = [{"role": "model", "parts": "Yes?"}, {"role": "user", "parts": ["Who are", "you?"]}]
    >>> len(GenerativeModel().build_request(turns).contents)
    2
    """

    role: str
    parts: PartType | Items[PartType]


StrictContentType: TypeAlias = protos.Content | ContentDict
ContentType: TypeAlias = StrictContentType | PartType | Items[PartType]
# One iterable, of turns or of parts: mypy finds no type for a list that could be either of two.
ContentsType: TypeAlias = StrictContentType | PartType | Items[StrictContentType | PartType]
