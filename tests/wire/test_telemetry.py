"""OpenTelemetry spans and metrics of sync and async calls, as an SDK collects them."""

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
from prometheus_client import REGISTRY, generate_latest

import genai_grpc as genai
from genai_grpc import errors, protos
from genai_grpc._services.messages import Protos
from genai_grpc.local import STALL, ScriptEngine, serve
from genai_grpc.local.server import Server
from genai_grpc.telemetry import OpenTelemetry
from tests.conftest import Api, Connect
from tests.telemetry_sdk import Sdk

KEY = "AIzaSy-a-very-secret-key"


@pytest.fixture
def sdk() -> Iterator[Sdk]:
    """The SDK of one test."""
    with Sdk() as sdk:
        yield sdk


@pytest.fixture
def client(connect: Connect, server: Server, sdk: Sdk) -> Iterator[genai.Client]:
    """A client of `server` that records to `sdk`."""
    with connect(server, interceptors=[sdk.interceptor()]) as connected:
        yield connected


def test_unary_call(sdk: Sdk, model: genai.GenerativeModel, script: ScriptEngine, api: Api, dialect: str) -> None:
    """A call is one client span with the settings of the request and the usage of the reply, and metrics."""
    script.reply("two words")
    api.generate(
        model, "one two three", generation_config={"temperature": 0.7, "top_k": 3, "stop_sequences": ["end"], "seed": 0}
    )
    [span] = sdk.spans
    assert (span.name, span.kind) == ("generate_content gemini-pro", trace.SpanKind.CLIENT)
    assert span.status.is_unset
    attributes = sdk.attributes()
    expected = {
        "gen_ai.operation.name": "generate_content",
        "gen_ai.provider.name": "gcp.vertex_ai" if dialect == "vertex" else "gcp.gemini",
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
    assert {name: attributes.get(name) for name in expected} == expected
    assert "gen_ai.input.messages" not in attributes
    [duration] = sdk.points("gen_ai.client.operation.duration")
    assert duration.count == 1
    assert duration.explicit_bounds[-1] == 81.92
    tokens = {point.attributes["gen_ai.token.type"]: point.sum for point in sdk.points("gen_ai.client.token.usage")}
    assert tokens == {"input": 3, "output": 2}
    assert sdk.points("genai_grpc.client.retries") == []


def test_stream(sdk: Sdk, model: genai.GenerativeModel, script: ScriptEngine, api: Api) -> None:
    """The span of a stream ends with the stream, not with its first chunk, and has the usage of its last chunk."""
    script.reply("one", " two", " three")
    response = api.generate(model, "Hi", stream=True)
    assert sdk.spans == []
    assert not trace.get_current_span().get_span_context().is_valid
    api.resolve(response)
    attributes = sdk.attributes()
    assert attributes["gen_ai.request.stream"] is True
    assert attributes["gen_ai.usage.output_tokens"] == 3
    assert attributes["gen_ai.response.time_to_first_chunk"] > 0
    [first] = sdk.points("gen_ai.client.operation.time_to_first_chunk")
    assert first.count == 1


def test_closed_stream(sdk: Sdk, model: genai.GenerativeModel, script: ScriptEngine, api: Api) -> None:
    """The span of a stream that the program closes ends as cancelled."""
    script.reply("one", STALL)
    api.close(api.generate(model, "Hi", stream=True))
    assert sdk.attributes()["error.type"] == "CANCELLED"
    [span] = sdk.spans
    assert span.status.status_code is trace.StatusCode.ERROR


def test_cancelled_task(sdk: Sdk, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """Cancelling the task of a call ends its span, and makes the span before it current again."""
    script.reply(STALL)

    async def call() -> bool:
        before = trace.get_current_span()
        with pytest.raises(asyncio.CancelledError):
            await model.generate_content_async("Hi")
        return trace.get_current_span() is before

    async def cancel_call() -> None:
        task = asyncio.ensure_future(call())
        while not script.requests:  # noqa: ASYNC110 -- the server is on another thread
            await asyncio.sleep(0.01)
        task.cancel()
        assert await task

    asyncio.run(cancel_call())
    assert sdk.attributes()["error.type"] == "CANCELLED"


def test_retries(sdk: Sdk, model: genai.GenerativeModel, script: ScriptEngine, api: Api) -> None:
    """The attempts of a call are counted, within one span."""
    script.reply(errors.ServiceUnavailable("not now")).reply("Hello")
    api.generate(model, "Hi")
    assert sdk.attributes()["genai_grpc.attempts"] == 2
    [retries] = sdk.points("genai_grpc.client.retries")
    assert retries.value == 1


def test_other_calls(sdk: Sdk, model: genai.GenerativeModel, api: Api, transport: Any, messages: Protos) -> None:
    """A call that does not generate gets a span by the conventions for RPCs, and no GenAI metrics."""
    api.count(model, "one two")
    [span] = sdk.spans
    assert span.name.startswith(messages.package)
    assert span.name.endswith("Service/CountTokens")
    assert sdk.attributes()["rpc.response.status_code"] == "OK"
    assert sdk.attributes()["rpc.system.name"] == transport
    assert sdk.points("gen_ai.client.operation.duration") == []


@pytest.mark.gemini_only
def test_api_version(connect: Connect, sdk: Sdk, server: Server, script: ScriptEngine, api: Api) -> None:
    """A call that generates is recorded as such under each API version; another one has the path that was called."""
    script.reply("Hello")
    client = connect(server, api_version="v1", interceptors=[sdk.interceptor()])
    api.generate(genai.GenerativeModel(client=client), "Hi")
    api.get_model("gemini-pro", client=client)
    service = "google.ai.generativelanguage.v1.ModelService"
    assert [span.name for span in sdk.spans] == ["generate_content gemini-pro", f"{service}/GetModel"]
    api.close_client(client)


def test_content(connect: Connect, sdk: Sdk, server: Server, script: ScriptEngine, api: Api) -> None:
    """With `capture_content`, prompts and responses are recorded on spans."""
    script.reply("Hello")
    client = connect(server, interceptors=[sdk.interceptor(capture_content=True)])
    api.generate(genai.GenerativeModel(client=client, system_instruction="Be kind."), "Hi")
    api.close_client(client)
    attributes = sdk.attributes()
    assert json.loads(attributes["gen_ai.input.messages"]) == [
        {"role": "user", "parts": [{"type": "text", "content": "Hi"}]}
    ]
    assert json.loads(attributes["gen_ai.system_instructions"]) == [{"type": "text", "content": "Be kind."}]
    assert json.loads(attributes["gen_ai.output.messages"]) == [
        {"role": "assistant", "parts": [{"type": "text", "content": "Hello"}], "finish_reason": "stop"}
    ]


@pytest.mark.gemini_only
def test_thoughts_and_unknown_finish_reason(
    sdk: Sdk, model: genai.GenerativeModel, script: ScriptEngine, api: Api
) -> None:
    """Thoughts count as output, cached tokens as input, and an unknown finish reason is its number."""
    reply = protos.GenerateContentResponse(response_id="r1", model_version="gemini-pro-002")
    reply.candidates.add(finish_reason=999).content.parts.add(text="Hi")
    usage = reply.usage_metadata
    usage.prompt_token_count, usage.cached_content_token_count = 10, 4
    usage.candidates_token_count, usage.thoughts_token_count = 2, 5
    script.reply(reply)
    api.generate(model, "Hi")
    attributes = sdk.attributes()
    assert (attributes["gen_ai.response.id"], attributes["gen_ai.response.model"]) == ("r1", "gemini-pro-002")
    assert attributes["gen_ai.response.finish_reasons"] == ("999",)
    assert (attributes["gen_ai.usage.input_tokens"], attributes["gen_ai.usage.output_tokens"]) == (10, 7)
    assert attributes["gen_ai.usage.cache_read.input_tokens"] == 4
    assert attributes["gen_ai.usage.reasoning.output_tokens"] == 5


def test_key_not_recorded(connect: Connect, sdk: Sdk, api: Api, caplog: pytest.LogCaptureFixture) -> None:
    """No span, metric or log line has the key, even if the service's error quotes it."""
    caplog.set_level(logging.DEBUG)
    script = ScriptEngine().reply("Hello").reply(errors.InvalidArgument(f"API key not valid: {KEY}"))
    with serve(script, api_key=KEY) as server:
        client = connect(server, KEY, interceptors=[sdk.interceptor()])
        model = genai.GenerativeModel(client=client)
        api.generate(model, "Hi")
        with pytest.raises(errors.InvalidArgument):
            api.generate(model, "Hi")
        api.close_client(client)
    assert [(span.attributes or {}).get("error.type") for span in sdk.spans] == [None, "INVALID_ARGUMENT"]
    metrics = sdk.reader.get_metrics_data()
    assert metrics is not None
    for text in (*(span.to_json() for span in sdk.spans), metrics.to_json(), caplog.text):
        assert "AIzaSy" not in text


def test_grpc_instrumentation(
    sdk: Sdk, server: Server, script: ScriptEngine, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The spans of opentelemetry-instrumentation-grpc, one for each attempt, are children of the call's span."""
    script.reply(errors.ServiceUnavailable("not now")).reply("Hello").reply("one", STALL)
    # The sync instrumentor uses the global provider, which can be set only once in a process.
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: sdk.tracer_provider)
    untyped: Any = instrumentation
    interceptors = [OpenTelemetry(), *(untyped.aio_client_interceptors() if api.is_async else ())]
    # Its sync streams are generators, which cannot be cancelled, so they are excluded.
    instrumentor = untyped.GrpcInstrumentorClient(filter_=filters.negate(filters.method_name("StreamGenerateContent")))
    if not api.is_async:
        instrumentor.instrument()
    try:
        client = genai.Client(endpoint=server.endpoint, interceptors=interceptors)
        model = genai.GenerativeModel(client=client)
        api.generate(model, "Hi")
        *attempts, call = sdk.spans
        api.close(api.generate(model, "Hi", stream=True))
        script.wait_cancelled()
        api.close_client(client)
    finally:
        if not api.is_async:
            instrumentor.uninstrument()
    assert not trace.get_current_span().get_span_context().is_valid
    assert call.name.startswith("generate_content ")
    method = "/google.ai.generativelanguage.v1beta.GenerativeService/GenerateContent"
    assert [attempt.name for attempt in attempts] == [method] * 2
    assert call.context is not None
    assert [attempt.parent and attempt.parent.span_id for attempt in attempts] == [call.context.span_id] * 2


def test_prometheus(connect: Connect, server: Server, script: ScriptEngine) -> None:
    """OpenTelemetry's exporter exposes the metrics to Prometheus."""
    script.reply("two words")
    meter_provider = MeterProvider(metric_readers=[PrometheusMetricReader()])
    telemetry = OpenTelemetry(meter_provider=meter_provider)
    try:
        with connect(server, interceptors=[telemetry]) as client:
            genai.GenerativeModel("gemini-pro", client=client).generate_content("Hi")
        text = generate_latest(REGISTRY).decode()
    finally:
        meter_provider.shutdown()
    [count] = [line for line in text.splitlines() if line.startswith("gen_ai_client_operation_duration_seconds_count")]
    assert 'gen_ai_request_model="gemini-pro"' in count
    assert count.endswith(" 1.0")
