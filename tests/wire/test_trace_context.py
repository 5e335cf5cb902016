"""The trace context that goes out with each attempt, over real gRPC."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry import baggage, context, propagate, trace
from opentelemetry.instrumentation import grpc as instrumentation
from opentelemetry.trace import SpanContext, TraceFlags, TraceState
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

import genai_grpc as genai
from genai_grpc import types
from tests.conftest import Api
from tests.recording_server import RecordingServer
from tests.telemetry_sdk import Sdk

NO_BACKOFF = types.RetryPolicy(initial_backoff=0)


@pytest.fixture
def sdk() -> Iterator[Sdk]:
    """The SDK of one test."""
    with Sdk() as sdk:
        yield sdk


@pytest.fixture
def recording() -> Iterator[RecordingServer]:
    """A server that records metadata, and fails the first attempt."""
    with RecordingServer(failures=1) as server:
        yield server


@pytest.fixture
def parent() -> Iterator[SpanContext]:
    """The current span of the program, which came from elsewhere with a state and baggage."""
    parent = SpanContext(0x1234, 0x5678, True, TraceFlags(TraceFlags.SAMPLED), TraceState([("vendor", "value")]))
    current = trace.set_span_in_context(trace.NonRecordingSpan(parent))
    token = context.attach(baggage.set_baggage("tenant", "a b", current))
    yield parent
    context.detach(token)


@pytest.mark.parametrize("stream", [False, True])
def test_trace_context(sdk: Sdk, recording: RecordingServer, parent: SpanContext, api: Api, stream: bool) -> None:
    """Each attempt carries the span of the call as `traceparent`, with the program's trace, state and baggage."""
    client = genai.Client(endpoint=recording.endpoint, interceptors=[sdk.interceptor()], retry=NO_BACKOFF)
    api.resolve(api.generate(genai.GenerativeModel(client=client), "Hi", stream=stream))
    api.close_client(client)
    [span] = sdk.spans
    assert span.context is not None
    assert span.context.trace_id == parent.trace_id
    traceparent = f"00-{parent.trace_id:032x}-{span.context.span_id:016x}-01"
    assert [attempt["traceparent"] for attempt in recording.received] == [traceparent] * 2
    assert {attempt["tracestate"] for attempt in recording.received} == {"vendor=value"}
    assert {attempt["baggage"] for attempt in recording.received} == {"tenant=a+b"}


def test_off(sdk: Sdk, recording: RecordingServer, parent: SpanContext, api: Api) -> None:
    """With `propagate_context=False`, nothing of the program's context is sent."""
    interceptor = sdk.interceptor(propagate_context=False)
    client = genai.Client(endpoint=recording.endpoint, interceptors=[interceptor], retry=NO_BACKOFF)
    api.generate(genai.GenerativeModel(client=client), "Hi")
    api.close_client(client)
    assert len(recording.received) == 2
    assert not {"traceparent", "tracestate", "baggage"} & recording.received[0].keys()


class Propagator(TraceContextTextMapPropagator):
    """A propagator of a program, which writes what gRPC cannot carry."""

    def inject(self, carrier: Any, *args: Any, **kwargs: Any) -> None:
        super().inject(carrier, *args, **kwargs)
        carrier["X-Tenant"] = "é"


def test_propagator_of_the_program(sdk: Sdk, recording: RecordingServer, api: Api) -> None:
    """The global propagator writes the pairs; one that gRPC cannot carry is left out, and the call succeeds."""
    client = genai.Client(endpoint=recording.endpoint, interceptors=[sdk.interceptor()], retry=NO_BACKOFF)
    before = propagate.get_global_textmap()
    propagate.set_global_textmap(Propagator())
    try:
        api.generate(genai.GenerativeModel(client=client), "Hi")
    finally:
        propagate.set_global_textmap(before)
    api.close_client(client)
    assert "x-tenant" not in recording.received[0]
    assert "traceparent" in recording.received[0]


def test_span_of_attempt(sdk: Sdk, recording: RecordingServer, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """With opentelemetry-instrumentation-grpc, each attempt carries its own span as the only `traceparent`."""
    untyped: Any = instrumentation
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: sdk.tracer_provider)
    interceptors = [sdk.interceptor(), *(untyped.aio_client_interceptors() if api.is_async else ())]
    instrumentor = untyped.GrpcInstrumentorClient()
    if not api.is_async:
        instrumentor.instrument()
    try:
        client = genai.Client(endpoint=recording.endpoint, interceptors=interceptors, retry=NO_BACKOFF)
        api.generate(genai.GenerativeModel(client=client), "Hi")
        api.close_client(client)
    finally:
        if not api.is_async:
            instrumentor.uninstrument()
    *attempts, _ = sdk.spans
    sent = [attempt["traceparent"].split("-")[2] for attempt in recording.received]
    assert sent == [f"{attempt.context.span_id:016x}" for attempt in attempts if attempt.context is not None]
