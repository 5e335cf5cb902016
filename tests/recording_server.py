"""A gRPC server that records the metadata of each attempt, and sends metadata of its own."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import grpc

from genai_grpc import protos
from genai_grpc_protos._convert import to_message

INITIAL: Final = (("x-request-id", "r-1"), ("x-bytes-bin", b"\x00\xff"))
TRAILING: Final = (("server-timing", "gfet4t7; dur=3"),)


class RecordingServer:
    """Replies "One, two"; a stream does so in two chunks.

    Args:
        failures: How many attempts end as UNAVAILABLE at first.
        broken: Whether a stream ends as DATA_LOSS after its first chunk.

    Attributes:
        endpoint: Its address.
        received: The metadata of each attempt.
    """

    def __init__(self, failures: int = 0, broken: bool = False) -> None:
        self.received: list[dict[str, Any]] = []
        self._failures = failures
        self._broken = broken
        self._server = grpc.server(ThreadPoolExecutor(4))
        read: Any = protos.GenerateContentRequest.FromString
        write: Any = protos.GenerateContentResponse.SerializeToString
        handlers = {
            "GenerateContent": grpc.unary_unary_rpc_method_handler(self._generate, read, write),
            "StreamGenerateContent": grpc.unary_stream_rpc_method_handler(self._stream, read, write),
        }
        service = "google.ai.generativelanguage.v1beta.GenerativeService"
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
        self.endpoint = f"http://127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"

    def __enter__(self) -> RecordingServer:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop(None).wait()

    def _generate(self, request: Any, context: Any) -> Any:
        self._record(context)
        return chunk("One, two")

    def _stream(self, request: Any, context: Any) -> Iterator[Any]:
        self._record(context)
        yield chunk("One,")
        if self._broken:
            context.abort(grpc.StatusCode.DATA_LOSS, "lost")
        yield chunk(" two")

    def _record(self, context: Any) -> None:
        self.received.append(dict(context.invocation_metadata()))
        context.send_initial_metadata(INITIAL)
        context.set_trailing_metadata(TRAILING)
        if len(self.received) <= self._failures:
            context.abort(grpc.StatusCode.UNAVAILABLE, "not now")


def chunk(text: str) -> Any:
    """A response of one text part."""
    return to_message(
        protos.GenerateContentResponse, {"candidates": [{"content": {"role": "model", "parts": [{"text": text}]}}]}
    )
