"""Rows that are embedded share calls."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import genai_grpc as genai
from genai_grpc import bulk, errors
from genai_grpc.local import ScriptEngine, Server

IMAGE = {"parts": [{"inline_data": {"mime_type": "image/png", "data": b"\x89PNG"}}]}


class CountAttempts(genai.types.Interceptor):
    """Counts the attempts of calls."""

    attempts = 0

    def attempt(self, state: Any, number: int) -> None:
        """Count one."""
        self.attempts += 1


@pytest.fixture
def count() -> CountAttempts:
    """Counts the attempts of the client."""
    return CountAttempts()


@pytest.fixture
def client(server: Server, count: CountAttempts) -> Iterator[genai.Client]:
    """A client of the scripted server."""
    retry = genai.types.RetryPolicy(initial_backoff=0.01)
    with genai.Client(endpoint=server.endpoint, interceptors=[count], retry=retry) as connected:
        yield connected


def embed(client: genai.Client, rows: Any, folder: Path, **options: Any) -> list[dict[str, Any]]:
    """The results of rows, in their order."""
    out = folder / "out.jsonl"
    bulk.embed("embedding-001", rows, out=out, client=client, columns=[], **options)
    return sorted(map(json.loads, out.read_text().splitlines()), key=lambda result: int(result["row"]))


@pytest.mark.parametrize(("concurrency", "calls"), [(400, 3), (100, 3), (30, 9), (1, 250)])
def test_calls(client: genai.Client, count: CountAttempts, tmp_path: Path, concurrency: int, calls: int) -> None:
    """The rows in flight share calls of up to 100; each gets its own vector."""
    texts = [f"{'word ' * (number % 7)}number {number}" for number in range(250)]
    expected = genai.embed_content("embedding-001", texts, client=client)["embedding"]
    count.attempts = 0
    found = embed(client, texts, tmp_path, concurrency=concurrency, ordered=True)
    assert [result["embedding"] for result in found] == expected
    assert {(result["attempts"], result["error"]) for result in found} == {(1, None)}
    assert count.attempts == calls


def test_large_rows(client: genai.Client, count: CountAttempts, tmp_path: Path) -> None:
    """Calls of several rows are small enough for servers that take 4 MiB; a larger row has its own."""
    texts = ["a" * 2**20, "b" * 2**20, "c" * 2**20, "d" * 2**20, "e" * 5 * 2**20, "f"]
    found = embed(client, texts, tmp_path)
    assert [result["error"] for result in found] == [None] * 6
    assert count.attempts == 4  # two, two, one, one


def test_row_that_fails(client: genai.Client, tmp_path: Path) -> None:
    """A row that the service refuses, or that is no content, fails alone."""
    found = embed(client, [{"contents": each} for each in ("one", IMAGE, ["two", "parts"], 5)], tmp_path)
    assert [result["error"] and result["error"]["status"] for result in found] == [
        None,
        "INVALID_ARGUMENT",
        None,
        "TypeError",
    ]
    assert [result["attempts"] for result in found] == [2, 2, 2, 0]
    assert "has no text" in found[1]["error"]["message"]
    assert [math.isclose(math.hypot(*found[position]["embedding"]), 1, rel_tol=1e-5) for position in (0, 2)] == [
        True,
        True,
    ]


def test_batch_that_fails(client: genai.Client, script: ScriptEngine, count: CountAttempts, tmp_path: Path) -> None:
    """An attempt of a batch counts for each of its rows; an error that remains is each row's."""
    script.reply_embedding(errors.ServiceUnavailable("busy"))
    found = embed(client, ["one", "two", "three"], tmp_path)
    assert [(result["attempts"], result["error"]) for result in found] == [(2, None)] * 3
    script.reply_embedding(errors.PermissionDenied("not yours"))
    found = embed(client, ["one", "two"], tmp_path, resume=False)
    refused = {"status": "PERMISSION_DENIED", "message": "not yours"}
    assert [(result["attempts"], result["error"]) for result in found] == [(1, refused)] * 2
    assert count.attempts == 3


def test_closed_client(client: genai.Client, tmp_path: Path) -> None:
    """What concerns the program ends the run."""
    client.close()
    with pytest.raises(errors.ClientClosed):
        embed(client, ["one", "two"], tmp_path)
