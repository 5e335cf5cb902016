"""Runs of many rows: their sources, results, errors, and what a second run does."""

from __future__ import annotations

import asyncio
import csv
import datetime
import decimal
import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import genai_grpc as genai
from genai_grpc import bulk, errors, testing
from genai_grpc.local import Delay, ScriptEngine, Server

numpy: Any = pytest.importorskip("numpy")
pd: Any = pytest.importorskip("pandas")
pyarrow: Any = pytest.importorskip("pyarrow")
parquet: Any = pytest.importorskip("pyarrow.parquet")


@pytest.fixture
def model(server: Server) -> Iterator[genai.GenerativeModel]:
    """A model of the scripted server."""
    with genai.Client(endpoint=server.endpoint, retry=genai.types.RetryPolicy(initial_backoff=0.01)) as client:
        yield genai.GenerativeModel(client=client)


def echo(script: ScriptEngine, count: int) -> None:
    """Replies to so many prompts."""
    for number in range(count):
        script.reply(f"reply {number}")


def results(path: Path) -> list[dict[str, Any]]:
    """The results of an output."""
    if path.suffix == ".parquet":
        rows: list[dict[str, Any]] = parquet.read_table(path).to_pylist()
        return rows
    return [json.loads(line) for line in path.read_text().splitlines()]


def sources(folder: Path) -> dict[str, Any]:
    """The same two rows in every form."""
    rows = [{"text": "a", "n": 1}, {"text": "b", "n": 2}]
    lines = folder / "rows.jsonl"
    lines.write_text("".join(json.dumps(row) + "\n" for row in rows))
    table = folder / "rows.csv"
    table.write_text("text,n\na,1\nb,2\n")
    columns = folder / "rows.parquet"
    parquet.write_table(pyarrow.Table.from_pylist(rows), columns)
    return {
        "dicts": rows,
        "generator": (row for row in rows),
        "jsonl": lines,
        "csv": str(table),
        "parquet": columns,
        "pandas": pd.DataFrame(rows),
        "pyarrow": pyarrow.Table.from_pylist(rows),
    }


@pytest.mark.parametrize("form", ["dicts", "generator", "jsonl", "csv", "parquet", "pandas", "pyarrow"])
@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_sources(model: genai.GenerativeModel, script: ScriptEngine, tmp_path: Path, form: str, suffix: str) -> None:
    """Rows of every source become prompts by a template, and results have their columns and what the reply had."""
    echo(script, 2)
    out = tmp_path / f"out{suffix}"
    summary = bulk.generate(
        model, sources(tmp_path)[form], out=out, template="Say {text}.", concurrency=1, prices={"input": 1, "output": 2}
    )
    first, second = results(out)
    assert (first["row"], first["text"], first["finish_reason"], first["error"], first["attempts"]) == (
        0,
        "reply 0",
        "STOP",
        None,
        1,
    )
    assert first["text (input)"] == "a"
    assert int(second["n"]) == 2
    assert [request.contents[0].parts[0].text for request in script.requests] == ["Say a.", "Say b."]
    assert (summary.rows, summary.failed, summary.resumed) == (2, 0, 0)
    assert summary.prompt_tokens == first["prompt_tokens"] + second["prompt_tokens"] > 0
    assert summary.cost == pytest.approx((summary.prompt_tokens + 2 * summary.reply_tokens) / 1e6)
    assert not list(tmp_path.glob("*.new")) + list(tmp_path.glob("out.parquet.jsonl"))


