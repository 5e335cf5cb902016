"""Runs that are killed at random points and resumed, and their memory."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from genai_grpc import testing

pytest.importorskip("pyarrow")

METHOD = "/google.ai.generativelanguage.v1beta.GenerativeService/GenerateContent"
KILLS = 10
ROWS = int(os.environ.get("GENAI_GRPC_TEST_ROWS", "6000"))
"""Rows of the killed run; 100,000 for the measured one of docs/bulk.md."""
PROGRAM = """
import resource, sys
import genai_grpc as genai
from genai_grpc import bulk

endpoint, out, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
with genai.Client(endpoint=endpoint) as client:
    rows = ({"prompt": f"Row {number}.", "n": number} for number in range(count))
    summary = bulk.generate(genai.GenerativeModel(client=client), rows, out=out, concurrency=50)
print(summary.rows, summary.failed, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.fixture
def server() -> Iterator[testing.LoadServer]:
    """A server with one reply, in a process of its own."""
    with testing.LoadServer({METHOD: [testing.response("Done.")]}) as running:
        yield running


def start(server: testing.LoadServer, out: Path, rows: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", PROGRAM, server.endpoint, str(out), str(rows)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_killed(server: testing.LoadServer, tmp_path: Path, suffix: str) -> None:
    """A run that is killed at random points and resumed has each row exactly once, and none is lost."""
    out = tmp_path / f"out{suffix}"
    journal = out if suffix == ".jsonl" else tmp_path / "out.parquet.jsonl"
    points = sorted(random.Random(7).sample(range(1, ROWS), KILLS))  # noqa: S311 -- no cryptography
    for point in points:
        with start(server, out, ROWS) as process:
            while process.poll() is None:
                if journal.exists() and journal.read_bytes().count(b"\n") >= point:
                    process.send_signal(signal.SIGKILL)
                    break
    with start(server, out, ROWS) as process:
        assert process.stdout is not None
        assert process.stdout.read().split()[:2] == [str(ROWS), "0"]
    if suffix == ".jsonl":
        found = [json.loads(line) for line in out.read_text().splitlines()]
    else:
        from pyarrow import parquet

        found = parquet.read_table(out).to_pylist()
        assert not journal.exists()
    assert sorted(result["row"] for result in found) == list(range(ROWS))
    assert all((result["n"], result["text"]) == (result["row"], "Done.") for result in found)


@pytest.mark.slow
def test_memory(server: testing.LoadServer, tmp_path: Path) -> None:
    """Memory does not grow with the number of rows."""
    peaks = []
    for rows in (2000, 20_000):
        with start(server, tmp_path / f"{rows}.jsonl", rows) as process:
            assert process.stdout is not None
            peaks.append(int(process.stdout.read().split()[2]))
    assert peaks[1] - peaks[0] < 4096, peaks  # KiB
