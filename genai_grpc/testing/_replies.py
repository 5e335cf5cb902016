"""What a script replies, beyond text: function calls, usage, blocked prompts, and errors with the service's details."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from genai_grpc import errors, protos

if TYPE_CHECKING:
    from collections.abc import Iterable

    from google.protobuf.message import Message

__all__ = ["api_error", "blocked_response", "function_call", "response"]

_BY_STATUS = {cls.status: cls for cls in errors.APIError.__subclasses__()}


def function_call(name: str, /, **arguments: Any) -> protos.Part:
    """A part in which the model calls a function.

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
    """A reply, or the chunk of one, with one candidate.

    Args:
        parts: Text, or any part.
        finish_reason: The name of a `Candidate.FinishReason`, e.g. "MAX_TOKENS"; "" for a chunk that others follow.
        usage: The tokens of the prompt and those of the answer.

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
    made = protos.GenerateContentResponse(candidates=[candidate])
    if usage is not None:
        prompt, answer = usage
        made.usage_metadata.prompt_token_count = prompt
        made.usage_metadata.candidates_token_count = answer
        made.usage_metadata.total_token_count = prompt + answer
    return made


def blocked_response(reason: str = "SAFETY") -> protos.GenerateContentResponse:
    """A reply that blocks the prompt, for the reason of this name in `PromptFeedback.BlockReason`."""
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
    """An error with the details that Google's services send (https://google.aip.dev/193).

    Args:
        status: The name of a gRPC status code but OK, e.g. "RESOURCE_EXHAUSTED".
        message: The status message.
        retry_after: Seconds, for a RetryInfo.
        quota: The id of the quota that is used up, for a QuotaFailure, e.g.
            "GenerateRequestsPerMinutePerProjectPerModel".
        reason: For an ErrorInfo, e.g. "API_KEY_INVALID".
        details: Further ones, messages of `genai_grpc_protos.rpc`.

    Raises:
        ValueError: No status code has this name.

    >>> from genai_grpc import testing
    >>> testing.api_error("RESOURCE_EXHAUSTED", "Quota exceeded.", retry_after=1.5).details[0].retry_delay.nanos
    500000000
    """
    from genai_grpc_protos.protobuf import Duration
    from genai_grpc_protos.rpc import ErrorInfo, QuotaFailure, RetryInfo

    if status not in _BY_STATUS:
        raise ValueError(f"no status is called {status!r}; there are {', '.join(_BY_STATUS)}")
    told: list[Message] = []
    if reason is not None:
        told.append(ErrorInfo(reason=reason, domain="googleapis.com"))
    if quota is not None:
        violation = QuotaFailure.Violation(
            quota_metric="generativelanguage.googleapis.com/generate_content_requests", quota_id=quota
        )
        told.append(QuotaFailure(violations=[violation]))
    if retry_after is not None:
        seconds, rest = divmod(round(retry_after * 1e9), 10**9)
        told.append(RetryInfo(retry_delay=Duration(seconds=seconds, nanos=rest)))
    return _BY_STATUS[status](message, details=[*told, *details])
