"""Bad bytes: whatever a server sends, only errors of ours come out."""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import genai_grpc as genai
from genai_grpc import errors, protos
from genai_grpc_protos.rpc import ErrorInfo, QuotaFailure, RetryInfo, Status

if TYPE_CHECKING:
    from collections.abc import Iterator


class Bytes(grpc.GenericRpcHandler):
    """A server whose replies and details are the bytes that a test gives."""

    def __init__(self) -> None:
        self.replies: list[bytes] = []
        self.code: grpc.StatusCode | None = None
        self.trailing: list[tuple[str, Any]] = []

    def service(self, handler_call_details: Any) -> Any:
        if "Stream" in handler_call_details.method:
            return grpc.unary_stream_rpc_method_handler(self._stream)
        return grpc.unary_unary_rpc_method_handler(self._whole)

    def _end(self, context: grpc.ServicerContext) -> None:
        context.set_trailing_metadata(tuple(self.trailing))
        if self.code is not None:
            context.abort(self.code, "it broke")

    def _whole(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        del request
        self._end(context)
        return self.replies[0] if self.replies else b""

    def _stream(self, request: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
        del request
        yield from self.replies
        self._end(context)


@pytest.fixture(scope="module")
def broken() -> Iterator[tuple[Bytes, genai.GenerativeModel]]:
    """The server, and a model of it."""
    handler = Bytes()
    server = grpc.server(ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers((handler,))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with genai.Client(endpoint=f"http://127.0.0.1:{port}", retry=genai.types.RetryPolicy(tries=1)) as client:
        yield handler, genai.GenerativeModel(client=client)
    server.stop(None).wait()


REPLY = protos.GenerateContentResponse(
    candidates=[protos.Candidate(content=protos.Content(parts=[protos.Part(text="Hello")]), index=1)],
    usage_metadata=protos.GenerateContentResponse.UsageMetadata(total_token_count=3),
).SerializeToString()


def damaged(whole: bytes) -> st.SearchStrategy[bytes]:
    """Bytes that once were a message: cut, changed, or with others among them."""
    places = st.integers(0, len(whole))
    cut = st.builds(lambda end: whole[:end], places)
    changed = st.builds(lambda at, byte: whole[:at] + bytes([byte]) + whole[at + 1 :], places, st.integers(0, 255))
    filled = st.builds(lambda at, more: whole[:at] + more + whole[at:], places, st.binary(min_size=1, max_size=8))
    return cut | changed | filled


replies = st.binary(max_size=40) | damaged(REPLY)
info = [RetryInfo(), ErrorInfo(reason="R", metadata={"a": "b"}), QuotaFailure(violations=[QuotaFailure.Violation()])]
status = Status(code=8, message="no")
for each in info:
    status.details.add().Pack(each)
details = st.binary(max_size=40) | damaged(status.SerializeToString())
codes = st.sampled_from([code for code in grpc.StatusCode if code is not grpc.StatusCode.OK])
MANY = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def everything_of(response: Any) -> None:
    """Look at all that a response offers."""
    for name in ("candidates", "parts", "text", "parsed", "function_calls", "thoughts"):
        with contextlib.suppress(ValueError, errors.GenAIError):  # what a response without such content says
            getattr(response, name)
    response.prompt_feedback, response.usage_metadata, response.model_version, response.response_id  # noqa: B018
    response.to_dict()
    repr(response)
    type(response).from_json(response.to_json())


@MANY
@given(data=replies)
def test_replies(broken: tuple[Bytes, genai.GenerativeModel], data: bytes) -> None:
    """A reply of any bytes is a response of which everything can be asked, or an APIError."""
    handler, model = broken
    handler.replies, handler.code, handler.trailing = [data], None, []
    try:
        response = model.generate_content("Hi")
    except errors.APIError:
        return
    everything_of(response)


@MANY
@given(chunks=st.lists(replies, max_size=4))
def test_chunks(broken: tuple[Bytes, genai.GenerativeModel], chunks: list[bytes]) -> None:
    """So is a stream of any chunks."""
    handler, model = broken
    handler.replies, handler.code, handler.trailing = chunks, None, []
    try:
        response = model.generate_content("Hi", stream=True)
        for chunk in response:
            everything_of(chunk)
    except errors.GenAIError:
        return
    everything_of(response)


@MANY
@given(code=codes, data=details, stream=st.booleans())
def test_details(broken: tuple[Bytes, genai.GenerativeModel], code: grpc.StatusCode, data: bytes, stream: bool) -> None:
    """Details of any bytes come with the error of the status code, decoded as far as they can be."""
    handler, model = broken
    handler.replies, handler.code, handler.trailing = [], code, [("grpc-status-details-bin", data)]
    with pytest.raises(errors.APIError) as caught:
        model.generate_content("Hi", stream=stream)
    error = caught.value
    assert error.number == code.value[0]
    assert (error.reason, error.domain, error.metadata, error.request_id, error.retry_delay) is not None
    assert repr(error)
    assert str(error)
