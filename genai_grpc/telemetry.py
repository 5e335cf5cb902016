"""Traces and metrics of calls, for OpenTelemetry, by its conventions for generative AI.

Needs the extra `telemetry`. The conventions (https://github.com/open-telemetry/semantic-conventions-genai) are in
development: names may change with them. Calls that generate nothing get a span by the conventions for RPCs.
"""

from __future__ import annotations

import json
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from google.protobuf.json_format import MessageToDict
from opentelemetry import context, metrics, trace

from genai_grpc import protos
from genai_grpc._rpc.call import GENERATE_CONTENT, STREAM_GENERATE_CONTENT, Attempt, Call, Operation
from genai_grpc._version import __version__
from genai_grpc.errors import APIError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import Span, TracerProvider

__all__ = ["OpenTelemetry"]

_GENERATES: Final = frozenset({GENERATE_CONTENT.path, STREAM_GENERATE_CONTENT.path})
# The boundaries that the conventions advise for durations and for tokens.
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


class OpenTelemetry:
    """An interceptor for `Client(interceptors=[...])`: a span and measurements of each call over all its tries.

    The span is current while the call is tried, so that spans of the tries become its children; that of a stream ends
    with the stream. Status messages, keys and other metadata are never recorded: an error is known by its status.

    Args:
        tracer_provider: By default the global one.
        meter_provider: By default the global one.
        capture_content: Whether to put what was asked and answered on spans. The answer of a stream is not: it is
            handed on chunk by chunk and kept by nobody but the program.

    >>> from genai_grpc import Client
    >>> client = Client(endpoint="http://127.0.0.1:50051", interceptors=[OpenTelemetry()])
    """

    def __init__(
        self,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
        capture_content: bool = False,
    ) -> None:
        self._capture = capture_content
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
        self._retries = meter.create_counter("genai_grpc.client.retries", "{retry}", "Tries of calls after the first.")

    def intercept(self, call: Call[Any, Any, Any], plan: Operation[Any]) -> Operation[Any]:
        """The plan with a span around it."""
        began = time.monotonic()
        generates = call.method.path in _GENERATES
        labels = _labels(call, generates)
        name = f"generate_content {labels['gen_ai.request.model']}" if generates else labels["rpc.method"]
        span = self._tracer.start_span(name, kind=trace.SpanKind.CLIENT, attributes=labels)
        if generates and span.is_recording():
            span.set_attributes(_asked(call))
            if self._capture:
                span.set_attributes(_prompt(call.request))
        # One thread or task performs the whole plan, so what is attached here is detached in the same context.
        token = context.attach(trace.set_span_in_context(span))
        try:
            reply = yield from self._watch(plan, span, labels)
        except APIError as error:
            self._end(span, labels, began, generates, error, None)
            raise
        except GeneratorExit:
            self._end(span, labels, began, generates, "CANCELLED", None)
            raise
        except BaseException as error:
            self._end(span, labels, began, generates, type(error).__qualname__, None)
            raise
        finally:
            context.detach(token)
        if call.method.streaming:
            waited = time.monotonic() - began
            span.set_attribute("gen_ai.response.time_to_first_chunk", waited)
            self._first_chunk.record(waited, labels)
            reply[0].add_done_callback(partial(self._end, span, labels, began, generates))
        else:
            if generates and self._capture and span.is_recording():
                span.set_attribute("gen_ai.output.messages", json.dumps([_answer(each) for each in reply.candidates]))
            self._end(span, labels, began, generates, None, reply)
        return reply

    def _watch(self, plan: Operation[Any], span: Span, labels: dict[str, Any]) -> Operation[Any]:
        """The plan itself, with its tries counted."""
        tries = 0
        try:
            step = next(plan)
            while True:
                if isinstance(step, Attempt):
                    tries += 1
                    if tries > 1:
                        self._retries.add(1, labels)
                try:
                    done = yield step
                except APIError as error:
                    step = plan.throw(error)
                else:
                    step = plan.send(done)
        except StopIteration as stop:
            return stop.value
        finally:
            plan.close()
            span.set_attribute("genai_grpc.attempts", tries)

    def _end(
        self,
        span: Span,
        labels: dict[str, Any],
        began: float,
        generates: bool,
        error: APIError | str | None,
        reply: Any,
    ) -> None:
        """End a call with its error, by name where it is not the service's, and its reply or last chunk."""
        if generates and reply is not None:
            usage = reply.usage_metadata
            labels = {**labels, "gen_ai.response.model": reply.model_version} if reply.model_version else labels
            span.set_attributes(_answered(reply))
            if reply.HasField("usage_metadata"):
                self._tokens.record(_input_tokens(usage), {**labels, "gen_ai.token.type": "input"})
                self._tokens.record(_output_tokens(usage), {**labels, "gen_ai.token.type": "output"})
        if error is not None:
            kind = error.status if isinstance(error, APIError) else error
            labels = {**labels, "error.type": kind}
            span.set_attribute("error.type", kind)
            span.set_status(trace.StatusCode.ERROR)
        if not generates:
            if error is None or isinstance(error, APIError):
                span.set_attribute("rpc.response.status_code", "OK" if error is None else error.status)
        else:
            self._duration.record(time.monotonic() - began, labels)
        span.end()


