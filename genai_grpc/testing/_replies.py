"""Scripted replies other than text: function calls, usage, blocked prompts, and errors with status details."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from genai_grpc import errors, protos
from genai_grpc_protos.protobuf import Duration
from genai_grpc_protos.rpc import ErrorInfo, QuotaFailure, RetryInfo

if TYPE_CHECKING:
    from google.protobuf.message import Message

__all__ = ["api_error", "blocked_response", "function_call", "response"]

_ERRORS_BY_STATUS: Final = {cls.status: cls for cls in errors.APIError.__subclasses__()}


def function_call(name: str, /, **arguments: Any) -> protos.Part:
    """A part with a function call.

    >>> from genai_grpc import testing
    >>> testing.function_call("set_light", brightness=80).function_call.args["brightness"]
    80.0
    """
    part = protos.Part(function_call=protos.FunctionCall(name=name))
    part.function_call.args.update(arguments)
    return part


def response(
    *parts: str | protos.Part, finish_reason: str = "STOP", usage: tuple[int, int] | None = None
) -> protos.GenerateContentResponse:
    """A response with one candidate, or one chunk of a streamed response.

    Args:
        parts: The candidate's parts; a string becomes a text part.
        finish_reason: The name of a `Candidate.FinishReason`, e.g. "MAX_TOKENS"; "" for a chunk that is not the last.
        usage: The token counts of the prompt and of the candidate.

    Raises:
        ValueError: No finish reason has this name.

    >>> from genai_grpc import testing
    >>> testing.response("Hello", usage=(12, 1)).usage_metadata.total_token_count
    13
    """
    content = protos.Content(
        role="model", parts=[protos.Part(text=part) if isinstance(part, str) else part for part in parts]
    )
    candidate = protos.Candidate(index=0, content=content)
    if finish_reason:
        candidate.finish_reason = protos.Candidate.FinishReason.Value(finish_reason)
    message = protos.GenerateContentResponse(candidates=[candidate])
    if usage is not None:
        prompt_tokens, candidate_tokens = usage
        message.usage_metadata.prompt_token_count = prompt_tokens
        message.usage_metadata.candidates_token_count = candidate_tokens
        message.usage_metadata.total_token_count = prompt_tokens + candidate_tokens
    return message


def blocked_response(reason: str = "SAFETY") -> protos.GenerateContentResponse:
    """A response to a blocked prompt, with the name of a `PromptFeedback.BlockReason`.

    Raises:
        ValueError: No block reason has this name.
    """
    feedback = protos.GenerateContentResponse.PromptFeedback
    return protos.GenerateContentResponse(prompt_feedback=feedback(block_reason=feedback.BlockReason.Value(reason)))


def api_error(
    status: str,
    message: str = "as scripted",
    *,
    retry_after: float | None = None,
    quota: str | None = None,
    reason: str | None = None,
    details: Iterable[Message] = (),
) -> errors.APIError:
    """An error with the status details that Google's services send (https://google.aip.dev/193).

    Args:
        status: The name of a gRPC status code other than OK, e.g. "RESOURCE_EXHAUSTED".
        message: The status message.
        retry_after: Seconds of a RetryInfo.
        quota: The quota id of a QuotaFailure, e.g. "GenerateRequestsPerMinutePerProjectPerModel".
        reason: The reason of an ErrorInfo, e.g. "API_KEY_INVALID".
        details: Further details, messages of `genai_grpc_protos.rpc`.

    Raises:
        ValueError: No status code has this name.

    >>> from genai_grpc import testing
    >>> testing.api_error("RESOURCE_EXHAUSTED", "Quota exceeded.", retry_after=1.5).details[0].retry_delay.nanos
    500000000
    """
    if status not in _ERRORS_BY_STATUS:
        raise ValueError(f"no error status is named {status!r}; pass one of {', '.join(_ERRORS_BY_STATUS)}")
    own: list[Message] = []
    if reason is not None:
        own.append(ErrorInfo(reason=reason, domain="googleapis.com"))
    if quota is not None:
        violation = QuotaFailure.Violation(
            quota_metric="generativelanguage.googleapis.com/generate_content_requests", quota_id=quota
        )
        own.append(QuotaFailure(violations=[violation]))
    if retry_after is not None:
        seconds, nanos = divmod(round(retry_after * 1e9), 10**9)
        own.append(RetryInfo(retry_delay=Duration(seconds=seconds, nanos=nanos)))
    return _ERRORS_BY_STATUS[status](message, details=[*own, *details])
