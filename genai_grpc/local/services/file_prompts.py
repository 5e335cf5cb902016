"""Uploaded files in prompts: their text, or their content for engines that read the media type."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

from genai_grpc import protos
from genai_grpc.errors import FailedPrecondition, InvalidArgument, NotFound
from genai_grpc.local._received_request import current_caller
from genai_grpc.local.engines.engine import Engine
from genai_grpc.local.services.validation import reads_media
from genai_grpc.local.state.content_folder import ContentFolder
from genai_grpc.local.state.files import FileStore, StoredFile

__all__ = ["insert_files", "prepare"]

_PDF: Final = "application/pdf"
_TEXT: Final = re.compile(
    r"text/.*|application/(json|.*\+json|xml|.*\+xml|javascript|x-javascript|x-python|yaml|x-yaml|toml|sql|x-sh)"
)
_URI: Final = re.compile(r"(?:https?://[^/]+/v1beta/)?(files/[a-z0-9-]+)")
"""The URIs of this server's files, whatever port it had when it made them, and names of files."""


def prepare(file: StoredFile, folder: ContentFolder) -> None:
    """Check the text of a file, and extract that of a PDF file; blocks. Other media stay as they are.

    Raises:
        InvalidArgument: The content is not what its media type says.
        FailedPrecondition: pypdf is not installed.
        OSError: The content cannot be read.
    """
    mime_type = _media_type(file.record.mime_type)
    if mime_type == _PDF:
        folder.write_text(file.key, _pdf_text(file, folder))
    elif _TEXT.fullmatch(mime_type):
        try:
            folder.read_text(file.key)
        except UnicodeDecodeError as error:
            raise InvalidArgument(f"the {mime_type} file is no UTF-8: {error.reason} at byte {error.start}") from None


def _pdf_text(file: StoredFile, folder: ContentFolder) -> str:
    try:
        from pypdf import PdfReader  # optional
        from pypdf.errors import PyPdfError
    except ImportError:
        raise FailedPrecondition(
            "the text of PDF files needs pypdf, which is not installed; pip install pypdf, and upload the file again"
        ) from None
    try:
        with folder.path(file.key).open("rb") as content:
            return "\n\n".join(page.extract_text() for page in PdfReader(content).pages)
    # A damaged file breaks it in ways that it does not document.
    except (PyPdfError, ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError) as error:
        raise InvalidArgument(f"the PDF file cannot be read: {error or type(error).__name__}") from error


async def insert_files(files: FileStore, engine: Engine, prompt: protos.GenerateContentRequest) -> None:
    """Put the content of uploaded files in place of the parts of a prompt that refer to them.

    Text and the text of PDF files become text; media that the engine reads become inline data. URIs that are not of
    this server's files are left to the engine.

    Raises:
        NotFound: There is no such file, or it has expired.
        PermissionDenied: It belongs to another caller.
        FailedPrecondition: It is not ready, or could not be prepared.
        InvalidArgument: The engine cannot read its media type.
    """
    for place, part in _file_parts(prompt):
        name = _URI.fullmatch(part.file_data.file_uri)
        if name is not None:
            await _insert(files, engine, place, part, name[1])


def _file_parts(prompt: protos.GenerateContentRequest) -> Iterator[tuple[str, Any]]:
    yield from _parts_of("system_instruction", prompt.system_instruction.parts)
    for index, content in enumerate(prompt.contents):
        yield from _parts_of(f"contents[{index}]", content.parts)


def _parts_of(place: str, parts: Iterable[Any]) -> Iterator[tuple[str, Any]]:
    for index, part in enumerate(parts):
        if part.HasField("file_data"):
            yield f"{place}.parts[{index}]", part


async def _insert(files: FileStore, engine: Engine, place: str, part: Any, name: str) -> None:
    try:
        file = await files.get(name, current_caller())
    except NotFound as error:
        raise NotFound(f"{place}: {error.message}") from error
    record = file.record
    mime_type = _media_type(part.file_data.mime_type or record.mime_type)
    match record.state:
        case protos.File.State.PROCESSING:
            raise FailedPrecondition(f"{place}: {name} is not ready; wait until its state is ACTIVE")
        case protos.File.State.FAILED:
            raise FailedPrecondition(f"{place}: {name} could not be prepared: {record.error.message}")
    if mime_type == _PDF or _TEXT.fullmatch(mime_type):
        try:
            part.text = await asyncio.to_thread(files.folder.read_text, file.key) if file.key else ""
        except UnicodeDecodeError as error:
            raise InvalidArgument(f"{place}: {name} is no text in UTF-8, and its mime_type {mime_type!r}") from error
        if not part.text:
            raise InvalidArgument(f"{place}: {name} has no text")
    elif reads_media(engine, mime_type):
        content = await asyncio.to_thread(files.folder.path(file.key).read_bytes) if file.key else b""
        part.inline_data.mime_type, part.inline_data.data = mime_type, content
    # Else the check of the prompt refuses the part, with its place and the media types that the engine reads.


def _media_type(mime_type: str) -> str:
    return mime_type.partition(";")[0].strip().lower()