def _labels(call: Call[Any, Any, Any], generates: bool) -> dict[str, Any]:
    """What spans and measurements of a call share."""
    if not generates:
        return {"rpc.system.name": "grpc", "rpc.method": call.method.path[1:]}
    return {
        "gen_ai.operation.name": "generate_content",
        "gen_ai.provider.name": "gcp.gemini",
        "gen_ai.request.model": call.request.model.removeprefix("models/"),
    }


def _asked(call: Call[Any, Any, Any]) -> dict[str, Any]:
    """The settings of a request."""
    request: Any = call.request  # a message, which is what interceptors are shown
    config = request.generation_config
    found: dict[str, Any] = {
        name: _plain(getattr(config, field)) for name, field in _FIELDS.items() if config.HasField(field)
    }
    if config.stop_sequences:
        found["gen_ai.request.stop_sequences"] = list(config.stop_sequences)
    # The conventions want it only where it is not 1.
    if config.candidate_count > 1:
        found["gen_ai.request.choice.count"] = config.candidate_count
    if call.method.streaming:
        found["gen_ai.request.stream"] = True
    kinds = [_MODALITIES[each] for each in config.response_modalities if each in _MODALITIES]
    if kinds:
        found["gen_ai.output.type"] = kinds[0]
    elif config.response_mime_type:
        found["gen_ai.output.type"] = "json" if config.response_mime_type == "application/json" else "text"
    return found


def _answered(reply: Any) -> dict[str, Any]:
    """What a reply, or the last chunk of one, says of the whole."""
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
        found["gen_ai.usage.input_tokens"] = _input_tokens(usage)
        found["gen_ai.usage.output_tokens"] = _output_tokens(usage)
        if usage.cached_content_token_count:
            found["gen_ai.usage.cache_read.input_tokens"] = usage.cached_content_token_count
        if usage.thoughts_token_count:
            found["gen_ai.usage.reasoning.output_tokens"] = usage.thoughts_token_count
    return found


def _input_tokens(usage: Any) -> int:
    """All that went in; the service counts what was cached among the prompt, and results of tools apart."""
    return int(usage.prompt_token_count + usage.tool_use_prompt_token_count)


def _output_tokens(usage: Any) -> int:
    """All that came out, thoughts too, which the service counts apart."""
    return int(usage.candidates_token_count + usage.thoughts_token_count)


def _finish(candidate: Any) -> str:
    """Why a candidate ended; a reason that the service has learned since by its number."""
    known = protos.Candidate.FinishReason.DESCRIPTOR.values_by_number.get(candidate.finish_reason)
    return str(candidate.finish_reason) if known is None else known.name.lower()


def _plain(value: float) -> float:
    """A 32-bit float as it was written; an integer as it is."""
    return float(f"{value:.7g}") if isinstance(value, float) else value


def _prompt(request: Any) -> dict[str, str]:
    """What was asked, as the conventions' JSON."""
    turns = [{"role": turn.role or "user", "parts": _parts(turn.parts)} for turn in request.contents]
    found = {"gen_ai.input.messages": json.dumps(turns)}
    if request.HasField("system_instruction"):
        found["gen_ai.system_instructions"] = json.dumps(_parts(request.system_instruction.parts))
    return found


def _answer(candidate: Any) -> dict[str, Any]:
    """A candidate, as the conventions have an output message."""
    return {"role": "assistant", "parts": _parts(candidate.content.parts), "finish_reason": _finish(candidate)}


def _parts(parts: Iterable[Any]) -> list[dict[str, Any]]:
    """Parts as the conventions have them; of media only what they are."""
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
    found: dict[str, Any] = MessageToDict(struct)
    return found
