"""Bad bytes: whatever a server sends, only errors of ours come out."""

from __future__ import annotations

import asyncio
import contextlib
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeAlias

import grpc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import genai_grpc as genai
from genai_grpc import errors, protos
from genai_grpc_protos.rpc import ErrorInfo, QuotaFailure, RetryInfo, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


Ask: TypeAlias = "Callable[[bool, bool], Any]"


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
def broken() -> Iterator[tuple[Bytes, Ask]]:
    """The server, and a way to ask it, sync or async."""
    handler = Bytes()
    server = grpc.server(ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers((handler,))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with genai.Client(endpoint=f"http://127.0.0.1:{port}", retry=genai.types.RetryPolicy(max_attempts=1)) as client:
        model, loop = genai.GenerativeModel(client=client), asyncio.new_event_loop()

        def ask(asynchronous: bool, stream: bool) -> Any:
            if asynchronous:
                response: Any = loop.run_until_complete(model.generate_content_async("Hi", stream=stream))
                loop.run_until_complete(response.resolve())
            else:
                response = model.generate_content("Hi", stream=stream)
                response.resolve()
            return response

        yield handler, ask
        loop.run_until_complete(client.aclose())
        loop.close()
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
@given(data=replies, asynchronous=st.booleans())
def test_replies(broken: tuple[Bytes, Ask], data: bytes, asynchronous: bool) -> None:
    """A reply of any bytes is a response of which everything can be asked, or an APIError."""
    handler, ask = broken
    handler.replies, handler.code, handler.trailing = [data], None, []
    try:
        response = ask(asynchronous, False)
    except errors.GenAIError:
        return
    everything_of(response)


@MANY
@given(chunks=st.lists(replies, max_size=4), asynchronous=st.booleans())
def test_chunks(broken: tuple[Bytes, Ask], chunks: list[bytes], asynchronous: bool) -> None:
    """So is a stream of any chunks."""
    handler, ask = broken
    handler.replies, handler.code, handler.trailing = chunks, None, []
    try:
        response = ask(asynchronous, True)
    except errors.GenAIError:
        return
    everything_of(response)


@MANY
@given(code=codes, data=details, asynchronous=st.booleans(), stream=st.booleans())
def test_details(
    broken: tuple[Bytes, Ask], code: grpc.StatusCode, data: bytes, asynchronous: bool, stream: bool
) -> None:
    """Details of any bytes come with the error of the status code, decoded as far as they can be."""
    handler, ask = broken
    handler.replies, handler.code, handler.trailing = [], code, [("grpc-status-details-bin", data)]
    with pytest.raises(errors.APIError) as caught:
        ask(asynchronous, stream)
    error = caught.value
    assert error.number == code.value[0]
    assert {type(each) for each in (error.reason, error.domain, error.request_id)} <= {str, type(None)}
    assert isinstance(error.metadata, (dict, type(None)))
    assert isinstance(error.retry_delay, (float, type(None)))
    assert repr(error)
    assert str(error)


@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_no_reply_at_all(
    broken: tuple[Bytes, Ask], asynchronous: bool, stream: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """What is no message fails the call, in a stream after good chunks too; gRPC has nothing to complain of itself."""
    handler, ask = broken
    handler.replies, handler.code, handler.trailing = [*([REPLY] if stream else []), b"\xff\xff"], None, []
    with pytest.raises(errors.InternalServerError, match="the service's reply cannot be read"):
        ask(asynchronous, stream)
    assert caplog.records == []
