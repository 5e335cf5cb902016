"""Prompts and replies of Gemini's API, as those of OpenAI's chat completions, and back.

The form is that of https://platform.openai.com/docs/api-reference/chat, as Ollama, vLLM, llama.cpp and SGLang take it.
"""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Iterable
from typing import Any, Final

from genai_grpc import protos
from genai_grpc._services.transcoding import to_json
from genai_grpc.errors import InvalidArgument
from genai_grpc.local.engines.llama.function_arguments import parameters_of
from genai_grpc.local.engines.llama.function_selection import callable_functions
from genai_grpc.local.engines.llama.output_grammar import schema_of

__all__ = ["ReplyParser", "to_body", "to_texts"]

Candidate: Any = protos.Candidate

_SETTINGS: Final = {
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "max_output_tokens": "max_tokens",
    "seed": "seed",
    "presence_penalty": "presence_penalty",
    "frequency_penalty": "frequency_penalty",
}
_FINISH_REASONS: Final = {
    "stop": Candidate.FinishReason.STOP,
    "tool_calls": Candidate.FinishReason.STOP,
    "length": Candidate.FinishReason.MAX_TOKENS,
    "content_filter": Candidate.FinishReason.SAFETY,
}


def to_body(model: str, request: protos.GenerateContentRequest) -> dict[str, Any]:
    """The body of a request for a chat completion.

    Raises:
        InvalidArgument: The prompt, a setting or a tool has no form in OpenAI's API.
    """
    config: Any = request.generation_config
    if config.candidate_count > 1:
        raise InvalidArgument(f"candidate_count is {config.candidate_count}; this server generates one candidate")
    body: dict[str, Any] = {"model": model, "messages": _Messages().of(request)}
    body |= {name: getattr(config, field) for field, name in _SETTINGS.items() if config.HasField(field)}
    if config.stop_sequences:
        body["stop"] = list(config.stop_sequences)
    if config.response_mime_type == "application/json":
        schema = schema_of(config)
        body["response_format"] = (
            {"type": "json_object"}
            if schema is None
            else {"type": "json_schema", "json_schema": {"name": "reply", "schema": schema, "strict": True}}
        )
    elif config.response_mime_type not in ("", "text/plain"):
        raise InvalidArgument(
            f"response_mime_type is {config.response_mime_type!r}; give text/plain or application/json"
        )
    if (functions := callable_functions(request)) is not None:
        body["tools"] = list(map(_to_tool, functions.declarations))
        body["tool_choice"] = "required" if functions.forced else "auto"
    return body


def _to_tool(function: protos.FunctionDeclaration) -> dict[str, Any]:
    parameters = parameters_of(function) or {"type": "object", "properties": {}}
    declared = {"name": function.name, "description": function.description, "parameters": parameters}
    return {"type": "function", "function": declared}


class _Messages:
    """The messages of a prompt. Function calls without an id get one, which their results then name."""

    def __init__(self) -> None:
        self._messages: list[dict[str, Any]] = []
        self._open: list[tuple[str, str]] = []  # name and id of the calls without a result

    def of(self, request: protos.GenerateContentRequest) -> list[dict[str, Any]]:
        if request.HasField("system_instruction"):
            self._messages.append({"role": "system", "content": _text(request.system_instruction.parts)})
        for content in request.contents:
            (self._add_reply if content.role == "model" else self._add_turn)(content)
        return self._messages

    def _add_reply(self, content: protos.Content) -> None:
        message: dict[str, Any] = {"role": "assistant", "content": _text(content.parts) or None}
        calls = [self._to_call(part.function_call) for part in content.parts if part.HasField("function_call")]
        if calls:
            message["tool_calls"] = calls
        self._messages.append(message)

    def _to_call(self, call: protos.FunctionCall) -> dict[str, Any]:
        call_id = call.id or f"call_{len(self._messages)}_{len(self._open)}"
        self._open.append((call.name, call_id))
        arguments = _dump(call, "args")
        return {"id": call_id, "type": "function", "function": {"name": call.name, "arguments": arguments}}

    def _add_turn(self, content: protos.Content) -> None:
        for part in content.parts:
            if part.HasField("function_response"):
                self._add_result(part.function_response)
        parts = [part for part in content.parts if not part.HasField("function_response")]
        if any(part.HasField("inline_data") for part in parts):
            self._messages.append({"role": "user", "content": list(map(_to_content_part, parts))})
        elif parts:
            self._messages.append({"role": "user", "content": _text(parts)})

    def _add_result(self, response: protos.FunctionResponse) -> None:
        matching = [(name, call_id) for name, call_id in self._open if call_id == response.id or name == response.name]
        if not matching:
            raise InvalidArgument(f"there is a result of {response.name}, and no call of it before")
        self._open.remove(matching[0])
        content = _dump(response, "response")
        self._messages.append({"role": "tool", "tool_call_id": matching[0][1], "content": content})


