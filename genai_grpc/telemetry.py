"""OpenTelemetry traces and metrics of calls, by the semantic conventions for generative AI.

Needs the extra `telemetry`. The conventions (https://github.com/open-telemetry/semantic-conventions-genai) are in
development: names may change with them. A call that does not generate gets a span by the conventions for RPCs.
"""

from __future__ import annotations

import json
import time
import weakref
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit

from opentelemetry import context, metrics, propagate, trace
from opentelemetry.metrics import CallbackOptions, MeterProvider, Observation
from opentelemetry.trace import TracerProvider

from genai_grpc import protos
from genai_grpc._responses.text import enum_name
from genai_grpc._rpc.client_stats import ClientStats
from genai_grpc._rpc.interceptors import CallInfo, Interceptor, error_type
from genai_grpc._rpc.usage import input_tokens, output_tokens
from genai_grpc._services.dialects import GENERATION_PATHS
from genai_grpc._version import __version__
from genai_grpc.client import Client
from genai_grpc.errors import APIError
from genai_grpc_protos._json import to_json_dict

__all__ = ["OpenTelemetry"]

# The bucket boundaries that the conventions advise.
_SECONDS: Final = [0.01 * 2**power for power in range(14)]
_TOKENS: Final = [4**power for power in range(14)]
_FIELDS: Final = {
    "gen_ai.request.temperature": "temperature",
    "gen_ai.request.top_p": "top_p",
    "gen_ai.request.top_k": "top_k",
    "gen_ai.request.max_tokens": "max_output_tokens",
    "gen_ai.request.seed": "seed",
    "gen_ai.request.presence_penalty": "presence_penalty",
    "gen_ai.request.frequency_penalty": "frequency_penalty",
}
_MODALITIES: Final = {
    protos.GenerationConfig.Modality.IMAGE: "image",
    protos.GenerationConfig.Modality.AUDIO: "speech",
}


class OpenTelemetry(Interceptor):
    """Interceptor for `Client(interceptors=[...])` that records a span and metrics of each call, retries included.

    The span is current during the attempts, so that spans of attempts become its children. The span of a stream ends
    with the stream. Status messages, keys and other metadata are never recorded: an error is recorded by its status.

    Args:
        tracer_provider: By default the global one.
        meter_provider: By default the global one.
        capture_content: Whether to record prompts and responses on spans. The response of a stream is not recorded: its
            chunks are passed on, and only the program keeps them.
        propagate_context: Whether to send the trace context and the baggage with each call
            (https://www.w3.org/TR/trace-context/), as metadata.

    >>> from genai_grpc import Client
    >>> client = Client(endpoint="http://127.0.0.1:50051", interceptors=[OpenTelemetry()])
    """

    def __init__(
        self,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
        capture_content: bool = False,
        propagate_context: bool = True,
    ) -> None:
        self._capture = capture_content
        self._propagate = propagate_context
        self._tracer = trace.get_tracer("genai_grpc", __version__, tracer_provider)
        meter = metrics.get_meter("genai_grpc", __version__, meter_provider)
        self._duration = meter.create_histogram(
            "gen_ai.client.operation.duration",
            "s",
            "GenAI operation duration.",
            explicit_bucket_boundaries_advisory=_SECONDS,
        )
        self._first_chunk = meter.create_histogram(
            "gen_ai.client.operation.time_to_first_chunk",
            "s",
            "Time to receive the first chunk.",
            explicit_bucket_boundaries_advisory=_SECONDS,
        )
        self._tokens = meter.create_histogram(
            "gen_ai.client.token.usage",
            "{token}",
            "Number of input and output tokens used.",
            explicit_bucket_boundaries_advisory=_TOKENS,
        )
        self._retries = meter.create_counter("genai_grpc.client.retries", "{attempt}", "Retried attempts.")
        self._clients = _observed_clients(meter, meter_provider)

    def client_created(self, client: Client) -> None:
        """Observe the state of the client, as long as the program uses it."""
        self._clients[id(client)] = client

    def before(self, call: CallInfo) -> _Observation:
        """Start the span, and make it current."""
        return _Observation(self, call)

    def metadata(self, state: _Observation) -> list[tuple[str, str]]:
        """The context of the span: `traceparent`, `tracestate` and `baggage`, or what the global propagator writes."""
        carrier: dict[str, str] = {}
        if self._propagate:
            propagate.inject(carrier)
        # What a propagator writes that gRPC cannot carry is left out: telemetry does not fail a call.
        return [(name, value) for name, value in carrier.items() if value.isascii() and value.isprintable()]

    def attempt(self, state: _Observation, number: int) -> None:
        """Count the attempt."""
        state.attempts = number
        if number > 1:
            self._retries.add(1, state.labels)

    def first_chunk(self, state: _Observation) -> None:
        """Record the time to the first chunk."""
        elapsed = time.monotonic() - state.started
        state.span.set_attribute("gen_ai.response.time_to_first_chunk", elapsed)
        self._first_chunk.record(elapsed, state.labels)
        state.detach()

    def after(self, state: _Observation, error: BaseException | None, reply: Any) -> None:
        """Record the result, and end the span."""
        state.detach()
        state.span.set_attribute("genai_grpc.attempts", state.attempts)
        labels = state.labels
        if state.generates and reply is not None:
            labels = self._record_reply(state, reply)
        if error is not None:
            labels = {**labels, "error.type": error_type(error)}
            state.span.set_attribute("error.type", error_type(error))
            state.span.set_status(trace.StatusCode.ERROR)
        if state.generates:
            self._duration.record(time.monotonic() - state.started, labels)
        elif error is None or isinstance(error, APIError):
            state.span.set_attribute("rpc.response.status_code", "OK" if error is None else error.status)
        state.span.end()

    def _record_reply(self, state: _Observation, reply: Any) -> dict[str, Any]:
        """Record a reply, or the last chunk of one; the labels of the duration."""
        labels = state.labels
        if reply.model_version:
            labels = {**labels, "gen_ai.response.model": reply.model_version}
        state.span.set_attributes(_response_attributes(reply))
        if self._capture and not state.streaming and state.span.is_recording():
            messages = [_output_message(candidate) for candidate in reply.candidates]
            state.span.set_attribute("gen_ai.output.messages", json.dumps(messages))
        if reply.HasField("usage_metadata"):
            usage = reply.usage_metadata
            self._tokens.record(input_tokens(usage), {**labels, "gen_ai.token.type": "input"})
            self._tokens.record(output_tokens(usage), {**labels, "gen_ai.token.type": "output"})
        return labels


