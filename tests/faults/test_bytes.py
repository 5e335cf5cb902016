"""Malformed replies and details: whatever bytes a server sends, a call raises only the package's errors."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeAlias

import grpc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import genai_grpc as genai
from genai_grpc import errors, protos
from genai_grpc_protos.rpc import ErrorInfo, QuotaFailure, RetryInfo, Status

Generate: TypeAlias = Callable[[bool, bool], Any]


class BytesHandler(grpc.GenericRpcHandler):
    """Replies with the bytes, the status code and the trailing metadata that a test sets."""

    def __init__(self) -> None:
        self.replies: list[bytes] = []
        self.code: grpc.StatusCode | None = None
        self.trailing: list[tuple[str, Any]] = []

    def service(self, handler_call_details: Any) -> Any:
        if "Stream" in handler_call_details.method:
            return grpc.unary_stream_rpc_method_handler(self._stream)
        return grpc.unary_unary_rpc_method_handler(self._unary)

    def _set_status(self, context: grpc.ServicerContext) -> None:
        context.set_trailing_metadata(tuple(self.trailing))
        if self.code is not None:
            context.abort(self.code, "failed")

    def _unary(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        del request
        self._set_status(context)
        return self.replies[0] if self.replies else b""

    def _stream(self, request: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
        del request
        yield from self.replies
        self._set_status(context)


@pytest.fixture(scope="module")
def server_of_bytes() -> Iterator[tuple[BytesHandler, Generate]]:
    """The handler of a server, and a function that calls it: sync or async, unary or streamed."""
    handler = BytesHandler()
    server = grpc.server(ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers((handler,))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with genai.Client(endpoint=f"http://127.0.0.1:{port}", retry=genai.types.RetryPolicy(max_attempts=1)) as client:
        model, loop = genai.GenerativeModel(client=client), asyncio.new_event_loop()

        def generate(asynchronous: bool, stream: bool) -> Any:
            if asynchronous:
                response: Any = loop.run_until_complete(model.generate_content_async("Hi", stream=stream))
                loop.run_until_complete(response.resolve())
            else:
                response = model.generate_content("Hi", stream=stream)
                response.resolve()
            return response

        yield handler, generate
        loop.run_until_complete(client.aclose())
        loop.close()
    server.stop(None).wait()


REPLY = protos.GenerateContentResponse(
    candidates=[protos.Candidate(content=protos.Content(parts=[protos.Part(text="Hello")]), index=1)],
    usage_metadata=protos.GenerateContentResponse.UsageMetadata(total_token_count=3),
).SerializeToString()


def corrupted(message: bytes) -> st.SearchStrategy[bytes]:
    """A serialized message that is truncated, has one byte replaced, or has other bytes inserted."""
    offsets = st.integers(0, len(message))
    truncated = st.builds(lambda end: message[:end], offsets)
    replaced = st.builds(
        lambda at, byte: message[:at] + bytes([byte]) + message[at + 1 :], offsets, st.integers(0, 255)
    )
    inserted = st.builds(
        lambda at, more: message[:at] + more + message[at:], offsets, st.binary(min_size=1, max_size=8)
    )
    return truncated | replaced | inserted


replies = st.binary(max_size=40) | corrupted(REPLY)
status = Status(code=8, message="no")
for detail in (
    RetryInfo(),
    ErrorInfo(reason="R", metadata={"a": "b"}),
    QuotaFailure(violations=[QuotaFailure.Violation()]),
):
    status.details.add().Pack(detail)
details = st.binary(max_size=40) | corrupted(status.SerializeToString())
codes = st.sampled_from([code for code in grpc.StatusCode if code is not grpc.StatusCode.OK])
FUZZING = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def read_every_attribute(response: Any) -> None:
    """Read every attribute of a response, and convert it to a dictionary, JSON and back."""
    for name in ("candidates", "parts", "text", "parsed", "function_calls", "thoughts"):
        with contextlib.suppress(ValueError, errors.GenAIError):  # raised for a response without such content
            getattr(response, name)
    response.prompt_feedback, response.usage_metadata, response.model_version, response.response_id  # noqa: B018
    response.to_dict()
    repr(response)
    type(response).from_json(response.to_json())


@FUZZING
@given(data=replies, asynchronous=st.booleans())
def test_replies(server_of_bytes: tuple[BytesHandler, Generate], data: bytes, asynchronous: bool) -> None:
    """A reply of any bytes is a response whose attributes can all be read, or an error of the package."""
    handler, generate = server_of_bytes
    handler.replies, handler.code, handler.trailing = [data], None, []
    try:
        response = generate(asynchronous, False)
    except errors.GenAIError:
        return
    read_every_attribute(response)


@FUZZING
@given(chunks=st.lists(replies, max_size=4), asynchronous=st.booleans())
def test_chunks(server_of_bytes: tuple[BytesHandler, Generate], chunks: list[bytes], asynchronous: bool) -> None:
    """A stream of any chunks is a response whose attributes can all be read, or an error of the package."""
    handler, generate = server_of_bytes
    handler.replies, handler.code, handler.trailing = chunks, None, []
    try:
        response = generate(asynchronous, True)
    except errors.GenAIError:
        return
    read_every_attribute(response)


@FUZZING
@given(code=codes, data=details, asynchronous=st.booleans(), stream=st.booleans())
def test_details(
    server_of_bytes: tuple[BytesHandler, Generate], code: grpc.StatusCode, data: bytes, asynchronous: bool, stream: bool
) -> None:
    """Details of any bytes come with the error of the status code, decoded as far as possible."""
    handler, generate = server_of_bytes
    handler.replies, handler.code, handler.trailing = [], code, [("grpc-status-details-bin", data)]
    with pytest.raises(errors.APIError) as caught:
        generate(asynchronous, stream)
    error = caught.value
    assert error.number == code.value[0]
    assert {type(each) for each in (error.reason, error.domain, error.request_id)} <= {str, type(None)}
    assert isinstance(error.metadata, (dict, type(None)))
    assert isinstance(error.retry_delay, (float, type(None)))
    assert repr(error)
    assert str(error)


@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("stream", [False, True], ids=["unary", "stream"])
def test_reply_that_does_not_parse(
    server_of_bytes: tuple[BytesHandler, Generate], asynchronous: bool, stream: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """A reply that does not parse is InternalServerError, in a stream after valid chunks too; gRPC logs nothing."""
    handler, generate = server_of_bytes
    handler.replies, handler.code, handler.trailing = [*([REPLY] if stream else []), b"\xff\xff"], None, []
    with pytest.raises(errors.InternalServerError, match="the service's reply cannot be decoded"):
        generate(asynchronous, stream)
    assert caplog.records == []
