"""The service of uploaded files. Their content comes over HTTP."""

from __future__ import annotations

from typing import Final

from genai_grpc import protos
from genai_grpc.local._received_request import current_caller
from genai_grpc.local.services.errors import Context, abort_on_error
from genai_grpc.local.services.paging import parse_page
from genai_grpc.local.state.files import FileStore, check_display_name, check_name
from genai_grpc_protos.protobuf import Empty
from genai_grpc_protos.v1beta.file_service_pb2_grpc import FileServiceServicer

__all__ = ["HTTP_PORT", "FileService"]

HTTP_PORT: Final = "genai-grpc-http-port"
"""The initial metadata of every method, from which clients learn where to upload."""

_DEFAULT_PAGE: Final = 10
_MAX_PAGE: Final = 100


class FileService(FileServiceServicer):
    """Describes, lists and deletes files.

    Args:
        files: The store.
        http_port: The port for uploads; None if the server has none.
    """

    def __init__(self, files: FileStore, http_port: int | None) -> None:
        self._files = files
        self._metadata = () if http_port is None else ((HTTP_PORT, str(http_port)),)

    async def CreateFile(  # noqa: N802 -- gRPC's
        self, request: protos.CreateFileRequest, context: Context
    ) -> protos.CreateFileResponse:
        """Create a file without content: a message has no room for it."""
        await context.send_initial_metadata(self._metadata)
        async with abort_on_error(context):
            given = request.file
            check_name(given.name)
            check_display_name(given.display_name)
            record = protos.File(name=given.name, display_name=given.display_name, mime_type=given.mime_type)
            return protos.CreateFileResponse(file=await self._files.add(record, current_caller()))

    async def GetFile(self, request: protos.GetFileRequest, context: Context) -> protos.File:  # noqa: N802 -- gRPC's
        """Describe one file."""
        await context.send_initial_metadata(self._metadata)
        async with abort_on_error(context):
            return (await self._files.get(request.name, current_caller())).record

    async def ListFiles(  # noqa: N802 -- gRPC's
        self, request: protos.ListFilesRequest, context: Context
    ) -> protos.ListFilesResponse:
        """Describe a page of the caller's files, in the order of their upload."""
        await context.send_initial_metadata(self._metadata)
        async with abort_on_error(context):
            page = parse_page(request, default_size=_DEFAULT_PAGE, max_size=_MAX_PAGE)
            files, next_page_token = page.split(await self._files.page(current_caller(), page.after, page.limit))
            return protos.ListFilesResponse(files=files, next_page_token=next_page_token)

    async def DeleteFile(self, request: protos.DeleteFileRequest, context: Context) -> Empty:  # noqa: N802 -- gRPC's
        """Delete a file before it expires."""
        await context.send_initial_metadata(self._metadata)
        async with abort_on_error(context):
            await self._files.delete(request.name, current_caller())
            return Empty()

    async def DownloadFile(  # noqa: N802 -- gRPC's
        self, request: protos.DownloadFileRequest, context: Context
    ) -> protos.DownloadFileResponse:
        """Check that the caller may download a file; only the HTTP form of the method delivers the content."""
        await context.send_initial_metadata(self._metadata)
        async with abort_on_error(context):
            await self._files.get(request.name, current_caller())
            return protos.DownloadFileResponse()