def test_forms_of_contents(model: genai.GenerativeModel, script: ScriptEngine, tmp_path: Path) -> None:
    """Contents are the items themselves, a column, or what a function makes of a row."""
    echo(script, 4)
    bulk.generate(model, ["one"], out=tmp_path / "1.jsonl")
    bulk.generate(model, [{"prompt": "two"}], out=tmp_path / "2.jsonl")
    bulk.generate(model, [{"a": "three"}], out=tmp_path / "3.jsonl", contents=lambda row: ["Look:", row["a"]])
    image = {"mime_type": "image/png", "data": b"\x89PNG"}
    bulk.generate(model, [{"contents": ["four", image]}], out=tmp_path / "4.jsonl")
    parts = [[part.text for part in request.contents[0].parts] for request in script.requests]
    assert parts == [["one"], ["two"], ["Look:", "three"], ["four", ""]]
    assert "contents" not in results(tmp_path / "4.jsonl")[0]  # bytes are not repeated


def test_errors(model: genai.GenerativeModel, script: ScriptEngine, tmp_path: Path) -> None:
    """A row that fails is a result with an error, and the run goes on; a second run may do it again."""
    source = tmp_path / "rows.jsonl"
    source.write_text('{"text": "a"}\n{"text": \n{"other": 1}\n{"text": "d"}\n{"text": "e"}\n')
    script.reply(testing.api_error("INVALID_ARGUMENT", "no"))
    script.reply(testing.api_error("UNAVAILABLE")).reply("reply d")
    script.reply("not JSON")
    out = tmp_path / "out.jsonl"
    summary = bulk.generate(model, source, out=out, template="{text}", parsed=False, concurrency=1, columns=["text"])
    assert (summary.rows, summary.failed) == (5, 3)
    refused, malformed, missing, retried, _ = results(out)
    assert refused["error"] == {"status": "INVALID_ARGUMENT", "message": "no"}
    assert malformed["error"]["message"].startswith("line 2 of rows.jsonl is not JSON")
    assert missing["error"]["message"] == "the row has no column 'text'; it has 'other'"
    assert (retried["text"], retried["attempts"], retried["error"]) == ("reply d", 2, None)

    assert bulk.generate(model, source, out=out, template="{text}").resumed == 5  # nothing is left to do
    script.reply("reply a")
    again = bulk.generate(model, source, out=out, template="{text}", retry_failed=True)
    assert (again.resumed, again.rows, again.failed) == (2, 5, 2)
    assert sorted(result["row"] for result in results(out)) == [0, 1, 2, 3, 4]


def test_parsed(model: genai.GenerativeModel, script: ScriptEngine, tmp_path: Path) -> None:
    """Replies that are JSON are parsed; one that is not is an error, with its text and its tokens."""
    script.reply('{"a": [1]}').reply("no JSON")
    config: Any = {"response_mime_type": "application/json"}
    out = tmp_path / "out.jsonl"
    bulk.generate(model, ["x", "y"], out=out, parsed=True, generation_config=config, concurrency=1)
    good, bad = results(out)
    assert good["parsed"] == {"a": [1]}
    assert (bad["error"]["status"], bad["text"]) == ("JSONDecodeError", "no JSON")
    assert bad["prompt_tokens"] > 0


@pytest.mark.parametrize("ordered", [True, False])
def test_ordered(model: genai.GenerativeModel, script: ScriptEngine, tmp_path: Path, ordered: bool) -> None:
    """In order, results wait for those before them; else they are written as they finish."""
    script.reply(Delay(0.5), "slow")
    echo(script, 199)
    out = tmp_path / "out.jsonl"
    bulk.generate(model, map(str, range(200)), out=out, ordered=ordered, concurrency=4)
    numbers = [result["row"] for result in results(out)]
    assert sorted(numbers) == list(range(200))
    assert (numbers == list(range(200))) is ordered


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_resume(model: genai.GenerativeModel, script: ScriptEngine, tmp_path: Path, suffix: str) -> None:
    """A run that was killed goes on where it was, also if its last line is not whole."""
    out = tmp_path / f"out{suffix}"
    journal = out if suffix == ".jsonl" else tmp_path / "out.parquet.jsonl"
    echo(script, 2)
    bulk.generate(model, ["a", "b"], out=tmp_path / "first.jsonl", concurrency=1)
    first = (tmp_path / "first.jsonl").read_bytes()
    journal.write_bytes(first[:-5])
    echo(script, 2)
    summary = bulk.generate(model, ["a", "b", "c"], out=out, concurrency=1)
    assert (summary.resumed, summary.rows) == (1, 3)
    assert [result["row"] for result in results(out)] == [0, 1, 2]
    script.reply("more")
    assert bulk.generate(model, ["a", "b", "c", "d"], out=out).rows == 4
    assert sorted(result["row"] for result in results(out)) == [0, 1, 2, 3]
    echo(script, 1)
    assert bulk.generate(model, ["a"], out=out, resume=False).rows == 1


