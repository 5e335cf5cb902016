"""`genai-grpc bench`."""

from __future__ import annotations

import json
import re

import pytest

from genai_grpc import errors, local
from genai_grpc.cli._load import Load, Sample, percentile
from genai_grpc.local import ScriptEngine
from genai_grpc.local.server import Server
from tests.cli.runner import invoke


def queue(script: ScriptEngine, count: int) -> None:
    """Queue replies of two tokens."""
    for _ in range(count):
        script.reply("Hello", " there")


@pytest.mark.parametrize("transport", ["grpc", "rest"])
def test_bench(transport: str, script: ScriptEngine) -> None:
    """All requests are sent after one that is not counted, and the figures are printed in words."""
    queue(script, 13)
    with local.serve(script, http_port=0) as server:
        endpoint = str(server.http_endpoint) if transport == "rest" else server.endpoint
        arguments = ("bench", "-n", "12", "-c", "3", "--transport", transport, "--prompt", "Hi", "-o", "temperature=0")
        code, output = invoke(*arguments, endpoint=endpoint)
    assert code == 0
    name = "HTTP/JSON" if transport == "rest" else "gRPC"
    assert re.search(f"Sent 12 streamed requests to gemini-flash-latest at {endpoint} over {name}, 3 at a time", output)
    for line in ("Replies per second: ", "Output tokens per second: ", "Time to the first chunk: ", "p99 ", "none"):
        assert line in output
    assert len(script.requests) == 13
    assert script.requests[0].generation_config.max_output_tokens == 32


def test_json(script: ScriptEngine, server: Server) -> None:
    """--json prints the figures; failed requests are counted by kind, and none is retried."""
    queue(script, 3)
    script.reply(errors.ServiceUnavailable("no"))
    code, output = invoke("bench", "-n", "3", "-c", "1", "--json", endpoint=server.endpoint)
    printed = json.loads(output)
    assert code == 0
    assert (printed["replies"], printed["output_tokens"], printed["concurrency"]) == (2, 4, 1)
    assert printed["errors"] == {"ServiceUnavailable": 1}
    assert 0 < printed["first_chunk_seconds"]["p50"] <= printed["reply_seconds"]["max"] < printed["seconds"]


def test_failures(script: ScriptEngine, server: Server) -> None:
    """A first request that fails, and failures of all others, end with their exit code."""
    script.reply(errors.PermissionDenied("no"))
    code, output = invoke("bench", endpoint=server.endpoint)
    assert (code, output.count("\n")) == (4, 1)
    queue(script, 1)
    script.reply(errors.ResourceExhausted("no")).reply(errors.ResourceExhausted("no"))
    code, output = invoke("bench", "-n", "2", endpoint=server.endpoint)
    assert code == 6
    assert output.splitlines()[-1].startswith("Error: every request failed; the first one: 429 no")


def test_cost() -> None:
    """Google's endpoint is not called without a question, which a pipe cannot answer."""
    code, output = invoke("bench", "-n", "9", GEMINI_API_KEY="AQ.not-a-key")
    assert code == 2
    assert "This sends 10 requests to https://generativelanguage.googleapis.com" in output
    assert "--yes" in output


def test_percentile() -> None:
    """A percentile is one of the values, by the nearest rank."""
    values = [float(value) for value in range(1, 101)]
    assert [percentile(values, percent) for percent in (0, 1, 50, 90, 99, 100)] == [1, 1, 50, 90, 99, 100]
    assert percentile([7.0], 99) == 7
    load = Load(seconds=2.0, samples=[Sample(0.1, 0.2, 5), Sample(0.3, 0.4, 7)])
    assert (load.tokens, load.first_chunks["max"], load.replies["p50"]) == (12, 0.3, 0.2)