class _Observation:
    """One call that is being recorded."""

    def __init__(self, telemetry: OpenTelemetry, call: CallInfo) -> None:
        self.started = time.monotonic()
        self.attempts = 0
        self.streaming = call.streaming
        self.generates = call.method in GENERATION_PATHS
        self.labels = _labels(call, self.generates)
        name = f"generate_content {self.labels['gen_ai.request.model']}" if self.generates else call.method[1:]
        self.span = telemetry._tracer.start_span(name, kind=trace.SpanKind.CLIENT, attributes=self.labels)
        if self.generates and self.span.is_recording():
            self.span.set_attributes(_request_attributes(call))
            if telemetry._capture:
                self.span.set_attributes(_input_messages(call.request))
        # Attached and detached by the thread or task that performs the call.
        self._token: Any = context.attach(trace.set_span_in_context(self.span))

    def detach(self) -> None:
        """Make the span no longer current."""
        if self._token is not None:
            context.detach(self._token)
            self._token = None


_Clients: TypeAlias = "weakref.WeakValueDictionary[int, Client]"


class _GlobalProvider:
    """Stands for the global provider, which a program may set after the first interceptor was created."""


_GLOBAL: Final = _GlobalProvider()
_OBSERVED: Final[weakref.WeakKeyDictionary[MeterProvider | _GlobalProvider, _Clients]] = weakref.WeakKeyDictionary()


def _observed_clients(meter: metrics.Meter, provider: MeterProvider | None) -> _Clients:
    """The clients whose state the gauges of a provider observe.

    One set for each provider, since a provider ignores the callbacks of a second gauge of the same name.
    """
    key = _GLOBAL if provider is None or provider is metrics.get_meter_provider() else provider
    clients = _OBSERVED.get(key)
    if clients is None:
        clients = _OBSERVED[key] = weakref.WeakValueDictionary()
        for name, unit, description, read in _GAUGES:
            meter.create_observable_gauge(name, [partial(_observe, clients, read)], unit, description)
    return clients


def _observe(
    clients: _Clients, read: Callable[[ClientStats], Mapping[str, float | None]], _: CallbackOptions
) -> list[Observation]:
    """The values of all clients, those of one endpoint summed; `read` returns them by kind."""
    totals: dict[tuple[tuple[str, str | int], ...], float] = {}
    for client in [found for ref in clients.valuerefs() if (found := ref()) is not None]:
        server = urlsplit(client.endpoint)
        for kind, value in read(client.stats()).items():
            kinds = (("genai_grpc.kind", kind),) if kind else ()
            labels = (("server.address", server.hostname or ""), ("server.port", server.port or 0), *kinds)
            if value is not None:
                totals[labels] = totals.get(labels, 0) + value
    return [Observation(value, dict(labels)) for labels, value in totals.items()]


# Name, unit, description, and the values of a client by kind.
_GAUGES: Final[tuple[tuple[str, str, str, Callable[[ClientStats], Mapping[str, float | None]]], ...]] = (
    (
        "genai_grpc.client.calls",
        "{call}",
        "Calls in flight, in the queue for a slot (waiting), and delayed by the rate limit.",
        lambda stats: {"in_flight": stats.in_flight, "waiting": stats.waiting, "delayed": stats.delayed},
    ),
    ("genai_grpc.client.call_limit", "{call}", "Calls that may be in flight.", lambda stats: {"": stats.limit}),
    ("genai_grpc.client.streams", "{stream}", "Open streams.", lambda stats: {"": stats.streams}),
    (
        "genai_grpc.client.connections",
        "{connection}",
        "Connections of sync and async calls.",
        lambda stats: {"sync": stats.sync_connections, "async": sum(stats.async_connections)},
    ),
    (
        "genai_grpc.client.rate_limit",
        "1/min",
        "Limit on requests and tokens per minute, configured or learned.",
        lambda stats: {"requests": stats.requests_per_minute, "tokens": stats.tokens_per_minute},
    ),
    (
        "genai_grpc.client.blocked",
        "{client}",
        "Clients that send no calls for now, since the service asked for a delay (RetryInfo).",
        lambda stats: {"": int(stats.blocked_seconds > 0)},
    ),
    (
        "genai_grpc.client.retry_budget",
        "{attempt}",
        "Retries that may be spent.",
        lambda stats: {"": stats.retry_budget},
    ),
)


