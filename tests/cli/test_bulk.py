"""`genai-grpc bulk`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from genai_grpc import errors
from genai_grpc.local import ScriptEngine
from genai_grpc.local.server import Server
from tests.cli.runner import invoke


def results(path: Path) -> list[dict[str, Any]]:
    """The results, in the order of the rows."""
    return sorted(map(json.loads, path.read_text().splitlines()), key=lambda result: int(result["row"]))


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """A CSV file of two rows."""
    path = tmp_path / "rows.csv"
    path.write_text("key,text\na,Guten Morgen\nb,Gute Nacht\n")
    return path


def test_generate(rows: Path, tmp_path: Path, script: ScriptEngine, server: Server) -> None:
    """Each row has a reply, in the output; a second run has nothing left to do."""
    script.reply("Good").reply("Good")
    out = tmp_path / "out.jsonl"
    arguments = ("bulk", str(rows), str(out), "-t", "Translate: {text}", "--id", "key", "--column", "text", "-c", "1")
    code, output = invoke(*arguments, "--system", "Be brief.", "-o", "temperature=0", endpoint=server.endpoint)
    assert (code, output.startswith(f"{out}: 2 rows, 0 failed; 2 by this run")) == (0, True)
    assert [(each["id"], each["text (input)"], each["text"]) for each in results(out)] == [
        ("a", "Guten Morgen", "Good"),
        ("b", "Gute Nacht", "Good"),
    ]
    assert script.requests[0].contents[0].parts[0].text == "Translate: Guten Morgen"
    assert script.requests[0].system_instruction.parts[0].text == "Be brief."
    code, output = invoke(*arguments, "--json", endpoint=server.endpoint)
    assert (code, json.loads(output)["resumed"]) == (0, 2)


def test_failed_rows(rows: Path, tmp_path: Path, script: ScriptEngine, server: Server) -> None:
    """Rows that fail end the command with 9, and are done again on request."""
    script.reply(errors.InvalidArgument("no")).reply("Good").reply("Good")
    arguments = ("bulk", str(rows), str(tmp_path / "out.jsonl"), "-t", "{text}", "-c", "1")
    code, output = invoke(*arguments, endpoint=server.endpoint)
    assert (code, "1 rows failed" in output.splitlines()[-1]) == (9, True)
    assert invoke(*arguments, "--retry-failed", endpoint=server.endpoint).code == 0


def test_other_tasks(tmp_path: Path, script: ScriptEngine, server: Server) -> None:
    """Rows of stdin are prompts; tokens are counted, and texts are embedded."""
    script.reply_embedding([1, 2], [3, 4])
    counted, embedded = tmp_path / "counted.jsonl", tmp_path / "embedded.jsonl"
    endpoint, stdin = server.endpoint, "one two\n\nthree\n"
    assert invoke("bulk", "-", str(counted), "--task", "count-tokens", endpoint=endpoint, stdin=stdin).code == 0
    assert [each["prompt_tokens"] for each in results(counted)] == [2, 1]
    arguments = ("bulk", "-", str(embedded), "--task", "embed", "-c", "1")
    assert invoke(*arguments, endpoint=endpoint, stdin=stdin).code == 0
    assert sorted(each["embedding"] for each in results(embedded)) == [[1, 2], [3, 4]]


def test_schema(tmp_path: Path, script: ScriptEngine, server: Server) -> None:
    """With --schema the values of the replies are in the results."""
    script.reply('{"age": 85}')
    out = tmp_path / "out.jsonl"
    arguments = ("bulk", "-", str(out), "--schema", '{"type": "object"}')
    assert invoke(*arguments, endpoint=server.endpoint, stdin="Grace Hopper, 85").code == 0
    assert results(out)[0]["parsed"] == {"age": 85}


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["rows.txt", "out.jsonl"], 2, ".jsonl, .csv and .parquet"),
        (["missing.csv", "out.jsonl"], 1, "there is no file"),
        (["-", "out.txt"], 2, "out.txt"),
        (["-", "out.jsonl", "--task", "embed", "-o", "temperature=0"], 2, "leave them out"),
        (["-", "out.jsonl", "--task", "embed", "--system", "x"], 2, "leave it out"),
    ],
)
def test_wrong_usage(
    arguments: list[str], code: int, message: str, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wrong files and options are one line."""
    monkeypatch.chdir(tmp_path)
    result = invoke("bulk", *arguments, endpoint=server.endpoint, stdin="")
    assert (result.code, result.output.count("\n")) == (code, 1)
    assert message in result.output
