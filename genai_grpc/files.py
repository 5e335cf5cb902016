"""Files that the service stores for 48 hours, for prompts that are too large to send at once.

>>> import genai_grpc as genai
>>> tale = genai.upload_file(b"Once upon a time there was a girl named Lily.", mime_type="text/plain")
>>> genai.wait_until_active(tale).state.name
'ACTIVE'
>>> genai.GenerativeModel().generate_content(["Who is it about?", tale]).text
'A girl named Lily.'
>>> genai.delete_file(tale)
"""

from __future__ import annotations

import io
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from typing import BinaryIO, TypeAlias

from genai_grpc import protos, types
from genai_grpc._coerce.settings import to_options
from genai_grpc._file_operations import (
    content_of,
    delete_call,
    download_content,
    get_call,
    list_operation,
    prepare,
    upload_content,
    wait_operation,
)
from genai_grpc._progress import Progress, open_progress
from genai_grpc.client import Client, async_transport, default_client, sync_transport
from genai_grpc.types._files import File

__all__ = [
    "File",
    "delete_file",
    "delete_file_async",
    "download_file",
    "download_file_async",
    "get_file",
    "get_file_async",
    "list_files",
    "list_files_async",
    "upload_file",
    "upload_file_async",
    "wait_until_active",
    "wait_until_active_async",
]

Content: TypeAlias = str | os.PathLike[str] | bytes | BinaryIO | io.IOBase
"""What can be uploaded: a path, bytes, or a file opened with mode "rb"."""


def upload_file(
    path: Content,
    *,
    mime_type: str | None = None,
    name: str | None = None,
    display_name: str | None = None,
    resumable: bool = True,
    progress: Progress | bool = False,
    client: Client | None = None,
    request_options: types.RequestOptionsType | None = None,
) -> File:
    """Upload a file. The service stores it for 48 hours, and prompts may refer to it.

    The content goes over HTTP in chunks of 8 MiB, which are what it takes in memory. After a broken connection it goes
    on where the service says; the SHA-256 of what the service has stored is compared. Needs the extra `files`.

    Args:
        path: A path, bytes, or a file opened with mode "rb", which is read from its position on and may be a stream of
            unknown length. At most 2 GiB.
        mime_type: The media type; by default that of the path's suffix, else of the content.
        name: The resource name, at most 40 lower-case letters, digits and dashes; `files/` is put before a bare name.
            By default the service chooses one.
        display_name: A name for people, at most 512 characters; by default the path's last part.
        resumable: Has no effect: every upload is resumable. For programs of google-generativeai.
        progress: A function that gets the bytes that the service has received and the size (None while it is unknown),
            or True for a bar of tqdm.
        client: By default the one that `configure` sets.
        request_options: Timeout, retry policy and metadata. The timeout is that of the whole upload, by default none; a
            connection that stands still for 60 seconds is an attempt that failed. The policy's attempts are those
            without any progress between them.

    Returns:
        The file, whose state may be PROCESSING: see `wait_until_active`.

    Raises:
        OSError: The path does not exist, is a directory or cannot be read.
        TypeError: `path` is none of these.
        ValueError: The content is empty, too large or changed meanwhile, or its media type cannot be guessed.
        AlreadyExists: There is a file of that name.
        DataLoss: The service has stored something else; it was deleted.
        APIError: The service refused it, or the attempts or the time are used up.
        ImportError: httpx2 is not installed.

    >>> tale = upload_file(b"Once upon a time...", mime_type="text/plain", display_name="the tale")
    >>> tale.display_name, tale.size_bytes
    ('the tale', 19)
    >>> delete_file(tale)
    """
    del resumable
    client = client or default_client()
    with ExitStack() as stack:
        prepared = prepare(stack, path, mime_type, name, display_name, progress, request_options)
        transport = sync_transport(client)
        from genai_grpc._transport.http.session import HttpSession  # with httpx2 100 ms, which few programs need

        context = transport.http_context(prepared.options)
        record: protos.File = HttpSession(transport, context).run(upload_content(context, prepared))
    return File(record, client=client)


