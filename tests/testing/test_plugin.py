"""The pytest plugin, in runs of pytest of their own."""

from __future__ import annotations

import re
from pathlib import Path

import grpc
import pytest

from genai_grpc.local import ScriptEngine, serve

GUIDE = (Path(__file__).parents[2] / "docs" / "testing.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
STRICT = "-p", "no:cacheprovider", "-W", "error", "--strict-markers"

ASK = """
import genai_grpc as genai

def ask(words):
    return genai.GenerativeModel().generate_content(words).text
"""


def run(
    pytester: pytest.Pytester, *arguments: str, without: tuple[str, ...] = ("no:anyio", "no:asyncio")
) -> pytest.RunResult:
    """A run of pytest without some plugins of others."""
    arguments += tuple(f"-p{plugin}" for plugin in without)
    return pytester.runpytest_subprocess(*STRICT, *arguments, timeout=100)


def test_the_guides_examples(pytester: pytest.Pytester) -> None:
    """The examples of docs/testing.md pass."""
    for number, block in enumerate(BLOCKS):
        pytester.makepyfile(**{f"test_{number}": block})
    tests = sum(block.count("def test_") for block in BLOCKS)
    assert tests >= 6
    run(pytester).assert_outcomes(passed=tests)


ASYNC: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "asyncio": ("pytest.mark.asyncio", "no:anyio", ("-o", "asyncio_default_fixture_loop_scope=function")),
    "anyio": ("pytest.mark.anyio", "no:asyncio", ()),
}


@pytest.mark.parametrize("plugin", ASYNC)
def test_async_tests(plugin: str, pytester: pytest.Pytester) -> None:
    """Async tests use the fixtures, with the client given and by default, and leave nothing unclosed."""
    if plugin == "anyio" and grpc.__version__.startswith("1.71."):
        pytest.skip("this grpcio raises BlockingIOError where two loops share a process, which anyio's runner reports")
    mark, other, arguments = ASYNC[plugin]
    pytester.makepyfile(
        f"""
        import gc
        import pytest
        import genai_grpc as genai

        @pytest.fixture
        def anyio_backend():
            return "asyncio"

        @{mark}
        @pytest.mark.parametrize("given", [False, True])
        async def test_both(genai_client, genai_script, given):
            genai_script.reply("Hello", " you").reply("Again")
            model = genai.GenerativeModel(client=genai_client) if given else genai.GenerativeModel()
            chunks = [chunk.text async for chunk in await model.generate_content_async("Hi", stream=True)]
            assert chunks == ["Hello", " you"]
            assert (await model.generate_content_async("Hi")).text == "Again"

        def test_nothing_is_left():
            gc.collect()
        """
    )
    run(pytester, *arguments, without=(other,)).assert_outcomes(passed=3)


def test_a_reply_too_many(pytester: pytest.Pytester) -> None:
    """A test that leaves a reply fails, saying which; one that fails by itself says that alone."""
    pytester.makepyfile(
        """
        def test_leaves_one(genai_script):
            genai_script.reply("left")

        def test_fails_itself(genai_script):
            genai_script.reply("left")
            raise KeyError("mine")
        """
    )
    done = run(pytester)
    done.assert_outcomes(failed=2)
    done.stdout.fnmatch_lines(["*AssertionError: 1 queued replies were not asked for:", "*reply('left')"])
    done.stdout.fnmatch_lines(["FAILED *test_fails_itself - KeyError: 'mine'"])


def test_the_environment_is_restored(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a test the endpoint of the environment is what it was, and the default client is not the test's."""
    monkeypatch.setenv("GENAI_GRPC_ENDPOINT", "http://127.0.0.1:1")
    pytester.makepyfile(
        ASK
        + """
import os
import pytest

def test_with_it(genai_server, genai_script):
    genai_script.reply("Hello")
    genai.configure(api_key="a-key")
    assert ask("Hi") == "Hello"
    assert os.environ["GENAI_GRPC_ENDPOINT"] == genai_server.endpoint

def test_without_it():
    assert os.environ["GENAI_GRPC_ENDPOINT"] == "http://127.0.0.1:1"
    with pytest.raises(genai.errors.ServiceUnavailable):
        genai.GenerativeModel().generate_content("Hi", request_options={"retry": None})
"""
    )
    run(pytester).assert_outcomes(passed=2)


def test_cassettes(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cassette is recorded on demand, by the marker or the fixture, and replayed afterwards; none is an error."""
    pytester.makepyfile(
        ASK
        + """
import pytest

@pytest.mark.genai_cassette("greeting")
def test_marked():
    assert ask("Hi") == "Hello"

@pytest.mark.parametrize("words", ["a/b", "c"])
def test_named(genai_cassette, words):
    assert ask(words) == "Again"
"""
    )
    missing = run(pytester)
    missing.assert_outcomes(errors=3)
    missing.stdout.fnmatch_lines(["*there is no cassette *greeting.jsonl; pytest --genai-record makes it"])
    script = ScriptEngine().reply("Hello").reply("Again").reply("Again")
    with serve(script) as real:
        monkeypatch.setenv("GENAI_GRPC_ENDPOINT", real.endpoint)
        run(pytester, "--genai-record").assert_outcomes(passed=3)
    monkeypatch.delenv("GENAI_GRPC_ENDPOINT")
    written = sorted(path.name for path in (pytester.path / "cassettes").iterdir())
    assert written == ["greeting.jsonl", "test_named-a-b.jsonl", "test_named-c.jsonl"]
    run(pytester).assert_outcomes(passed=3)


def test_a_failed_test_keeps_its_cassette(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that fails records nothing, and one whose program changed fails with the difference."""
    cassette = pytester.mkdir("cassettes") / "greeting.jsonl"
    test = (
        ASK
        + """
import pytest

@pytest.mark.genai_cassette("greeting")
def test_marked():
    assert ask({words!r}) == {answer!r}
"""
    )
    for answer in "Bye", "Hello":
        with serve(ScriptEngine().reply("Hello")) as real:
            monkeypatch.setenv("GENAI_GRPC_ENDPOINT", real.endpoint)
            pytester.makepyfile(test.format(words="Hi", answer=answer))
            run(pytester, "--genai-record").assert_outcomes(passed=answer == "Hello", failed=answer == "Bye")
        assert cassette.exists() == (answer == "Hello")
    pytester.makepyfile(test.format(words="Changed", answer="Hello"))
    changed = run(pytester)
    changed.assert_outcomes(failed=1)
    changed.stdout.fnmatch_lines(['*-     "text": "Hi"', '*+     "text": "Changed"'])


def test_it_is_light(pytester: pytest.Pytester) -> None:
    """Before a fixture is used the plugin has imported no gRPC, started no thread and no server."""
    pytester.makepyfile(
        """
        import sys
        import threading

        def test_light():
            assert "genai_grpc.testing.plugin" in sys.modules
            assert "grpc" not in sys.modules
            assert not [name for name in sys.modules if name.startswith("genai_grpc.local")]
            assert threading.active_count() == 1
        """
    )
    run(pytester).assert_outcomes(passed=1)


def test_a_missing_extra(pytester: pytest.Pytester) -> None:
    """Where the server's packages are missing the test says which, and how to install them."""
    pytester.makeconftest("import sys\nsys.modules['grpc_health'] = None\n")
    pytester.makepyfile("def test_it(genai_server): pass")
    done = run(pytester)
    done.assert_outcomes(errors=1)
    done.stdout.fnmatch_lines(
        ["*needs grpcio-health-checking: pip install 'genai-grpc*server*' or 'genai-grpc*testing*'"]
    )
