"""The load test of `genai-grpc bench`."""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from genai_grpc.errors import GenAIError
from genai_grpc.generative_model import GenerativeModel

__all__ = ["Load", "Sample", "measure", "percentile"]

_PERCENTS: Final = (50, 90, 99)


class Sample(NamedTuple):
    """One reply: seconds to its first chunk and to its end, and its output tokens."""

    first_chunk: float
    reply: float
    tokens: int


@dataclass
class Load:
    """What a load test measured.

    Attributes:
        seconds: From the first call to the end of the last one.
        samples: The replies.
        errors: Those of the calls that failed.
    """

    seconds: float = 0.0
    samples: list[Sample] = field(default_factory=list)
    errors: list[GenAIError] = field(default_factory=list)

    @property
    def tokens(self) -> int:
        """The output tokens of all replies, as the service counts them."""
        return sum(sample.tokens for sample in self.samples)

    @property
    def first_chunks(self) -> dict[str, float]:
        """Percentiles of the seconds to the first chunk."""
        return _distribution(sample.first_chunk for sample in self.samples)

    @property
    def replies(self) -> dict[str, float]:
        """Percentiles of the seconds to the whole reply."""
        return _distribution(sample.reply for sample in self.samples)

    def to_dict(self) -> dict[str, Any]:
        """The figures as JSON-ready values, in seconds."""
        return {
            "seconds": self.seconds,
            "replies": len(self.samples),
            "replies_per_second": len(self.samples) / self.seconds,
            "output_tokens": self.tokens,
            "first_chunk_seconds": self.first_chunks if self.samples else None,
            "reply_seconds": self.replies if self.samples else None,
            "errors": Counter(type(error).__name__ for error in self.errors),
        }


async def measure(
    model: GenerativeModel, prompt: str, requests: int, concurrency: int, report: Callable[[int], object]
) -> Load:
    """Send requests, so many at a time.

    Args:
        model: The model.
        prompt: The prompt of each.
        requests: How many.
        concurrency: How many at a time.
        report: Called with the number of requests that have ended.
    """
    model = model.with_options(retry=None)
    load = Load()
    first = Load()
    await _call(model, prompt, first)
    if first.errors:
        raise first.errors[0]
    left = iter(range(requests))

    async def send() -> None:
        for _ in left:
            await _call(model, prompt, load)
            report(len(load.samples) + len(load.errors))

    start = time.perf_counter()
    await asyncio.gather(*(send() for _ in range(min(concurrency, requests))))
    load.seconds = time.perf_counter() - start
    return load


async def _call(model: GenerativeModel, prompt: str, load: Load) -> None:
    start = time.perf_counter()
    first: float | None = None
    try:
        response = await model.generate_content_async(prompt, stream=True)
        async for _ in response:
            first = time.perf_counter() - start if first is None else first
    except GenAIError as error:
        load.errors.append(error)
        return
    seconds = time.perf_counter() - start
    tokens = response.usage_metadata.candidates_token_count
    load.samples.append(Sample(seconds if first is None else first, seconds, tokens))


def percentile(ordered: Sequence[float], percent: float) -> float:
    """The smallest value that so many percent of the values do not exceed (nearest rank).

    >>> percentile([1.0, 2.0, 3.0, 4.0], 50), percentile([1.0, 2.0, 3.0, 4.0], 99)
    (2.0, 4.0)
    """
    return ordered[max(math.ceil(len(ordered) * percent / 100), 1) - 1]


def _distribution(values: Iterable[float]) -> dict[str, float]:
    ordered = sorted(values)
    return {f"p{percent}": percentile(ordered, percent) for percent in _PERCENTS} | {"max": ordered[-1]}