async def upload_file_async(
    path: Content,
    *,
    mime_type: str | None = None,
    name: str | None = None,
    display_name: str | None = None,
    resumable: bool = True,
    progress: Progress | bool = False,
    client: Client | None = None,
    request_options: types.RequestOptionsType | None = None,
) -> File:
    """The async twin of `upload_file`. The content is read on another thread."""
    del resumable
    client = client or default_client()
    with ExitStack() as stack:
        prepared = prepare(stack, path, mime_type, name, display_name, progress, request_options)
        transport = async_transport(client)
        from genai_grpc._transport.http.session import AsyncHttpSession  # as above

        context = transport.http_context(prepared.options)
        record: protos.File = await AsyncHttpSession(transport, context).run(upload_content(context, prepared))
    return File(record, client=client)


def get_file(
    name: str | File | protos.File,
    *,
    client: Client | None = None,
    request_options: types.RequestOptionsType | None = None,
) -> File:
    """Get the record of a file: its state, size, media type and URI.

    Args:
        name: The resource name, or a File of that name; `files/` is put before a bare name.
        client: By default the one that `configure` sets.
        request_options: Timeouts, retry policy and metadata of the call.

    Raises:
        NotFound: There is no such file, or it has expired.
        APIError: The call failed otherwise.

    >>> tale = upload_file(b"Once upon a time...", mime_type="text/plain", name="tale")
    >>> get_file("tale").size_bytes
    19
    >>> tale.delete()
    """
    client = client or default_client()
    return sync_transport(client).call(get_call(name, client, to_options(request_options)))


async def get_file_async(
    name: str | File | protos.File,
    *,
    client: Client | None = None,
    request_options: types.RequestOptionsType | None = None,
) -> File:
    """The async twin of `get_file`."""
    client = client or default_client()
    return await async_transport(client).call(get_call(name, client, to_options(request_options)))


def list_files(
    page_size: int | None = 100,
    *,
    client: Client | None = None,
    request_options: types.RequestOptionsType | None = None,
) -> Iterator[File]:
    """List the files of the caller; a page is fetched when its files are needed.

    Args:
        page_size: Files per page, 1 to 100; None leaves it to the service.
        client: By default the one that `configure` sets.
        request_options: Timeouts, retry policy and metadata of each page's call.

    Raises:
        APIError: A call failed, when its page is needed.

    >>> tale = upload_file(b"Once upon a time...", mime_type="text/plain", name="tale")
    >>> [file.name for file in list_files()]
    ['files/tale']
    >>> tale.delete()
    """
    client = client or default_client()
    return sync_transport(client).iterate(list_operation(page_size, client, request_options))


def list_files_async(
    page_size: int | None = 100,
    *,
    client: Client | None = None,
    request_options: types.RequestOptionsType | None = None,
) -> AsyncIterator[File]:
    """The async twin of `list_files`; read it with `async for`."""
    client = client or default_client()
    return async_transport(client).iterate(list_operation(page_size, client, request_options))


def delete_file(
    name: str | File | protos.File,
    *,
    client: Client | None = None,
    request_options: types.RequestOptionsType | None = None,
) -> None:
    """Delete a file before it expires. Prompts can no longer refer to it.

    Retried only after ResourceExhausted, since after any other error the file may be deleted already.

    Args:
        name: The resource name, or a File of that name; `files/` is put before a bare name.
        client: By default the one that `configure` sets.
        request_options: Timeouts, retry policy and metadata of the call.

    Raises:
        NotFound: There is no such file, or it has expired.
        APIError: The call failed otherwise.

    >>> delete_file(upload_file(b"Once upon a time...", mime_type="text/plain"))
    """
    sync_transport(client or default_client()).call(delete_call(name, request_options))


async def delete_file_async(
    name: str | File | protos.File,
    *,
    client: Client | None = None,
    request_options: types.RequestOptionsType | None = None,
) -> None:
    """The async twin of `delete_file`."""
    await async_transport(client or default_client()).call(delete_call(name, request_options))


