"""The description of a file that a program sends before its content."""

from __future__ import annotations

from genai_grpc import protos
from genai_grpc.errors import InvalidArgument
from genai_grpc.local.state.files import check_display_name, check_name
from genai_grpc_protos._json import from_json_dict, load_json

__all__ = ["read_record"]


def read_record(body: bytes, content_type: str) -> protos.File:
    """The record of the file to create, from the JSON of a CreateFileRequest, which may be empty.

    Args:
        body: The JSON.
        content_type: The media type of the content, for a record that has none.

    Raises:
        InvalidArgument: It is no such JSON, or the file cannot have this name.
    """
    request = protos.CreateFileRequest()
    if body.strip():
        try:
            request = from_json_dict(protos.CreateFileRequest, load_json(body))
        except ValueError as error:
            raise InvalidArgument(f"the body is no JSON of a CreateFileRequest: {str(error)[:200]}") from error
    given = request.file
    check_name(given.name)
    check_display_name(given.display_name)
    return protos.File(
        name=given.name,
        display_name=given.display_name,
        mime_type=given.mime_type or content_type,
        sha256_hash=given.sha256_hash,
    )
