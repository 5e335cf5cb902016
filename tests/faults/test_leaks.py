"""Memory that a call leaves."""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest

from genai_grpc import errors, protos
from genai_grpc.local import ScriptEngine, serve
from tests.faults.conftest import AddRow

ROOT: Final = Path(__file__).parents[2]
LIMIT: Final = 1024
"""Bytes per call."""


class Scenarios(ScriptEngine):
    """Replies as the prompt says: "one" or "many" chunks, "stall" or "error" after the first; calls the first tool."""

    async def generate(self, request: protos.GenerateContentRequest) -> Any:
        last = request.contents[-1].parts[-1]
        yield chunk(protos.Part(text="Hello"))
        if request.tools and last.text == "many":
            call = protos.FunctionCall(name="add", args={"left": 1, "right": 2})
            yield chunk(protos.Part(function_call=call), protos.Candidate.STOP)
            return
        if last.text == "stall":
            await asyncio.Event().wait()
        if last.text == "error":
            raise errors.DataLoss("the rest is lost")
        for _ in range(0 if last.text == "one" else 20):
            yield chunk(protos.Part(text="Hello"))
        yield chunk(protos.Part(text="Hello"), protos.Candidate.STOP)


def chunk(part: protos.Part, finish_reason: int = 0) -> protos.GenerateContentResponse:
    content = protos.Content(role="model", parts=[part])
    return protos.GenerateContentResponse(candidates=[{"content": content, "finish_reason": finish_reason}])


def measure(endpoint: str, part: str) -> list[tuple[str, str, float]]:
    completed = subprocess.run(
        [sys.executable, "-W", "error", "-m", "tests.faults.leaks", endpoint, part],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        env={**os.environ, "PYTHONMALLOC": "malloc", "MALLOC_ARENA_MAX": "1"},
    )
    assert (completed.returncode, completed.stderr) == (0, "")
    return [tuple(json.loads(line)) for line in completed.stdout.splitlines()]


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallinfo2"), reason="needs mallinfo2 of glibc 2.33")
@pytest.mark.slow
def test_every_way_to_leave_a_call(add_row: AddRow) -> None:
    """However a call is left, less than 1 KiB of it stays in the process."""
    with serve(Scenarios()) as server, ThreadPoolExecutor() as pool:
        results = [way for part in pool.map(partial(measure, server.endpoint), ("sync", "async")) for way in part]
    most: dict[str, float] = {}
    for fault, _, growth in results:
        most[fault] = max(most.get(fault, 0.0), growth)
    for fault, growth in most.items():
        add_row(fault, "less than 1 KiB stays", f"at most {growth / 1024:.1f} KiB per call")
    assert len(results) > 70
    assert {(fault, source): growth for fault, source, growth in results if growth >= LIMIT} == {}
