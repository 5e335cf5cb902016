"""Errors for replies that are not those of a gRPC server: of a captive portal, a gateway, an HTTP/1.1 server.

gRPC maps the HTTP status of such a reply to a status code
(https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md), which decides on the error class and on
retries. It gives the HTTP status itself in the text of the status message only, and the content type nowhere. No other
module reads such texts, and all that depends on them is the message of the error: a text that is not known here stays.
"""

from __future__ import annotations

from typing import Final

from genai_grpc.errors import Unknown

__all__ = ["explain", "unknown_status"]

_UNKNOWN, _UNAVAILABLE = 2, 14
_HTTP_STATUS: Final = "Received http2 header with status: "
# The reply ended after its body, or after its headers.
_NO_STATUS: Final = ("Stream removed", "No status received")
# The first is of a plaintext connection, the second of TLS, where the server chose no HTTP/2.
_NO_HTTP2: Final = ("Failed parsing HTTP/2", "missing selected ALPN property")
_ADVICE: Final = "check the endpoint, and proxies or a captive portal on the way"


def explain(number: int, message: str | None) -> str | None:
    """The status message of a call, with what answered if that was no gRPC server.

    Args:
        number: The number of the status code.
        message: The status message.
    """
    if not message:
        return message
    if message.startswith(_HTTP_STATUS):
        status = message.removeprefix(_HTTP_STATUS)
        return f"what answered is no gRPC server: it replied with HTTP status {status}; {_ADVICE}"
    if number == _UNKNOWN and message.startswith(_NO_STATUS):
        return (
            "the reply ended without a gRPC status: what answered is no gRPC server, or a proxy on the way cut the "
            f"reply ({message}); {_ADVICE}"
        )
    if number == _UNAVAILABLE and any(text in message for text in _NO_HTTP2):
        return f"what answered is no gRPC server: it does not speak HTTP/2; {_ADVICE} ({message})"
    return message


def unknown_status(error: KeyError) -> BaseException:
    """The error for grpc.aio's KeyError of a status code that gRPC does not define (grpcio 1.71)."""
    number = error.args[0] if error.args else None
    return Unknown(f"the service sent the unknown status code {number}") if type(number) is int else error