def test_columns_without_one_type(model: genai.GenerativeModel, script: ScriptEngine, tmp_path: Path) -> None:
    """In Parquet, a column with values of several types has their JSON, and one without values is text."""
    echo(script, 3)
    rows: list[Any] = [{"prompt": "a", "x": 1, "y": None}, {"prompt": "b", "x": "one"}, {"prompt": "c", "x": [1]}]
    out = tmp_path / "out.parquet"
    bulk.generate(model, rows, out=out, concurrency=1)
    assert [result["x"] for result in results(out)] == ["1", "one", "[1]"]
    assert [result["y"] for result in results(out)] == [None, None, None]


def test_output_that_cannot_be_opened(model: genai.GenerativeModel, tmp_path: Path) -> None:
    """An output that cannot be opened is an error before any call."""
    with pytest.raises(bulk.OutputError, match="cannot open the output .*: No such file or directory"):
        bulk.generate(model, ["a"], out=tmp_path / "none" / "out.jsonl")


@pytest.fixture
def limited_files() -> Iterator[Callable[[int], None]]:
    """A function that limits the size of files in bytes, as a full disk does; -1 for no limit."""
    resource = pytest.importorskip("resource")
    signal = pytest.importorskip("signal")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (before[0] if size < 0 else size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, handler)


def test_limited_file(
    model: genai.GenerativeModel, script: ScriptEngine, tmp_path: Path, limited_files: Callable[[int], None]
) -> None:
    """What is written in part is cut off, so that the file has whole results, and a later run goes on."""
    out = tmp_path / "out.jsonl"
    echo(script, 50)
    limited_files(1500)
    with pytest.raises(bulk.OutputError, match=r"cannot write to .*out.jsonl: File too large; it has \d+ results"):
        bulk.generate(model, map(str, range(50)), out=out, concurrency=1)
    limited_files(-1)
    written = results(out)
    assert 0 < len(written) < 50
    summary = bulk.generate(model, map(str, range(50)), out=out, concurrency=1, retry_failed=True)
    assert (summary.resumed, summary.rows) == (len(written), 50)


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_values_without_a_form_in_json(
    model: genai.GenerativeModel, script: ScriptEngine, tmp_path: Path, suffix: str
) -> None:
    """Values of a row that JSON, UTF-8 or Parquet lack end nothing, and the output is valid."""
    echo(script, 2)
    odd = {"nan": math.nan, "list": [math.inf, {"x": math.nan}], "price": decimal.Decimal("1.5"), "empty": {}}
    odd |= {"large": 2**70, "nested": {"day": datetime.date(2026, 1, 2)}, "array": numpy.array([1, 2])}
    out = tmp_path / f"out{suffix}"
    rows = [{"prompt": "lone \ud800"}, {"prompt": "a", **odd}, {"prompt": "b"}]
    summary = bulk.generate(model, rows, out=out, ordered=True, id="prompt")
    assert (summary.rows, summary.failed) == (3, 1)
    lone, found, _ = results(out)
    assert lone["error"]["status"] == "UnicodeEncodeError"
    assert lone["prompt"] == ("lone \ud800" if suffix == ".jsonl" else "lone ?")
    assert (found["nan"], found["price"], found["nested"]["day"]) == (None, "1.5", "2026-01-02")
    assert found["array"] == [1, 2]
    assert int(found["large"]) == 2**70
    if suffix == ".jsonl":
        assert found["list"] == [None, {"x": None}]
        assert "NaN" not in out.read_text()


