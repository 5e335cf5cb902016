"""Parts of runs on a cluster, without one: tests/libraries/test_ray.py has one."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import genai_grpc as genai
from genai_grpc import bulk
from genai_grpc.bulk import OutputError
from genai_grpc.bulk._cluster import block_size
from genai_grpc.bulk._parts import Parts
from genai_grpc.local import Server

fsspec: Any = pytest.importorskip("fsspec")
parquet: Any = pytest.importorskip("pyarrow.parquet")


def result(row: int, error: str | None = None, text: str = "") -> dict[str, Any]:
    """The result of a row."""
    return {"row": row, "text": text or f"reply {row}", "error": None if error is None else {"status": error}}


def open_parts(out: Path | str, *, resume: bool = True, retry_failed: bool = False) -> Parts:
    """The parts of an output."""
    return Parts(str(out), resume=resume, retry_failed=retry_failed)


def read(out: Path) -> list[dict[str, Any]]:
    """The results of an output."""
    if out.suffix == ".parquet":
        rows: list[dict[str, Any]] = parquet.read_table(out).to_pylist()
        return rows
    return [json.loads(line) for line in out.read_text().splitlines()]


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_joined(tmp_path: Path, suffix: str) -> None:
    """Parts become one output, in the order of rows, and later runs go on with it."""
    out = tmp_path / f"out{suffix}"
    parts = open_parts(out)
    parts.writer.write([result(4), result(5)])
    parts.writer.write([result(0), result(3)])
    resumed = open_parts(out)  # the first run was killed
    assert (resumed.rows, [row for row in range(7) if resumed.has(row)]) == (4, [0, 3, 4, 5])
    resumed.writer.write([result(1), result(2), result(6)])
    resumed.join()
    assert [row["row"] for row in read(out)] == list(range(7))
    assert [path.name for path in tmp_path.iterdir()] == [out.name]
    more = open_parts(out)
    assert more.rows == 7
    more.writer.write([result(7)])
    more.join()
    assert [row["text"] for row in read(out)] == [f"reply {row}" for row in range(8)]
    fresh = open_parts(out, resume=False)
    fresh.writer.write([result(0)])
    fresh.join()
    assert len(read(out)) == 1


def test_repeated_batch(tmp_path: Path) -> None:
    """A batch that is repeated, since its actor died after it had written, is once in the output."""
    parts = open_parts(tmp_path / "out.jsonl")
    parts.writer.write([result(0), result(1)])
    parts.writer.write([result(0, text="again"), result(1, text="again")])
    parts.join()
    assert [(row["row"], row["text"]) for row in read(tmp_path / "out.jsonl")] == [(0, "again"), (1, "again")]


def test_rows_of_two_runs(tmp_path: Path) -> None:
    """A row that an actor of a run before has also written is once in the output: the result without an error."""
    out = tmp_path / "out.jsonl"
    first, second = open_parts(out), open_parts(out)
    first.writer.write([result(0), result(1, "UNAVAILABLE"), result(2)])
    second.writer.write([result(1), result(2, "INTERNAL"), result(3)])
    second.join()
    assert [(row["row"], row["error"]) for row in read(out)] == [(number, None) for number in range(4)]
    assert (second.rows, second.failed) == (4, 0)


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_retry_failed(tmp_path: Path, suffix: str) -> None:
    """Rows that failed are left, so that they are done again; the others stay."""
    out = tmp_path / f"out{suffix}"
    parts = open_parts(out)
    parts.writer.write([result(0), result(1, "INTERNAL"), result(2)])
    parts.join()
    assert (parts.rows, parts.failed) == (3, 1)
    assert open_parts(out).failed == 1
    again = open_parts(out, retry_failed=True)
    assert (again.rows, again.failed, again.has(1)) == (2, 0, False)
    again.writer.write([result(1)])
    again.join()
    assert [(row["row"], row["error"]) for row in read(out)] == [(0, None), (1, None), (2, None)]


def test_killed_writer(tmp_path: Path) -> None:
    """What a killed actor has left of a part is not read."""
    parts = open_parts(tmp_path / "out.jsonl")
    (tmp_path / "out.jsonl.parts" / ".0-1.jsonl.new").write_text('{"row": 0, "err')
    assert open_parts(tmp_path / "out.jsonl").rows == 0
    parts.join()
    assert read(tmp_path / "out.jsonl") == []


def test_output_of_one_machine(tmp_path: Path) -> None:
    """An output that a run without a cluster has begun can be finished by a cluster."""
    out = tmp_path / "out.jsonl"
    out.write_text('{"row":1,"error":null}\n{"row":0,"error":null}\n{"row":2,"er')
    parts = open_parts(out)
    parts.writer.write([result(2)])
    parts.join()
    assert [row["row"] for row in read(out)] == [0, 1, 2]


def test_other_output(tmp_path: Path) -> None:
    """A file that no run wrote is not touched."""
    out = tmp_path / "out.jsonl"
    out.write_text('{"mine": 1}\n')
    with pytest.raises(OutputError, match="has lines that no such run wrote"):
        open_parts(out)
    assert out.read_text() == '{"mine": 1}\n'
    with pytest.raises(ValueError, match=r"a .jsonl or a .parquet file; got 'out.txt'"):
        open_parts("out.txt")
    with pytest.raises(OutputError, match="cannot write .*; run again to resume"):
        open_parts(tmp_path / "out.jsonl" / "out.jsonl")


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_url(suffix: str) -> None:
    """Outputs may be on any file system of fsspec."""
    parts = open_parts(f"memory://bulk/out.{suffix}")
    parts.writer.write([result(0)])
    parts.join()
    again = open_parts(f"memory://bulk/out.{suffix}")
    assert again.has(0)
    again.join()
    assert fsspec.filesystem("memory").find("/bulk") == [f"/bulk/out.{suffix}"]
    fsspec.filesystem("memory").rm("/bulk", recursive=True)


def test_full_disk(tmp_path: Path) -> None:
    """If an output or a part cannot be written, the parts stay, and a later run goes on."""
    resource = pytest.importorskip("resource")
    signal = pytest.importorskip("signal")
    parts = open_parts(tmp_path / "out.jsonl")
    parts.writer.write([result(0)])
    parts.writer.write([result(row) for row in range(1, 9)])
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        with pytest.raises(OutputError, match="cannot write .*out.jsonl: File too large; run again to resume"):
            parts.join()
        with pytest.raises(OutputError, match="cannot write .*: File too large; run again to resume"):
            parts.writer.write([result(row) for row in range(9, 20)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    again = open_parts(tmp_path / "out.jsonl")
    assert again.rows == 9
    again.join()
    assert [row["row"] for row in read(tmp_path / "out.jsonl")] == list(range(9))


def test_without_ray(server: Server, tmp_path: Path) -> None:
    """Without Ray, a run on a cluster is an error that says what to install, before anything is written."""
    if find_spec("ray") is not None:
        pytest.skip("Ray is installed")
    with genai.Client(endpoint=server.endpoint) as client, pytest.raises(ImportError, match=r"genai-grpc\[ray\]"):
        bulk.generate(genai.GenerativeModel(client=client), ["a"], out=tmp_path / "out.jsonl", engine="ray")
    assert not list(tmp_path.iterdir())


def test_block_size() -> None:
    """Blocks keep an actor busy, and each actor has several of them."""
    assert block_size(100, None, 4) == 1000
    assert block_size(100, 10**6, 4) == 1000
    assert block_size(100, 600, 4) == 37
    assert block_size(100, 3, 4) == 1