def _labels(call: CallInfo, generates: bool) -> dict[str, Any]:
    """The attributes of both the span and the metrics of a call."""
    if not generates:
        return {"rpc.system.name": call.transport, "rpc.method": call.method[1:]}
    request: Any = call.request
    return {
        "gen_ai.operation.name": "generate_content",
        "gen_ai.provider.name": GENERATION_PATHS[call.method],
        "gen_ai.request.model": request.model.rpartition("publishers/google/")[2].removeprefix("models/"),
    }


def _request_attributes(call: CallInfo) -> dict[str, Any]:
    """The settings of a request."""
    request: Any = call.request
    config = request.generation_config
    found: dict[str, Any] = {
        name: _plain(getattr(config, field)) for name, field in _FIELDS.items() if config.HasField(field)
    }
    if config.stop_sequences:
        found["gen_ai.request.stop_sequences"] = list(config.stop_sequences)
    # By the conventions only if it is not 1.
    if config.candidate_count > 1:
        found["gen_ai.request.choice.count"] = config.candidate_count
    if call.streaming:
        found["gen_ai.request.stream"] = True
    kinds = [_MODALITIES[each] for each in config.response_modalities if each in _MODALITIES]
    if kinds:
        found["gen_ai.output.type"] = kinds[0]
    elif config.response_mime_type:
        found["gen_ai.output.type"] = "json" if config.response_mime_type == "application/json" else "text"
    return found


def _response_attributes(reply: Any) -> dict[str, Any]:
    """What a reply, or the last chunk of one, says about the whole response."""
    found: dict[str, Any] = {}
    if reply.model_version:
        found["gen_ai.response.model"] = reply.model_version
    if reply.response_id:
        found["gen_ai.response.id"] = reply.response_id
    reasons = [_finish(each) for each in reply.candidates if each.finish_reason]
    if reasons:
        found["gen_ai.response.finish_reasons"] = reasons
    if reply.HasField("usage_metadata"):
        usage = reply.usage_metadata
        found["gen_ai.usage.input_tokens"] = input_tokens(usage)
        found["gen_ai.usage.output_tokens"] = output_tokens(usage)
        if usage.cached_content_token_count:
            found["gen_ai.usage.cache_read.input_tokens"] = usage.cached_content_token_count
        if usage.thoughts_token_count:
            found["gen_ai.usage.reasoning.output_tokens"] = usage.thoughts_token_count
    return found


def _finish(candidate: Any) -> str:
    """Why a candidate ended; the number of a reason that this version does not know."""
    return enum_name(candidate, "finish_reason").lower()


def _plain(value: float) -> float:
    """A 32-bit float in its shortest form; an integer as it is."""
    return float(f"{value:.7g}") if isinstance(value, float) else value


def _input_messages(request: Any) -> dict[str, str]:
    """The prompt, in the JSON of the conventions."""
    turns = [{"role": turn.role or "user", "parts": _parts(turn.parts)} for turn in request.contents]
    found = {"gen_ai.input.messages": json.dumps(turns)}
    if request.HasField("system_instruction"):
        found["gen_ai.system_instructions"] = json.dumps(_parts(request.system_instruction.parts))
    return found


def _output_message(candidate: Any) -> dict[str, Any]:
    """A candidate, in the JSON of the conventions."""
    return {"role": "assistant", "parts": _parts(candidate.content.parts), "finish_reason": _finish(candidate)}


def _parts(parts: Iterable[Any]) -> list[dict[str, Any]]:
    """Parts in the JSON of the conventions; of media only the type."""
    return [_part(part) for part in parts]


def _part(part: Any) -> dict[str, Any]:
    match part.WhichOneof("data"):
        case "text":
            return {"type": "reasoning" if part.thought else "text", "content": part.text}
        case "function_call":
            call = part.function_call
            return {"type": "tool_call", "id": call.id, "name": call.name, "arguments": _json(call.args)}
        case "function_response":
            answer = part.function_response
            return {"type": "tool_call_response", "id": answer.id, "response": _json(answer.response)}
        case "inline_data":
            return {"type": "blob", "mime_type": part.inline_data.mime_type}
        case "file_data":
            return {"type": "uri", "mime_type": part.file_data.mime_type, "uri": part.file_data.file_uri}
        case other:
            return {"type": other or "empty"}


def _json(struct: Any) -> dict[str, Any]:
    return to_json_dict(struct)
