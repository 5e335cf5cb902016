"""The operations of files: what happens before, during and after the transfer of their content."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from typing import Any, Final, NamedTuple

from genai_grpc import protos
from genai_grpc._coerce.resource_names import to_file_name
from genai_grpc._coerce.settings import to_options
from genai_grpc._progress import Progress, open_progress
from genai_grpc._rpc.call import Call
from genai_grpc._rpc.download import download
from genai_grpc._rpc.operation import Operation
from genai_grpc._rpc.options import CallOptions
from genai_grpc._rpc.pager import list_pages
from genai_grpc._rpc.polling import poll
from genai_grpc._rpc.resumable_upload import UploadSettings, upload
from genai_grpc._rpc.status import error_class
from genai_grpc._services.generative_language import method
from genai_grpc.client import Client
from genai_grpc.errors import DataLoss, FailedPrecondition
from genai_grpc.types._files import File

__all__ = [
    "Prepared",
    "content_of",
    "delete_call",
    "download_content",
    "get_call",
    "list_operation",
    "prepare",
    "upload_content",
    "wait_operation",
]

_LIST_FILES: Final = method("FileService.ListFiles")


class Prepared(NamedTuple):
    """An upload before anything is sent."""

    source: Any
    record: dict[str, Any]
    mime_type: str
    progress: Progress
    options: CallOptions


def prepare(
    stack: ExitStack,
    path: Any,
    mime_type: str | None,
    name: str | None,
    display_name: str | None,
    progress: Progress | bool,
    request_options: Any,
) -> Prepared:
    """Open the content, and what reports the progress; both are closed with the stack. Raises as `upload_file`."""
    from genai_grpc._transport.http.sources import guess_mime_type, open_source  # with hashlib and others, few need it

    options = to_options(request_options)
    source = stack.enter_context(open_source(path))
    given_path = os.fspath(path) if isinstance(path, (str, os.PathLike)) else None
    if given_path is not None and display_name is None:
        display_name = os.path.basename(given_path)
    mime_type = mime_type or guess_mime_type(given_path, source.head)
    if mime_type is None:
        raise ValueError("the media type cannot be guessed from the name or the content; pass mime_type='...'")
    record = {"name": None if name is None else to_file_name(name), "displayName": display_name}
    report = stack.enter_context(open_progress(progress, display_name or "upload"))
    return Prepared(source, {key: value for key, value in record.items() if value}, mime_type, report, options)


def upload_content(context: Any, prepared: Prepared) -> Operation[protos.File]:
    """Upload a content, and return its record."""
    from genai_grpc_protos._json import from_json_dict  # json_format takes 50 ms

    base_url = yield from _base_url(context, prepared.options)
    settings = UploadSettings(
        context.retry, context.timeout, time.monotonic, context.secrets, prepared.progress, base_url
    )
    value = yield from upload(prepared.source, prepared.record, prepared.mime_type, settings)
    record = from_json_dict(protos.File, value, ignore_unknown_fields=True)
    stored, digest = record.sha256_hash, prepared.source.digest
    if stored and stored not in (digest.digest(), digest.hexdigest().encode()):
        yield delete_call(record.name, None)
        raise DataLoss(
            f"the service stored {record.size_bytes:,} bytes with another SHA-256 than {digest.hexdigest()}, that of "
            f"the content; {record.name} was deleted"
        )
    return record


def download_content(context: Any, name: str, sha256_hash: bytes, sink: Any, report: Progress) -> Operation[int]:
    """Download a content, and return its number of bytes."""
    base_url = yield from _base_url(context, context.call)
    url = f"{base_url}/v1beta/{name}:download?alt=media"
    received = yield from download(url, sink, sha256_hash, context.retry, context.secrets, report)
    return received


def _base_url(context: Any, options: CallOptions) -> Operation[str]:
    """The HTTP endpoint; a local server is asked for it."""
    if not context.needs_port:
        return str(context.base_url())
    _, received = yield Call(_LIST_FILES, protos.ListFilesRequest(page_size=1), tuple, options)
    port = dict(received[0] or ()).get(_HTTP_PORT)
    return str(context.base_url(None if port is None else int(port)))


_HTTP_PORT: Final = "genai-grpc-http-port"
"""The initial metadata of the local server that has the port for uploads."""


def content_of(file: Any) -> tuple[str, bytes]:
    """The name and the SHA-256 of a file; b"" for one of which the name is known only."""
    return to_file_name(file), b"" if isinstance(file, str) else file.sha256_hash


def get_call(name: Any, client: Client, options: CallOptions) -> Call[Any, Any, File]:
    """The call of GetFile."""
    request = protos.GetFileRequest(name=to_file_name(name))
    return Call(method("FileService.GetFile"), request, lambda reply: File(reply[0], client=client), options)


def delete_call(name: Any, request_options: Any) -> Call[Any, Any, None]:
    """The call of DeleteFile."""
    request = protos.DeleteFileRequest(name=to_file_name(name))
    return Call(method("FileService.DeleteFile"), request, lambda _: None, to_options(request_options))


def list_operation(page_size: int | None, client: Client, request_options: Any) -> Operation[None]:
    """The pages of ListFiles."""

    def files_of(page: protos.ListFilesResponse) -> Iterator[File]:
        return (File(each, client=client) for each in page.files)

    return list_pages(_LIST_FILES, page_size, files_of, to_options(request_options))


def wait_operation(file: Any, timeout: float, client: Client, options: CallOptions) -> Operation[File]:
    """Ask for a file until it is prepared."""
    name = to_file_name(file)
    call = partial(get_call, name, client, options)
    found = yield from poll(call, _is_prepared, timeout, time.monotonic, description=name)
    if found.state == protos.File.State.FAILED:
        error = found.error
        cls = error_class(error.code) if error.code else FailedPrecondition
        raise cls(f"{name} could not be prepared: {error.message}", details=())
    result: File = found
    return result


def _is_prepared(file: File) -> bool:
    return bool(file.state != protos.File.State.PROCESSING)
