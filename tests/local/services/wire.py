"""Calls of the services over gRPC, for the tests of the services."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import grpc
import pytest

from genai_grpc import local, protos
from genai_grpc._rpc.status import parse_status
from genai_grpc.errors import APIError
from genai_grpc_protos.v1beta.cache_service_pb2_grpc import CacheServiceStub
from genai_grpc_protos.v1beta.generative_service_pb2_grpc import GenerativeServiceStub
from genai_grpc_protos.v1beta.model_service_pb2_grpc import ModelServiceStub

__all__ = ["ALIAS", "SCRIPT", "Stubs", "error_of", "serving", "text", "to_request"]

SCRIPT = "models/script"
ALIAS = "models/gemini-pro"


class Stubs:
    """The stubs of the services, on one channel."""

    def __init__(self, channel: grpc.Channel) -> None:
        self.generative = GenerativeServiceStub(channel)
        self.models = ModelServiceStub(channel)
        self.caches = CacheServiceStub(channel)


@contextmanager
def serving(*engines: Any, **settings: Any) -> Iterator[Stubs]:
    """Serve the engines for the length of a block."""
    with local.serve(*engines, **settings) as server, grpc.insecure_channel(server.address) as channel:
        yield Stubs(channel)


def to_request(*parts: protos.Part, model: str = SCRIPT, role: str = "user") -> protos.GenerateContentRequest:
    """A request for content with one turn, which says "Hello there" by default."""
    turn = protos.Content(role=role, parts=parts or [protos.Part(text="Hello there")])
    return protos.GenerateContentRequest(model=model, contents=[turn])


def error_of(call: Callable[[], object]) -> APIError:
    """The error that a call raises, parsed as the client does."""
    with pytest.raises(grpc.RpcError) as caught:
        call()
    error: Any = caught.value
    return parse_status(error.code(), error.details(), error.trailing_metadata())


def text(response: protos.GenerateContentResponse) -> str:
    """The text of a response, or chunk, with one part."""
    return response.candidates[0].content.parts[0].text
