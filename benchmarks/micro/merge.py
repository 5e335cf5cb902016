"""Merging the chunks of a stream is linear: ten times the chunks cost about ten times the CPU.

Prints the median CPU time of merging 10,000 and 100,000 chunks, over interleaved rounds, and their ratio.
"""

from __future__ import annotations

import statistics
import time

from genai_grpc import protos
from genai_grpc._responses.merge import ResponseMerger

ROUNDS = 5
SIZES = (10_000, 100_000)


def seconds(chunks: list[protos.GenerateContentResponse]) -> float:
    """CPU seconds of merging these chunks into one response."""
    started = time.process_time()
    merger = ResponseMerger()
    for chunk in chunks:
        merger.add(chunk)
    merger.result()
    return time.process_time() - started


def chunk(text: str) -> protos.GenerateContentResponse:
    """A chunk as the service sends it: a piece of text, and the usage so far."""
    content = protos.Content(role="model", parts=[protos.Part(text=text)])
    usage = protos.GenerateContentResponse.UsageMetadata(prompt_token_count=3)
    return protos.GenerateContentResponse(candidates=[protos.Candidate(content=content)], usage_metadata=usage)


def main() -> None:
    inputs = [[chunk(f"word {number} ") for number in range(size)] for size in SIZES]
    rounds = [[seconds(chunks) for chunks in inputs] for _ in range(ROUNDS)]
    medians = [statistics.median(times) for times in zip(*rounds, strict=True)]
    for size, median in zip(SIZES, medians, strict=True):
        print(f"{size:>7,} chunks: {median * 1e3:7.1f} ms, {median / size * 1e6:.2f} µs per chunk")
    print(f"10 times the chunks cost {medians[1] / medians[0]:.1f} times the CPU")
