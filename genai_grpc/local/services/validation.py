"""Checks of requests that every service with a prompt makes, before an engine sees them."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Final

from genai_grpc import protos
from genai_grpc.errors import InvalidArgument
from genai_grpc.local.engines.engine import Engine

__all__ = ["check_media", "check_prompt", "check_size", "reads_media"]

ROLES: Final = frozenset({"", "user", "model", "function"})


def check_size(size: int, limit: int) -> None:
    """Check the size of a request, in bytes, against the server's limit.

    Raises:
        InvalidArgument: It is above the limit.
    """
    if size > limit:
        raise InvalidArgument(
            f"the request has {size:,} bytes and this server takes {limit:,} at most; "
            "send less at once, or raise the limit with serve(max_request_bytes=...)"
        )


def check_prompt(engine: Engine, request: protos.GenerateContentRequest) -> None:
    """Check that every turn has a known role, that no part is empty, and that the engine can read all media.

    Raises:
        InvalidArgument: For the first turn or part that fails, naming its place. For media, it also names the model,
            the media type and the accepted types.
    """
    if request.HasField("system_instruction"):
        _check_parts(engine, "system_instruction", request.system_instruction)
    for index, content in enumerate(request.contents):
        if content.role not in ROLES:
            raise InvalidArgument(
                f"contents[{index}].role is {content.role!r}; it must be 'user', 'model' or 'function'"
            )
        _check_parts(engine, f"contents[{index}]", content)


def _check_parts(engine: Engine, place: str, content: protos.Content) -> None:
    if not content.parts:
        raise InvalidArgument(f"{place}.parts is empty; a turn has at least one part")
    for index, part in enumerate(content.parts):
        match part.WhichOneof("data"):
            case "inline_data":
                check_media(engine, f"{place}.parts[{index}]", part.inline_data.mime_type)
            case "file_data":
                check_media(engine, f"{place}.parts[{index}]", part.file_data.mime_type)
            # A model may send a thought signature in a part of its own, which the client then sends back.
            case None if not part.thought_signature:
                raise InvalidArgument(f"{place}.parts[{index}] is empty; set its text or other data")


def reads_media(engine: Engine, mime_type: str) -> bool:
    """Whether an engine reads a media type."""
    media_type = mime_type.partition(";")[0].strip().lower()
    return any(fnmatchcase(media_type, pattern.lower()) for pattern in engine.supported_mime_types)


def check_media(engine: Engine, place: str, mime_type: str) -> None:
    """Check that the engine reads a media type.

    Raises:
        InvalidArgument: It does not; the message names the place, the model and the accepted types.
    """
    if reads_media(engine, mime_type):
        return
    supported = sorted(engine.supported_mime_types)
    received = mime_type or "media without a MIME type"
    accepted = " and ".join(["text", *supported]) if supported else "text only"
    raise InvalidArgument(f"{engine.model.name} cannot read {received} ({place}); it accepts {accepted}")
