"""The programs of the tutorial and of the pages on migration run; every page's programs are tested."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

import genai_grpc as genai
from genai_grpc.local import ScriptEngine
from tests.test_documents import execute, function_call, programs

ROOT: Final = Path(__file__).parents[2]
PERSON: Final = '{"name": "Grace Hopper", "age": 85, "city": "New York"}'
# Programs of other packages, which the tests run by this comment.
OTHERS: Final = re.compile(r"<!-- runs: (.+?) -->\n```py\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def promised(code: str) -> list[str]:
    """The lines that a program's comments say it prints."""
    return re.findall(r"# prints (.+)", code)


def lines_of(printed: str, expected: list[str]) -> list[str]:
    """The printed lines that were expected."""
    return [line for line in printed.splitlines() if line in expected]


# The program leaves its image file to the garbage collector.
@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_tutorial(scripted: ScriptEngine) -> None:
    """The programs of the tutorial run one after the other, and print what their comments say."""
    for reply in ("Three fruits", "The sea is vast", "A sunrise glows.", "Tilly is a cat.", "Your cat is Tilly."):
        scripted.reply(reply)
    scripted.reply("Fine.").reply("Tomatoes.").reply("Bees make honey.").reply(PERSON)
    scripted.reply(function_call("set_light", brightness=40, colour="green")).reply("The light is green.")
    scripted.reply("**Scones**").reply("Again").reply("One").reply("Two")
    scripted.reply_embedding([1, 0], [0.9, 0.1], [0, 1])
    namespace: dict[str, Any] = {}
    *others, _ = programs("docs/tutorial.md")
    for program in others:
        printed = execute(program.code, "docs/tutorial.md", namespace)
        assert lines_of(printed, promised(program.code)) == promised(program.code), program.heading
    assert [part.WhichOneof("data") for part in scripted.requests[11].contents[0].parts] == ["text", "inline_data"]
    assert namespace["person"].age == 85


def test_bulk(scripted: ScriptEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The program for many rows runs."""
    monkeypatch.chdir(tmp_path)
    scripted.reply("Good morning").reply("Good night")
    [program] = programs("docs/bulk.md")
    assert execute(program.code, "docs/bulk.md", {}) == "2 rows, 0 failed\n"
    assert len(Path("translated.jsonl").read_text().splitlines()) == 2


def test_test_of_the_tutorial(genai_script: Any) -> None:
    """The test that the tutorial ends with passes as a test."""
    namespace: dict[str, Any] = {"genai": genai}
    execute(programs("docs/tutorial.md")[-1].code, "docs/tutorial.md", namespace)
    namespace["test_greet"](genai_script)


def test_model_names(scripted: ScriptEngine) -> None:
    """The program of docs/model-names.md finds a model and asks it."""
    scripted.reply("Apples.")
    [program] = programs("docs/model-names.md")
    assert execute(program.code, "docs/model-names.md", {}).startswith("Apples. ")


def script_side_by_side(script: ScriptEngine) -> list[str]:
    """Queue the replies to a program of docs/side-by-side.md; return what each of them prints, but the object."""
    script.reply("A warm", " glow").reply(function_call("add", left=2, right=3)).reply("5").reply(
        '{"name": "Ada", "age": 36}'
    )
    return ["A warm glow", "5", "True", "768"]


def check_side_by_side(script: ScriptEngine) -> None:
    """Check the requests of such a program."""
    stream, _, answered, _ = script.requests
    assert stream.system_instruction.parts[0].text == "Be brief."
    assert answered.contents[-1].parts[0].function_response.response["result"] == 5


def test_side_by_side(scripted: ScriptEngine) -> None:
    """The program of this package prints what those of the others do, and an object."""
    expected = script_side_by_side(scripted)
    [program] = programs("docs/side-by-side.md")
    printed = execute(program.code, "docs/side-by-side.md", {}).splitlines()
    assert printed == [*expected[:2], "Person(name='Ada', age=36)", *expected[2:]]
    check_side_by_side(scripted)


def test_side_by_side_with_google_generativeai(scripted: ScriptEngine, tmp_path: Path) -> None:
    """The program of google.generativeai runs unchanged on this package in its place."""
    expected = script_side_by_side(scripted)
    code = dict(OTHERS.findall((ROOT / "docs" / "side-by-side.md").read_text()))["as google.generativeai"]
    (tmp_path / "program.py").write_text(f"import genai_grpc.as_google_generativeai\n{code}")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (ROOT, ROOT / "generated" / "python")))}
    done = subprocess.run(
        [sys.executable, "program.py"], capture_output=True, text=True, timeout=60, check=False, env=environment
    )
    assert (done.stderr, done.returncode) == ("", 0)
    assert done.stdout.splitlines() == [*expected[:2], "{'name': 'Ada', 'age': 36}", *expected[2:]]
    check_side_by_side(scripted)


PAGES: Final = ["README.md", *sorted(f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", [page for page in PAGES if programs(page)])
def test_programs_are_tested(page: str) -> None:
    """A page with programs is named by a test, which runs them."""
    tests = [path for path in (ROOT / "tests").rglob("test_*.py") if path != Path(__file__)]
    named = [path for path in (*tests, Path(__file__)) if re.search(rf'\bprograms\("{page}"\)', path.read_text())]
    assert named or page == "docs/testing.md", f"write a test that runs programs({page!r})"


def test_migrating(scripted: ScriptEngine) -> None:
    """The program of docs/migrating.md is the import."""
    del scripted
    [program] = programs("docs/migrating.md")
    namespace: dict[str, Any] = {}
    execute(program.code, "docs/migrating.md", namespace)
    assert namespace["genai"] is genai