def _dump(message: Any, field: str) -> str:
    """The JSON of a field of type Struct, whose whole numbers are integers, as models write them."""
    return json.dumps(json.loads(to_json(message)).get(field, {}), ensure_ascii=False)


def _text(parts: Iterable[protos.Part]) -> str:
    return "\n".join(part.text for part in parts if part.text and not part.thought)


def _to_content_part(part: protos.Part) -> dict[str, Any]:
    if part.HasField("inline_data"):
        data = base64.b64encode(part.inline_data.data).decode()
        return {"type": "image_url", "image_url": {"url": f"data:{part.inline_data.mime_type};base64,{data}"}}
    return {"type": "text", "text": part.text}


def to_texts(requests: Iterable[protos.EmbedContentRequest]) -> list[str]:
    """The texts to embed."""
    return ["\n".join(filter(None, [request.title, _text(request.content.parts)])) for request in requests]


class ReplyParser:
    """Makes chunks of the chunks of a chat completion."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._calls: dict[int, dict[str, str]] = {}
        self._finish_reason = 0

    def add(self, chunk: dict[str, Any]) -> protos.GenerateContentResponse | None:
        """The chunk of a chunk; None for one that has nothing to show yet."""
        response = protos.GenerateContentResponse(model_version=str(chunk.get("model") or self._model))
        for choice in chunk.get("choices") or ():
            self._add_choice(response, choice)
        usage = chunk.get("usage")
        if usage:
            counts = response.usage_metadata
            counts.prompt_token_count = usage.get("prompt_tokens") or 0
            counts.candidates_token_count = usage.get("completion_tokens") or 0
            counts.total_token_count = usage.get("total_tokens") or 0
        return response if response.candidates or usage else None

    def _add_choice(self, response: protos.GenerateContentResponse, choice: dict[str, Any]) -> None:
        delta = choice.get("delta") or choice.get("message") or {}
        parts: list[protos.Part] = []
        if thought := delta.get("reasoning_content") or delta.get("reasoning"):
            parts.append(protos.Part(text=thought, thought=True))
        if text := delta.get("content"):
            parts.append(protos.Part(text=text))
        for position, call in enumerate(delta.get("tool_calls") or ()):
            self._add_call(call, position)
        if choice.get("finish_reason"):
            self._finish_reason = _FINISH_REASONS.get(choice["finish_reason"], Candidate.FinishReason.OTHER)
            parts += self._take_calls()
        if parts or choice.get("finish_reason"):
            content = protos.Content(role="model", parts=parts)
            response.candidates.append(Candidate(content=content, finish_reason=self._finish_reason))

    def _add_call(self, delta: dict[str, Any], position: int) -> None:
        """Add a part of a function call, whose arguments may come in pieces."""
        call = self._calls.setdefault(delta.get("index", position), {"id": "", "name": "", "arguments": ""})
        function = delta.get("function") or {}
        call["id"] = call["id"] or delta.get("id") or ""
        call["name"] += function.get("name") or ""
        call["arguments"] += function.get("arguments") or ""

    def _take_calls(self) -> list[protos.Part]:
        calls, self._calls = self._calls, {}
        parts = []
        for call in calls.values():
            part = protos.Part(function_call={"name": call["name"], "id": call["id"] or secrets.token_hex(8)})
            try:
                arguments = json.loads(call["arguments"] or "{}")
            except ValueError:
                arguments = None
            if not isinstance(arguments, dict):
                self._finish_reason = Candidate.FinishReason.MALFORMED_FUNCTION_CALL
                continue
            part.function_call.args.update(arguments)
            parts.append(part)
        return parts
