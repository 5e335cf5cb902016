"""The callable class for Ray Data and the cluster's limit, without a cluster; `make bench ARGS=ray` has one."""

from __future__ import annotations

import pickle
import time
from typing import Any

import pytest

from genai_grpc import testing
from genai_grpc.bulk.ray_data import ClusterRateLimit, Generate, _Reservations
from genai_grpc.local import ScriptEngine, Server
from genai_grpc.types import RateLimit

pyarrow: Any = pytest.importorskip("pyarrow")


def test_batch(server: Server, script: ScriptEngine) -> None:
    """A batch keeps its rows and columns, and gets the columns of results, whose types do not depend on the rows."""
    script.reply('{"a": 1}').reply(testing.api_error("INVALID_ARGUMENT", "no")).reply("no JSON")
    generate = Generate(template="{text}", parsed=True, client={"endpoint": server.endpoint}, concurrency=1)
    table = generate(pyarrow.table({"id": [7, 8, 9], "text": ["x", "y", "z"]}))
    first, second, third = table.to_pylist()
    assert (first["id"], first["text (input)"], first["text"], first["parsed"]) == (7, "x", '{"a": 1}', '{"a": 1}')
    assert second["error"] == '{"status": "INVALID_ARGUMENT", "message": "no"}'
    assert third["text"] == "no JSON"
    assert [row["attempts"] for row in table.to_pylist()] == [1, 1, 1]
    script.reply("1")
    other = generate(pyarrow.table({"id": [1], "text": ["x"]}))
    assert other.schema == table.schema


def test_reservations() -> None:
    """Requests and tokens are spaced by their limits after a burst; a wait that is too long reserves nothing."""
    limit = RateLimit(requests_per_minute=600, burst_seconds=0.5)
    limiter = _Reservations()
    waits = [limiter.reserve(limit, 0.0, 10.0) for _ in range(10)]
    assert waits[:5] == [0.0] * 5
    assert waits[9] == pytest.approx(0.4, abs=0.1)
    assert limiter.reserve(limit, 0.0, 0.1) is None
    limit = RateLimit(tokens_per_minute=6000, burst_seconds=0)
    tokens = _Reservations()
    assert tokens.reserve(limit, 100.0, 10.0) == 0.0
    started = time.monotonic()
    wait = tokens.reserve(limit, 100.0, 10.0)
    assert wait == pytest.approx(1.0 - (time.monotonic() - started), abs=0.2)


def test_limit_is_pickled() -> None:
    """A limit can be an argument of an actor."""
    limit = pickle.loads(pickle.dumps(ClusterRateLimit("quota", requests_per_minute=60)))
    assert repr(limit) == (
        "ClusterRateLimit('quota', RateLimit(requests_per_minute=60, tokens_per_minute=None, burst_seconds=1.0))"
    )
    with pytest.raises(ValueError, match="requests_per_minute is more than 0"):
        ClusterRateLimit("quota", requests_per_minute=0)
