"""The pytest plugin, each test in a pytest run of its own."""

from __future__ import annotations

import re
from pathlib import Path

import grpc
import pytest

from genai_grpc.local import ScriptEngine, serve

GUIDE = (Path(__file__).parents[2] / "docs" / "testing.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
STRICT = "-p", "no:cacheprovider", "-W", "error", "--strict-markers"

PROGRAM = """
import genai_grpc as genai

def generate(prompt):
    return genai.GenerativeModel().generate_content(prompt).text
"""


def run(
    pytester: pytest.Pytester, *arguments: str, without: tuple[str, ...] = ("no:anyio", "no:asyncio")
) -> pytest.RunResult:
    """Run pytest without some plugins of other packages."""
    arguments += tuple(f"-p{plugin}" for plugin in without)
    return pytester.runpytest_subprocess(*STRICT, *arguments, timeout=100)


@pytest.mark.slow
def test_guide(pytester: pytest.Pytester) -> None:
    """The snippets of docs/testing.md pass as tests."""
    for number, block in enumerate(BLOCKS):
        pytester.makepyfile(**{f"test_{number}": block})
    tests = sum(block.count("def test_") for block in BLOCKS)
    assert tests >= 6
    run(pytester).assert_outcomes(passed=tests)


# By async plugin: its mark, the plugin to switch off, and the arguments of pytest.
ASYNC_PLUGINS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "asyncio": ("pytest.mark.asyncio", "no:anyio", ("-o", "asyncio_default_fixture_loop_scope=function")),
    "anyio": ("pytest.mark.anyio", "no:asyncio", ()),
}


@pytest.mark.parametrize("plugin", ASYNC_PLUGINS)
def test_async_tests(plugin: str, pytester: pytest.Pytester) -> None:
    """Async tests use the fixtures, with `genai_client` and with the default client, and leave nothing unclosed."""
    if plugin == "anyio" and grpc.__version__.startswith("1.71."):
        pytest.skip("this grpcio raises BlockingIOError where two loops share a process, which anyio's runner reports")
    mark, other, arguments = ASYNC_PLUGINS[plugin]
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


def test_unused_reply(pytester: pytest.Pytester) -> None:
    """A test with an unused reply fails and names it; a test that fails itself reports only its own error."""
    pytester.makepyfile(
        """
        def test_leaves_one(genai_script):
            genai_script.reply("left")

        def test_fails_itself(genai_script):
            genai_script.reply("left")
            raise KeyError("mine")
        """
    )
    result = run(pytester)
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["*AssertionError: 1 queued replies were not asked for:", "*reply('left')"])
    result.stdout.fnmatch_lines(["FAILED *test_fails_itself - KeyError: 'mine'"])


def test_environment_is_restored(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a test GENAI_GRPC_ENDPOINT has its old value, and the default client is not the test's."""
    monkeypatch.setenv("GENAI_GRPC_ENDPOINT", "http://127.0.0.1:1")
    pytester.makepyfile(
        PROGRAM
        + """
import os
import pytest

def test_with_fixture(genai_server, genai_script):
    genai_script.reply("Hello")
    genai.configure(api_key="a-key")
    assert generate("Hi") == "Hello"
    assert os.environ["GENAI_GRPC_ENDPOINT"] == genai_server.endpoint

def test_without_fixture():
    assert os.environ["GENAI_GRPC_ENDPOINT"] == "http://127.0.0.1:1"
    with pytest.raises(genai.errors.ServiceUnavailable):
        genai.GenerativeModel().generate_content("Hi", request_options={"retry": None})
"""
    )
    run(pytester).assert_outcomes(passed=2)


@pytest.mark.slow
def test_cassettes(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cassettes, named by marker or test, are recorded on demand and replayed later; a missing one is an error."""
    pytester.makepyfile(
        PROGRAM
        + """
import pytest

@pytest.mark.genai_cassette("greeting")
def test_marked():
    assert generate("Hi") == "Hello"

@pytest.mark.parametrize("prompt", ["a/b", "c"])
def test_named(genai_cassette, prompt):
    assert generate(prompt) == "Again"
"""
    )
    missing = run(pytester)
    missing.assert_outcomes(errors=3)
    missing.stdout.fnmatch_lines(["*there is no cassette *greeting.jsonl; record it with pytest --genai-record"])
    script = ScriptEngine().reply("Hello").reply("Again").reply("Again")
    with serve(script) as real:
        monkeypatch.setenv("GENAI_GRPC_ENDPOINT", real.endpoint)
        run(pytester, "--genai-record").assert_outcomes(passed=3)
    monkeypatch.delenv("GENAI_GRPC_ENDPOINT")
    names = sorted(path.name for path in (pytester.path / "cassettes").iterdir())
    assert names == ["greeting.jsonl", "test_named-a-b.jsonl", "test_named-c.jsonl"]
    run(pytester).assert_outcomes(passed=3)


@pytest.mark.slow
def test_failed_test_records_nothing(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failed test records nothing, and one whose program changed fails with the difference."""
    cassette = pytester.mkdir("cassettes") / "greeting.jsonl"
    test = (
        PROGRAM
        + """
import pytest

@pytest.mark.genai_cassette("greeting")
def test_marked():
    assert generate({prompt!r}) == {expected!r}
"""
    )
    for expected in "Bye", "Hello":
        with serve(ScriptEngine().reply("Hello")) as real:
            monkeypatch.setenv("GENAI_GRPC_ENDPOINT", real.endpoint)
            pytester.makepyfile(test.format(prompt="Hi", expected=expected))
            run(pytester, "--genai-record").assert_outcomes(passed=expected == "Hello", failed=expected == "Bye")
        assert cassette.exists() == (expected == "Hello")
    pytester.makepyfile(test.format(prompt="Changed", expected="Hello"))
    changed = run(pytester)
    changed.assert_outcomes(failed=1)
    changed.stdout.fnmatch_lines(['*-     "text": "Hi"', '*+     "text": "Changed"'])


def test_plugin_starts_nothing(pytester: pytest.Pytester) -> None:
    """Until a fixture is used, the plugin imports no gRPC and starts no thread and no server."""
    pytester.makepyfile(
        """
        import sys
        import threading

        def test_nothing_started():
            assert "genai_grpc.testing.plugin" in sys.modules
            assert "grpc" not in sys.modules
            assert not [name for name in sys.modules if name.startswith("genai_grpc.local")]
            assert threading.active_count() == 1
        """
    )
    run(pytester).assert_outcomes(passed=1)


def test_missing_extra(pytester: pytest.Pytester) -> None:
    """If packages of the server are missing, the error names them and how to install them."""
    pytester.makeconftest(
        """
        import sys

        class Missing:
            def find_spec(name, path, target=None):
                if name == "grpc_health":
                    raise ModuleNotFoundError(f"No module named {name!r}", name=name)

        sys.meta_path.insert(0, Missing)
        """
    )
    pytester.makepyfile("def test_server(genai_server): pass")
    result = run(pytester)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["*needs grpcio-health-checking: pip install 'genai-grpc*server*' or 'genai-grpc*testing*'"]
    )
