"""Batch: reply to each row of a JSON Lines file, with many calls at once and a deadline for each.

python batch.py prompts.jsonl replies.jsonl

A row is {"id": ..., "prompt": "..."}, its reply {"id": ..., "text": "..."} or {"id": ..., "error": "..."}, in the order
of completion. Rows that have a text in the output are skipped, so the second run continues the first.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

import genai_grpc as genai
from genai_grpc import errors, types

MAX_IN_FLIGHT = 50


def main() -> None:
    source, target = map(Path, sys.argv[1:])
    done = {row["id"] for row in read(target) if "text" in row} if target.exists() else set()
    rows = (row for row in read(source) if row["id"] not in done)
    with target.open("a") as output:
        failed = asyncio.run(reply_to_all(rows, output))
    if failed:
        sys.exit(f"{failed} rows failed; run it again to repeat them")


async def reply_to_all(rows: Iterator[dict[str, Any]], output: TextIO) -> int:
    """Reply to all rows; the number of those that failed."""
    # The timeout includes the wait for the quota, which the client learns from the service.
    async with genai.Client(timeout=600, max_in_flight=MAX_IN_FLIGHT, rate_limit=types.RateLimit()) as client:
        model = genai.GenerativeModel("gemini-pro", client=client)
        # They take their rows from one iterator, so that no more rows than these are in memory.
        workers = (reply_to_each(rows, model, output) for _ in range(MAX_IN_FLIGHT))
        return sum(await asyncio.gather(*workers))


async def reply_to_each(rows: Iterator[dict[str, Any]], model: genai.GenerativeModel, output: TextIO) -> int:
    """Reply to one row after another until none is left; the number of those that failed."""
    failed = 0
    for row in rows:
        try:
            result = {"text": (await model.generate_content_async(row["prompt"])).text}
        except (errors.APIError, ValueError) as error:  # a ValueError is a reply without text, such as a blocked one
            failed += 1
            result = {"error": str(error)}
        output.write(json.dumps({"id": row["id"], **result}) + "\n")
        output.flush()
    return failed


def read(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a JSON Lines file."""
    with path.open() as lines:
        yield from map(json.loads, lines)


if __name__ == "__main__":
    main()
