"""Download of a file's content over HTTP, as an operation."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Protocol

from genai_grpc._rpc.http_errors import check_reply
from genai_grpc._rpc.operation import HttpRequest, Operation, Sleep
from genai_grpc._rpc.retry_policy import RetryPolicy
from genai_grpc.errors import APIError, DataLoss

__all__ = ["DownloadSink", "download"]


class DownloadSink(Protocol):
    """Where the content goes."""

    def write(self, data: bytes) -> object:
        """Append bytes."""

    def rewind(self) -> bool:
        """Drop what was written; False if that cannot be."""
        ...


def download(
    url: str,
    sink: DownloadSink,
    sha256_hash: bytes,
    retry: RetryPolicy,
    secrets: Callable[[], tuple[str, ...]],
    on_progress: Callable[[int, int | None], object],
) -> Operation[int]:
    """Download a content, and return its number of bytes. After a break it begins anew.

    Args:
        url: The URL.
        sink: Where the content goes.
        sha256_hash: Its SHA-256, as bytes or as hexadecimal digits; empty if it is unknown.
        retry: The retry policy.
        secrets: The keys and tokens to mask in errors.
        on_progress: Called with the bytes so far; the size is unknown.

    Raises:
        APIError: The service refused it, or the attempts are used up.
        DataLoss: The content has another hash.
    """
    attempt = 0
    while True:
        attempt += 1
        digest, received = hashlib.sha256(), 0

        def take(data: bytes) -> None:
            nonlocal received
            sink.write(data)
            digest.update(data)  # noqa: B023 -- each request ends before the next begins
            received += len(data)
            on_progress(received, None)

        try:
            reply = yield HttpRequest("GET", url, {}, sink=take)
            check_reply(reply, secrets() if reply.status >= 300 else ())
        except APIError as error:
            error.attempts = attempt
            delay = retry.backoff(error, attempt)
            if delay is None or not sink.rewind():
                raise
            yield Sleep(delay)
            continue
        if sha256_hash and sha256_hash not in (digest.digest(), digest.hexdigest().encode()):
            raise DataLoss(
                f"the content of {url} arrived with the SHA-256 {digest.hexdigest()}, which is not the file's"
            )
        return received
