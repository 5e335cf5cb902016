"""Token counts of a reply, as traces, metrics and the request log show them."""

from __future__ import annotations

from typing import Any

__all__ = ["input_tokens", "output_tokens"]


def input_tokens(usage: Any) -> int:
    """All input tokens; the service counts cached tokens in the prompt, and results of tools separately, or not."""
    return int(usage.prompt_token_count + getattr(usage, "tool_use_prompt_token_count", 0))


def output_tokens(usage: Any) -> int:
    """All output tokens, thoughts included, which the service counts separately."""
    return int(usage.candidates_token_count + usage.thoughts_token_count)
