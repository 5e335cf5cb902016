"""Spans and measurements of calls, of both colours, as an SDK collects them."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.instrumentation import grpc as instrumentation
from opentelemetry.instrumentation.grpc import filters
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import REGISTRY, generate_latest

import genai_grpc as genai
from genai_grpc import errors, protos
from genai_grpc.local import STALL, ScriptEngine, serve
from genai_grpc.local.server import Server
from genai_grpc.telemetry import OpenTelemetry

KEY = "AIzaSy-a-very-secret-key"


class Collected:
    """An SDK that keeps everything in memory."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.reader = InMemoryMetricReader()
        self.meters = MeterProvider(metric_readers=[self.reader])

    @property
    def spans(self) -> list[ReadableSpan]:
        return list(self.exporter.get_finished_spans())

    def attributes(self) -> dict[str, Any]:
        """Those of the only span."""
        [span] = self.spans
        return dict(span.attributes or {})

    def points(self, name: str) -> list[Any]:
        """The data points of a metric; none if it was not measured."""
        data = self.reader.get_metrics_data()
        scopes = [] if data is None else [scope for each in data.resource_metrics for scope in each.scope_metrics]
        return [
            p for scope in scopes for metric in scope.metrics if metric.name == name for p in metric.data.data_points
        ]


@pytest.fixture
def collected() -> Iterator[Collected]:
    found = Collected()
    yield found
    found.tracers.shutdown()
    found.meters.shutdown()


@pytest.fixture
def client(server: Server, collected: Collected) -> Iterator[genai.Client]:
    telemetry = OpenTelemetry(collected.tracers, collected.meters)
    with genai.Client(endpoint=server.endpoint, interceptors=[telemetry]) as connected:
        yield connected


def test_a_call(collected: Collected, model: genai.GenerativeModel, script: ScriptEngine, api: Any) -> None:
    """A call is one client span with the request's settings and the reply's usage, and is measured."""
    script.reply("two words")
    api.generate(
        model, "one two three", generation_config={"temperature": 0.7, "top_k": 3, "stop_sequences": ["end"], "seed": 0}
    )
    [span] = collected.spans
    assert (span.name, span.kind) == ("generate_content gemini-pro", trace.SpanKind.CLIENT)
    assert span.status.is_unset
    found = collected.attributes()
    expected = {
        "gen_ai.operation.name": "generate_content",
        "gen_ai.provider.name": "gcp.gemini",
        "gen_ai.request.model": "gemini-pro",
        "gen_ai.request.temperature": 0.7,
        "gen_ai.request.top_k": 3,
        "gen_ai.request.seed": 0,
        "gen_ai.request.stop_sequences": ("end",),
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.usage.input_tokens": 3,
        "gen_ai.usage.output_tokens": 2,
        "genai_grpc.attempts": 1,
    }
    assert {name: found.get(name) for name in expected} == expected
    assert "gen_ai.input.messages" not in found
    [duration] = collected.points("gen_ai.client.operation.duration")
    assert duration.count == 1
    assert duration.explicit_bounds[-1] == 81.92
    tokens = {p.attributes["gen_ai.token.type"]: p.sum for p in collected.points("gen_ai.client.token.usage")}
    assert tokens == {"input": 3, "output": 2}
    assert collected.points("genai_grpc.client.retries") == []


def test_a_stream(collected: Collected, model: genai.GenerativeModel, script: ScriptEngine, api: Any) -> None:
    """A stream's span ends with the stream, not with its first chunk, and has the usage of the last one."""
    script.reply("one", " two", " three")
    response = api.generate(model, "Hi", stream=True)
    assert collected.spans == []
    assert not trace.get_current_span().get_span_context().is_valid
    api.resolve(response)
    found = collected.attributes()
    assert found["gen_ai.request.stream"] is True
    assert found["gen_ai.usage.output_tokens"] == 3
    assert found["gen_ai.response.time_to_first_chunk"] > 0
    [first] = collected.points("gen_ai.client.operation.time_to_first_chunk")
    assert first.count == 1


