"""The progress of a run: counts, and a bar on a terminal."""

from __future__ import annotations

import sys
import time
from typing import Any, NamedTuple

from genai_grpc.bulk._prices import Cost

__all__ = ["BulkSummary", "Progress"]


class BulkSummary(NamedTuple):
    """What a run did.

    Attributes:
        out: The output.
        rows: Results in the output, those of earlier runs included.
        failed: Those of rows that failed.
        resumed: Rows that the output had before this run.
        prompt_tokens: Tokens of the prompts of this run.
        reply_tokens: Tokens of the replies of this run, thoughts included.
        cost: US dollars for the tokens of this run; None where no price is known.
        seconds: Seconds that it took.
    """

    out: str
    rows: int
    failed: int
    resumed: int
    prompt_tokens: int
    reply_tokens: int
    cost: float | None
    seconds: float


class Progress:
    """Counts results, and shows them.

    Args:
        show: Whether to show a bar; None for on a terminal, if tqdm is installed.
        total: Rows of the source, if known.
        done: Rows that are done.
        cost: What tokens cost, if known.
    """

    def __init__(self, show: bool | None, total: int | None, done: int, cost: Cost | None) -> None:
        self.prompt_tokens = self.reply_tokens = self.failed = 0
        self.cost = None if cost is None else 0.0
        self._cost = cost
        self._started = time.monotonic()
        self._bar = _bar(show, total, done)

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._started

    def add(self, result: dict[str, Any]) -> None:
        """Count a result."""
        prompt, reply = result.get("prompt_tokens") or 0, result.get("reply_tokens") or 0
        self.prompt_tokens += prompt
        self.reply_tokens += reply
        self.failed += result["error"] is not None
        if self._cost is not None and self.cost is not None:
            self.cost += self._cost(prompt, reply)
        if self._bar is not None and self._bar.update():
            self._describe()

    def close(self) -> None:
        """End the bar."""
        if self._bar is not None:
            self._describe()
            self._bar.close()

    def _describe(self) -> None:
        tokens = self.prompt_tokens + self.reply_tokens
        shown = [f"{tokens / max(self.seconds, 1e-9):,.0f} tokens/s"]
        if self.cost is not None:
            shown.append(f"${self.cost:,.2f}")
        if self.failed:
            shown.append(f"{self.failed:,} failed")
        self._bar.set_postfix_str(", ".join(shown), refresh=False)


def _bar(show: bool | None, total: int | None, done: int) -> Any:
    if show is False or (show is None and not sys.stderr.isatty()):
        return None
    try:
        from tqdm import tqdm  # optional
    except ImportError as error:
        if show is None:
            return None
        raise ImportError("the progress bar needs tqdm; pip install 'genai-grpc[bulk]'", name="tqdm") from error
    return tqdm(total=total, initial=done, unit=" rows", dynamic_ncols=True)
