"""Batch: reply to each row of a JSON Lines file, with many calls at once and a deadline for each.

python batch.py prompts.jsonl replies.jsonl

A row is {"id": ..., "prompt": "..."}. A second run continues the first, and repeats the rows that failed.
"""

from __future__ import annotations

import sys

import genai_grpc as genai
from genai_grpc import bulk, types

MAX_IN_FLIGHT = 50


def main() -> None:
    source, target = sys.argv[1:]
    # The timeout includes the wait for the quota, which the client learns from the service.
    with genai.Client(timeout=600, max_in_flight=MAX_IN_FLIGHT, rate_limit=types.RateLimit()) as client:
        model = genai.GenerativeModel("gemini-flash-latest", client=client)
        summary = bulk.generate(
            model, source, out=target, id="id", columns=[], concurrency=MAX_IN_FLIGHT, retry_failed=True
        )
    if summary.failed:
        sys.exit(f"{summary.failed} rows failed; run it again to repeat them")


if __name__ == "__main__":
    main()