def test_a_stream_given_up(collected: Collected, model: genai.GenerativeModel, script: ScriptEngine, api: Any) -> None:
    """A stream that the program closes ends its span as cancelled."""
    script.reply("one", STALL)
    api.close(api.generate(model, "Hi", stream=True))
    assert collected.attributes()["error.type"] == "CANCELLED"
    [span] = collected.spans
    assert span.status.status_code is trace.StatusCode.ERROR


def test_a_cancelled_task(collected: Collected, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """Cancelling a call's task ends its span, and the task's own span is current again."""
    script.reply(STALL)

    async def cancelled_inside() -> bool:
        before = trace.get_current_span()
        with pytest.raises(asyncio.CancelledError):
            await model.generate_content_async("Hi")
        return trace.get_current_span() is before

    async def main() -> None:
        task = asyncio.ensure_future(cancelled_inside())
        while not script.requests:  # noqa: ASYNC110 -- the server is on another thread
            await asyncio.sleep(0.01)
        task.cancel()
        assert await task

    asyncio.run(main())
    assert collected.attributes()["error.type"] == "CANCELLED"


def test_retries(collected: Collected, model: genai.GenerativeModel, script: ScriptEngine, api: Any) -> None:
    """Tries after the first are counted, within one span."""
    script.reply(errors.ServiceUnavailable("not now")).reply("Hello")
    api.generate(model, "Hi")
    assert collected.attributes()["genai_grpc.attempts"] == 2
    [retries] = collected.points("genai_grpc.client.retries")
    assert retries.value == 1


def test_other_calls(collected: Collected, model: genai.GenerativeModel, api: Any) -> None:
    """A call that generates nothing has a span by the conventions for RPCs, and is no GenAI operation."""
    api.count(model, "one two")
    [span] = collected.spans
    assert span.name == "google.ai.generativelanguage.v1beta.GenerativeService/CountTokens"
    assert collected.attributes()["rpc.response.status_code"] == "OK"
    assert collected.points("gen_ai.client.operation.duration") == []


def test_content(collected: Collected, server: Server, script: ScriptEngine, api: Any) -> None:
    """Content is on spans where the program asks for it."""
    script.reply("Hello")
    telemetry = OpenTelemetry(collected.tracers, collected.meters, capture_content=True)
    with genai.Client(endpoint=server.endpoint, interceptors=[telemetry]) as client:
        api.generate(genai.GenerativeModel(client=client, system_instruction="Be kind."), "Hi")
        if hasattr(api, "loop"):
            api.loop.run_until_complete(client.aclose())
    found = collected.attributes()
    assert json.loads(found["gen_ai.input.messages"]) == [
        {"role": "user", "parts": [{"type": "text", "content": "Hi"}]}
    ]
    assert json.loads(found["gen_ai.system_instructions"]) == [{"type": "text", "content": "Be kind."}]
    assert json.loads(found["gen_ai.output.messages"]) == [
        {"role": "assistant", "parts": [{"type": "text", "content": "Hello"}], "finish_reason": "stop"}
    ]


def test_thoughts_and_unknown_reasons(
    collected: Collected, model: genai.GenerativeModel, script: ScriptEngine, api: Any
) -> None:
    """Thoughts count as output, cached tokens stay among the input, and a finish reason of the future is its number."""
    reply = protos.GenerateContentResponse(response_id="r1", model_version="gemini-pro-002")
    reply.candidates.add(finish_reason=999).content.parts.add(text="Hi")
    usage = reply.usage_metadata
    usage.prompt_token_count, usage.cached_content_token_count = 10, 4
    usage.candidates_token_count, usage.thoughts_token_count = 2, 5
    script.reply(reply)
    api.generate(model, "Hi")
    found = collected.attributes()
    assert (found["gen_ai.response.id"], found["gen_ai.response.model"]) == ("r1", "gemini-pro-002")
    assert found["gen_ai.response.finish_reasons"] == ("999",)
    assert (found["gen_ai.usage.input_tokens"], found["gen_ai.usage.output_tokens"]) == (10, 7)
    assert found["gen_ai.usage.cache_read.input_tokens"] == 4
    assert found["gen_ai.usage.reasoning.output_tokens"] == 5


def test_no_key(collected: Collected, api: Any, caplog: pytest.LogCaptureFixture) -> None:
    """No span, measurement or log line holds the key, also where the service's error quotes it."""
    caplog.set_level(logging.DEBUG)
    script = ScriptEngine().reply("Hello").reply(errors.InvalidArgument(f"API key not valid: {KEY}"))
    telemetry = OpenTelemetry(collected.tracers, collected.meters)
    with (
        serve(script, api_key=KEY) as server,
        genai.Client(KEY, endpoint=server.endpoint, interceptors=[telemetry]) as client,
    ):
        model = genai.GenerativeModel(client=client)
        api.generate(model, "Hi")
        with pytest.raises(errors.InvalidArgument):
            api.generate(model, "Hi")
        if hasattr(api, "loop"):
            api.loop.run_until_complete(client.aclose())
    assert [(span.attributes or {}).get("error.type") for span in collected.spans] == [None, "INVALID_ARGUMENT"]
    measured = collected.reader.get_metrics_data()
    assert measured is not None
    for place in (*(span.to_json() for span in collected.spans), measured.to_json(), caplog.text):
        assert "AIzaSy" not in place


def test_children(
    collected: Collected, server: Server, script: ScriptEngine, api: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The published instrumentation of gRPC makes a span of each try, under the span of the call."""
    script.reply(errors.ServiceUnavailable("not now")).reply("Hello").reply("one", STALL)
    # The sync instrumentor knows the global provider only, which a process sets once.
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: collected.tracers)
    asynchronous = hasattr(api, "loop")
    untyped: Any = instrumentation
    interceptors = [OpenTelemetry(), *(untyped.aio_client_interceptors() if asynchronous else ())]
    # Its sync streams are generators, which cannot be cancelled: they are left out.
    patch = untyped.GrpcInstrumentorClient(filter_=filters.negate(filters.method_name("StreamGenerateContent")))
    if not asynchronous:
        patch.instrument()
    try:
        with genai.Client(endpoint=server.endpoint, interceptors=interceptors) as client:
            model = genai.GenerativeModel(client=client)
            api.generate(model, "Hi")
            *tries, call = collected.spans
            api.close(api.generate(model, "Hi", stream=True))
            script.wait_cancelled()
            if asynchronous:
                api.loop.run_until_complete(client.aclose())
    finally:
        if not asynchronous:
            patch.uninstrument()
    assert not trace.get_current_span().get_span_context().is_valid
    assert call.name.startswith("generate_content ")
    method = "/google.ai.generativelanguage.v1beta.GenerativeService/GenerateContent"
    assert [each.name for each in tries] == [method] * 2
    assert call.context is not None
    assert [each.parent and each.parent.span_id for each in tries] == [call.context.span_id] * 2


def test_prometheus(server: Server, script: ScriptEngine) -> None:
    """OpenTelemetry's exporter shows the measurements to Prometheus."""
    script.reply("two words")
    meters = MeterProvider(metric_readers=[PrometheusMetricReader()])
    try:
        with genai.Client(endpoint=server.endpoint, interceptors=[OpenTelemetry(meter_provider=meters)]) as client:
            genai.GenerativeModel("gemini-pro", client=client).generate_content("Hi")
        text = generate_latest(REGISTRY).decode()
    finally:
        meters.shutdown()
    [count] = [line for line in text.splitlines() if line.startswith("gen_ai_client_operation_duration_seconds_count")]
    assert 'gen_ai_request_model="gemini-pro"' in count
    assert count.endswith(" 1.0")
