"""The errors of HTTP replies."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from genai_grpc._rpc.operation import HttpReply
from genai_grpc._rpc.secret import mask
from genai_grpc._rpc.status import error_class, unpack
from genai_grpc.errors import BY_NUMBER

__all__ = ["check_reply"]


_BY_STATUS: Final[dict[str, int]] = {cls.status: number for number, cls in BY_NUMBER.items()}
# For replies whose body does not name the status (https://cloud.google.com/apis/design/errors).
_BY_CODE: Final = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    408: "UNAVAILABLE",
    409: "ABORTED",
    413: "INVALID_ARGUMENT",
    416: "OUT_OF_RANGE",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    504: "DEADLINE_EXCEEDED",
}
_SHOWN: Final = 200


def check_reply(reply: HttpReply, secrets: Iterable[str] = ()) -> HttpReply:
    """The reply, if its status says that the request succeeded (2xx, or 308 of the resumable protocol).

    Args:
        reply: The reply.
        secrets: The keys and tokens that were sent, which are masked where the server repeats them.

    Raises:
        APIError: That of the status in Google's JSON, else of the status code; without such JSON, the message says
            what answered.
    """
    if 200 <= reply.status < 300:
        return reply
    try:
        code, status, message, details = _read_error(reply)
    except (ValueError, TypeError, LookupError, AttributeError):
        kind = reply.headers.get("content-type", "").partition(";")[0] or "no content"
        message = f"{reply.host} answered with HTTP {reply.status} and {kind}, as no Gemini API does"
        if reply.body and kind in ("text/plain", "application/json"):
            message += f": {reply.body[:_SHOWN].decode(errors='replace')}"
        code, status, details = reply.status, "", ()
    by_code = _BY_CODE.get(code, "UNAVAILABLE" if code > 500 else "UNKNOWN")
    number = _BY_STATUS.get(status, _BY_STATUS[by_code])
    if not any(detail.DESCRIPTOR.name == "RetryInfo" for detail in details):
        details += _retry_after(reply.headers)
    raise error_class(number)(mask(message, secrets), details=details)


def _read_error(reply: HttpReply) -> tuple[int, str, str, tuple[Any, ...]]:
    """The code, the status ("" for none), the message and the details of Google's JSON.

    Raises:
        ValueError, TypeError, LookupError, AttributeError: It is none.
    """
    from genai_grpc_protos._json import from_json_dict, load_json  # json_format takes 50 ms
    from genai_grpc_protos.rpc import Status

    value: Any = load_json(reply.body)
    error = (value[0] if isinstance(value, list) else value)["error"]  # a list is that of a stream
    status = str(error.get("status", ""))
    code = reply.status if status in _BY_STATUS else int(error["code"])
    message = str(error.get("message", ""))
    try:
        packed = from_json_dict(Status, {"details": error.get("details", [])}).details
    except ValueError:
        return code, status, message, ()
    return code, status, message, tuple(map(unpack, packed))


def _retry_after(headers: Mapping[str, str]) -> tuple[Any, ...]:
    """A RetryInfo for the header that gateways send in its place: seconds, or a date beside that of the reply."""
    from email.utils import parsedate_to_datetime  # imported by every HTTP client, but not by programs of gRPC

    from genai_grpc_protos.protobuf import Duration
    from genai_grpc_protos.rpc import RetryInfo

    value = headers.get("retry-after", "")
    try:
        if value.isdecimal():
            seconds = int(value)
        else:
            wait = parsedate_to_datetime(value) - parsedate_to_datetime(headers.get("date", ""))
            seconds = int(wait.total_seconds())
    except (ValueError, TypeError):
        return ()
    return (RetryInfo(retry_delay=Duration(seconds=min(max(seconds, 0), 24 * 3600))),)