def wait_until_active(
    file: str | File | protos.File,
    *,
    timeout: float = 600.0,
    client: Client | None = None,
    request_options: types.RequestOptionsType | None = None,
) -> File:
    """Wait until the service has prepared a file, which takes minutes for long videos.

    Args:
        file: The file, or its resource name.
        timeout: Seconds to wait at most. It is asked for after 0.25 seconds, then less and less often, up to every 5.
        client: By default the one that `configure` sets.
        request_options: Timeouts, retry policy and metadata of each call.

    Returns:
        The file in the state ACTIVE.

    Raises:
        DeadlineExceeded: It is not ready within the timeout.
        NotFound: There is no such file, or it has expired.
        APIError: It could not be prepared: the class and the message are those of its error.

    >>> tale = wait_until_active(upload_file(b"Once upon a time...", mime_type="text/plain"), timeout=60)
    >>> tale.state.name
    'ACTIVE'
    >>> tale.delete()
    """
    client = client or default_client()
    return sync_transport(client).run(wait_operation(file, timeout, client, to_options(request_options)))


async def wait_until_active_async(
    file: str | File | protos.File,
    *,
    timeout: float = 600.0,
    client: Client | None = None,
    request_options: types.RequestOptionsType | None = None,
) -> File:
    """The async twin of `wait_until_active`."""
    client = client or default_client()
    return await async_transport(client).run(wait_operation(file, timeout, client, to_options(request_options)))


def download_file(
    file: str | File | protos.File,
    path: str | os.PathLike[str] | BinaryIO | None = None,
    *,
    progress: Progress | bool = False,
    client: Client | None = None,
    request_options: types.RequestOptionsType | None = None,
) -> bytes | None:
    """Download the content of a file. Google's service has it for files that models have generated only.

    Args:
        file: The file, or its resource name. The SHA-256 of a File is compared.
        path: A path, which is replaced when the content is complete, or a file opened with mode "wb"; None returns the
            content as bytes.
        progress: A function that gets the bytes so far and None, or True for a bar of tqdm.
        client: By default the one that `configure` sets.
        request_options: Retry policy and metadata. A connection that stands still for 60 seconds has failed.

    Raises:
        NotFound: There is no such file, or it has expired.
        DataLoss: What arrived has another SHA-256.
        OSError: The path cannot be written.
        APIError: The service refused it, or the attempts are used up.
        ImportError: httpx2 is not installed.

    >>> tale = upload_file(b"Once upon a time...", mime_type="text/plain")
    >>> download_file(tale)
    b'Once upon a time...'
    >>> tale.delete()
    """
    from genai_grpc._transport.http.session import HttpSession  # as in upload_file
    from genai_grpc._transport.http.sinks import open_sink

    client = client or default_client()
    name, sha256_hash = content_of(file)
    with open_sink(path) as sink, open_progress(progress, name) as report:
        transport = sync_transport(client)
        context = transport.http_context(to_options(request_options))
        HttpSession(transport, context).run(download_content(context, name, sha256_hash, sink, report))
    return sink.value


async def download_file_async(
    file: str | File | protos.File,
    path: str | os.PathLike[str] | BinaryIO | None = None,
    *,
    progress: Progress | bool = False,
    client: Client | None = None,
    request_options: types.RequestOptionsType | None = None,
) -> bytes | None:
    """The async twin of `download_file`."""
    from genai_grpc._transport.http.session import AsyncHttpSession  # as in upload_file
    from genai_grpc._transport.http.sinks import open_sink

    client = client or default_client()
    name, sha256_hash = content_of(file)
    with open_sink(path) as sink, open_progress(progress, name) as report:
        transport = async_transport(client)
        context = transport.http_context(to_options(request_options))
        await AsyncHttpSession(transport, context).run(download_content(context, name, sha256_hash, sink, report))
    return sink.value
