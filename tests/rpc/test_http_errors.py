"""Errors of HTTP replies."""

from __future__ import annotations

import json
from email.utils import formatdate
from typing import Any

import pytest

from genai_grpc import errors
from genai_grpc._rpc.http_errors import check_reply
from genai_grpc._rpc.operation import HttpReply


def error_of(body: Any = "", **headers: str) -> errors.APIError:
    """The error of a reply with status 429."""
    reply = HttpReply(429, {"content-type": "application/json", **headers}, json.dumps(body).encode(), "host")
    with pytest.raises(errors.ResourceExhausted) as caught:
        check_reply(reply)
    return caught.value


@pytest.mark.parametrize(
    ("header", "delay"),
    [
        ("30", 30.0),
        ("0", 0.0),
        ("999999999", 24 * 3600.0),
        (formatdate(0, usegmt=True), None),  # without the date of the reply
        ("", None),
        ("-1", None),
        ("soon", None),
        ("9" * 5000, None),
        ("Wed, 99 Oct 2026 07:28:00 GMT", None),
    ],
)
def test_retry_after(header: str, delay: float | None) -> None:
    """The header Retry-After is the delay of the error; what is none of its forms is ignored."""
    assert error_of(**{"retry-after": header}).retry_delay == delay


def test_date() -> None:
    """It may be a date, by the clock of the server."""
    later = formatdate(5400, usegmt=True)
    assert error_of(**{"retry-after": later, "date": formatdate(1800, usegmt=True)}).retry_delay == 3600.0
    assert error_of(**{"retry-after": later, "date": formatdate(7200, usegmt=True)}).retry_delay == 0.0


def test_retry_info() -> None:
    """The RetryInfo of the service comes first."""
    info = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "1.5s"}
    body = {"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "wait", "details": [info]}}
    assert error_of(body, **{"retry-after": "30"}).retry_delay == 1.5
