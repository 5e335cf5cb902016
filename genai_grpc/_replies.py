"""Replies in a chat: whether they are complete, and what ended them early."""

from __future__ import annotations

from collections.abc import Sequence

from genai_grpc import protos
from genai_grpc._base_response import BaseResponse
from genai_grpc._responses.text import COMPLETE_REASONS
from genai_grpc.errors import BlockedPromptException, IncompleteIterationError, StopCandidateException

__all__ = ["candidates_so_far", "check_candidate", "check_complete", "check_prompt"]


def candidates_so_far(response: BaseResponse) -> Sequence[protos.Candidate]:
    """The candidates of a complete reply, or of one that failed, as far as it came."""
    try:
        return response.candidates
    except IncompleteIterationError:
        raise
    except Exception:
        # Reading the end of the stream met the failure; now it is known.
        return response.candidates


def check_prompt(response: BaseResponse) -> None:
    """Raise BlockedPromptException if the prompt was blocked."""
    if response.prompt_feedback.block_reason:
        raise BlockedPromptException(response.prompt_feedback)


def check_complete(response: BaseResponse) -> None:
    """Raise what ended a reply early."""
    check_prompt(response)
    check_candidate(response)


def check_candidate(response: BaseResponse) -> protos.Content:
    """The content of a complete reply; raises what ended it early, or StopCandidateException."""
    candidates = response.candidates
    if (error := response.error) is not None:
        raise error
    if not candidates:
        raise StopCandidateException("the reply has no candidate")
    candidate = candidates[0]
    if candidate.finish_reason not in COMPLETE_REASONS:
        raise StopCandidateException(candidate)
    return candidate.content
