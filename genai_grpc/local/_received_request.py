"""The request that the current task answers: what its service and its engine share besides the message."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final, TypeAlias

from genai_grpc import protos
from genai_grpc._transport.config import CREDENTIAL_HEADERS

__all__ = ["RECEIVED", "Metadata", "ReceivedRequest", "current_caller", "received_metadata", "to_caller"]

Metadata: TypeAlias = "tuple[tuple[str, str | bytes], ...]"


@dataclass(slots=True)
class ReceivedRequest:
    """A request in progress.

    Attributes:
        metadata: Its metadata, with `***` in place of credentials.
        caller: Who calls: a digest of the API key or token, "" for a call without one.
        model: The model that it names; "" if none.
        usage: The tokens used so far; None while unknown.
    """

    metadata: Metadata
    caller: str = ""
    model: str = ""
    usage: protos.GenerateContentResponse.UsageMetadata | None = None


RECEIVED: Final[ContextVar[ReceivedRequest | None]] = ContextVar("genai_grpc_received_request", default=None)
"""The current task's request; None outside of a server. gRPC answers each call in a task of its own."""


def received_metadata() -> Metadata:
    """The metadata of the current call; for engines, whose methods get the request message alone.

    Returns:
        Pairs of key and value in the order of arrival; bytes if the key ends with "-bin". The values of credentials
        are `***`. Empty outside of a call.

    >>> received_metadata()
    ()
    """
    received = RECEIVED.get()
    return () if received is None else received.metadata


def to_caller(metadata: Iterable[tuple[str, str | bytes]]) -> str:
    """The name of a caller, for the ownership of resources: a digest of the key or token; "" without one."""
    for name, value in metadata:
        if name in CREDENTIAL_HEADERS:
            credential = value.encode() if isinstance(value, str) else value
            return hashlib.sha256(credential).hexdigest()[:16]
    return ""


def current_caller() -> str:
    """The caller of the current call; "" for one without a key, and outside of a call."""
    received = RECEIVED.get()
    return "" if received is None else received.caller