def test_malformed_csv(model: genai.GenerativeModel, script: ScriptEngine, tmp_path: Path) -> None:
    """In CSV, a row that is not UTF-8 or has too few values is a failed row; a value may be long."""
    echo(script, 2)
    source = tmp_path / "rows.csv"
    source.write_bytes(b"prompt,n\nGr\xfc\xdfe,1\n" + b"x" * 200_000 + b",2\na\nok,4\n")
    limit = csv.field_size_limit()
    out = tmp_path / "out.jsonl"
    assert bulk.generate(model, source, out=out, ordered=True)[1:3] == (4, 2)
    first, long, short, last = results(out)
    assert first["error"]["message"] == "row 1 of rows.csv is not UTF-8"
    assert (len(long["prompt"]), last["n"]) == (200_000, "4")
    assert "another number of columns" in short["error"]["message"]
    assert csv.field_size_limit() == limit


def test_blank_lines(model: genai.GenerativeModel, script: ScriptEngine, tmp_path: Path) -> None:
    """Blank lines of JSON Lines are no rows."""
    echo(script, 2)
    source = tmp_path / "rows.jsonl"
    source.write_text('{"prompt": "a"}\n\n{"prompt": "b"}\n\n')
    assert bulk.generate(model, source, out=tmp_path / "out.jsonl")[1:3] == (2, 0)


def test_source_that_fails(model: genai.GenerativeModel, script: ScriptEngine, tmp_path: Path) -> None:
    """If the rows end with an exception, the calls in flight end first, and their results are written."""
    script.reply(Delay(0.3), "slow")
    echo(script, 2)

    def rows() -> Iterator[str]:
        yield from ("a", "b", "c")
        raise RuntimeError("no more")

    out = tmp_path / "out.jsonl"
    with pytest.raises(RuntimeError, match="no more"):
        bulk.generate(model, rows(), out=out)
    assert sorted(result["row"] for result in results(out)) == [0, 1, 2]


def test_two_runs(model: genai.GenerativeModel, script: ScriptEngine, tmp_path: Path) -> None:
    """A second run on an output is refused while the first one writes to it."""
    pytest.importorskip("fcntl")
    echo(script, 1)
    out = tmp_path / "out.jsonl"

    def rows() -> Iterator[str]:
        every: list[Any] = [{}, {"resume": False}, {"retry_failed": True}]
        for options in every:
            with pytest.raises(bulk.OutputError, match="another run writes to .*out.jsonl"):
                bulk.generate(model, ["b"], out=out, **options)
        yield "a"

    assert bulk.generate(model, rows(), out=out).rows == 1


def test_parquet_on_a_full_disk(
    model: genai.GenerativeModel, script: ScriptEngine, tmp_path: Path, limited_files: Callable[[int], None]
) -> None:
    """If there is no space for the Parquet file, the results are in the file beside it, and a later run goes on."""
    out = tmp_path / "out.parquet"
    echo(script, 5)
    limited_files(1500)
    with pytest.raises(
        bulk.OutputError, match=r"cannot write .*out.parquet: .*; all results are in .*out.parquet.jsonl"
    ):
        bulk.generate(model, map(str, range(5)), out=out, columns=[])
    assert [path.name for path in tmp_path.iterdir()] == ["out.parquet.jsonl"]
    limited_files(-1)
    summary = bulk.generate(model, map(str, range(5)), out=out, columns=[])
    assert (summary.resumed, len(results(out))) == (5, 5)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"rows": 7}, TypeError, "rows are a path, a data frame"),
        ({"rows": "rows.txt"}, ValueError, r"\.jsonl, \.csv and \.parquet files; got rows.txt"),
        ({"rows": "none.jsonl"}, FileNotFoundError, "there is no file none.jsonl"),
        ({"out": "out.txt"}, ValueError, "a .jsonl or a .parquet file; got 'out.txt'"),
        ({"template": "no column"}, ValueError, "the template names no column"),
        ({"template": "{text"}, ValueError, "the template is malformed"),
        ({"template": "{a.b}"}, ValueError, r"\{a.b\}, which is not the name of a column"),
        ({"template": "{a}", "contents": str}, TypeError, "mutually exclusive"),
        ({"contents": "a"}, TypeError, "contents is a function of a row; got str"),
        ({"concurrency": 0}, ValueError, "concurrency is 1 or more; got 0"),
        ({"columns": "a"}, TypeError, "columns is a list of names; got 'a'"),
        ({"engine": "dask"}, ValueError, "engine is \"ray\" or None; got 'dask'"),
        ({"actors": 2}, ValueError, 'actors are those of engine="ray", 1 or more; got 2'),
        ({"colums": ["a"]}, TypeError, "colums: no such option"),
        ({"prices": {"in": 1}}, ValueError, "prices are those of 'input' and 'output'"),
    ],
)
def test_wrong_arguments(
    model: genai.GenerativeModel, tmp_path: Path, arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    """A wrong argument is an error before any call."""
    given: Any = {"rows": ["a"], "out": str(tmp_path / "out.jsonl"), **arguments}
    with pytest.raises(error, match=message):
        bulk.generate(model, given.pop("rows"), **given)


def test_other_output(model: genai.GenerativeModel, tmp_path: Path) -> None:
    """A file that no run wrote is not touched."""
    out = tmp_path / "out.jsonl"
    out.write_text('{"mine": 1}\n')
    with pytest.raises(bulk.OutputError, match="has lines that no such run wrote"):
        bulk.generate(model, ["a"], out=out)
    assert out.read_text() == '{"mine": 1}\n'


def test_closed_client(model: genai.GenerativeModel, tmp_path: Path) -> None:
    """What concerns the program, not a row, ends the run."""
    model.client.close()
    with pytest.raises(errors.ClientClosed):
        bulk.generate(model, ["a"], out=tmp_path / "out.jsonl")


def test_count_and_embed(model: genai.GenerativeModel, tmp_path: Path) -> None:
    """Tokens are counted and contents embedded in the same way."""
    out = tmp_path / "counted.jsonl"
    assert bulk.count_tokens(model, ["one two", "three"], out=out, ordered=True).prompt_tokens == 3
    assert [result["prompt_tokens"] for result in results(out)] == [2, 1]
    embedded = tmp_path / "embedded.parquet"
    bulk.embed("embedding-001", ["one", "two"], out=embedded, client=model.client, output_dimensionality=8)
    assert [len(result["embedding"]) for result in results(embedded)] == [8, 8]


def test_in_an_event_loop(model: genai.GenerativeModel, script: ScriptEngine, tmp_path: Path) -> None:
    """The sync functions work where an event loop runs, as in a notebook, and have async twins."""
    echo(script, 2)

    async def main() -> None:
        bulk.generate(model, ["a"], out=tmp_path / "sync.jsonl")
        summary = await bulk.generate_async(model, ["b"], out=tmp_path / "async.jsonl", progress=False)
        assert summary.rows == 1

    asyncio.run(main())


def test_bar(model: genai.GenerativeModel, script: ScriptEngine, tmp_path: Path, capsys: Any) -> None:
    """The bar has the rows, tokens per second, the cost and failures."""
    echo(script, 1)
    script.reply(testing.api_error("INTERNAL"))
    prices = {"input": 1e6, "output": 1e6}
    bulk.generate(model, ["a", "b"], out=tmp_path / "out.jsonl", progress=True, prices=prices, concurrency=1)
    shown = capsys.readouterr().err
    assert "2/2" in shown
    assert "tokens/s, $" in shown
    assert "1 failed" in shown
