"""The request log: one line for each call, over real gRPC."""

from __future__ import annotations

import asyncio
import logging
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import TypeAlias

import pytest

import genai_grpc as genai
from genai_grpc import errors, types
from genai_grpc._rpc.log import LOG, enable
from genai_grpc.local import STALL, ScriptEngine
from genai_grpc.local.server import Server
from tests.conftest import Api, Connect

Lines: TypeAlias = pytest.LogCaptureFixture
SECONDS = re.compile(r"\d+\.\d{3} s")


@pytest.fixture
def at_info(caplog: Lines) -> Lines:
    """The program has set the logger's level to INFO."""
    caplog.set_level(logging.INFO, "genai_grpc")
    return caplog


def lines(caplog: Lines) -> list[str]:
    """The lines, with N for their seconds."""
    return [SECONDS.sub("N s", record.getMessage()) for record in caplog.records if record.name == "genai_grpc"]


def test_success(at_info: Lines, model: genai.GenerativeModel, script: ScriptEngine, api: Api) -> None:
    """A call is one line at INFO with its method, model, status, seconds and tokens, once it has ended."""
    script.reply("two words")
    api.generate(model, "one two three")
    assert lines(at_info) == ["GenerateContent models/gemini-pro OK N s, 3+2 tokens"]
    assert at_info.records[-1].levelno == logging.INFO


def test_attempts(connect: Connect, at_info: Lines, server: Server, script: ScriptEngine, api: Api) -> None:
    """A call of several attempts is one line with their number, whether it succeeds or fails."""
    client = connect(server, retry=types.RetryPolicy(max_attempts=2, initial_backoff=0))
    model = genai.GenerativeModel(client=client)
    script.reply(errors.ServiceUnavailable("no")).reply("Hello")
    script.reply(errors.ServiceUnavailable("no")).reply(errors.NotFound("a prompt"))
    api.generate(model, "Hi")
    with pytest.raises(errors.NotFound):
        api.generate(model, "Hi")
    api.close_client(client)
    assert lines(at_info) == [
        "GenerateContent models/gemini-pro OK N s, 1+1 tokens, 2 attempts",
        "GenerateContent models/gemini-pro NOT_FOUND N s, 2 attempts",
    ]


def test_stream(at_info: Lines, model: genai.GenerativeModel, script: ScriptEngine, api: Api) -> None:
    """A stream is logged at its end: with its tokens, with its error, or as CANCELLED if the program ends it."""
    script.reply("one", " two").reply("one", errors.DataLoss("lost")).reply("one", STALL).reply("one", STALL)
    response = api.generate(model, "Hi", stream=True)
    assert lines(at_info) == []
    api.resolve(response)
    with pytest.raises(errors.DataLoss):
        api.resolve(api.generate(model, "Hi", stream=True))
    api.close(api.generate(model, "Hi", stream=True))
    response = api.generate(model, "Hi", stream=True)
    del response
    assert lines(at_info) == [
        "StreamGenerateContent models/gemini-pro OK N s, 1+2 tokens",
        "StreamGenerateContent models/gemini-pro DATA_LOSS N s, 1+1 tokens",
        "StreamGenerateContent models/gemini-pro CANCELLED N s, 1+1 tokens",
        "StreamGenerateContent models/gemini-pro CANCELLED N s, 1+1 tokens",
    ]


def test_cancelled_task(at_info: Lines, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """A call whose task is cancelled is logged as CANCELLED."""
    script.reply(STALL)

    async def cancel_call() -> None:
        task = asyncio.ensure_future(model.generate_content_async("Hi"))
        while not script.requests:  # noqa: ASYNC110 -- the server is on another thread
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancel_call())
    assert lines(at_info) == ["GenerateContent models/gemini-pro CANCELLED N s"]


def test_other_methods(at_info: Lines, client: genai.Client, api: Api) -> None:
    """Calls of other methods are lines without tokens; without a model, its place is "-"."""
    api.count(genai.GenerativeModel(client=client), "Hi")
    api.get_model("gemini-pro", client=client)
    api.list_models(client=client)
    assert lines(at_info) == [
        "CountTokens models/gemini-pro OK N s",
        "GetModel models/gemini-pro OK N s",
        "ListModels - OK N s",
    ]


def test_model_name_of_several_lines(at_info: Lines, client: genai.Client, api: Api) -> None:
    """A model name with a line break does not look like a line of its own."""
    call = genai.GenerativeModel("gemini\nGenerateContent models/m OK 0.1 s", client=client)
    with pytest.raises(errors.APIError):
        api.generate(call, "Hi")
    [line] = lines(at_info)
    assert line.startswith("GenerateContent - ")


def test_not_asked(caplog: Lines, model: genai.GenerativeModel, script: ScriptEngine, api: Api) -> None:
    """At WARNING, the default of logging, nothing is logged."""
    caplog.set_level(logging.WARNING)
    script.reply("Hello")
    api.generate(model, "Hi")
    assert lines(caplog) == []


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    """The logger, whose level and handlers are restored after the test."""
    level, handlers = LOG.level, list(LOG.handlers)
    yield LOG
    LOG.setLevel(level)
    LOG.handlers[:] = handlers


def test_unknown_level(
    connect: Connect, server: Server, monkeypatch: pytest.MonkeyPatch, logger: logging.Logger
) -> None:
    """A value of GENAI_GRPC_LOG that is no level is refused when a client is created; an empty one is none."""
    level = logger.level
    monkeypatch.setenv("GENAI_GRPC_LOG", "")
    connect(server)
    assert logger.level == level
    monkeypatch.setenv("GENAI_GRPC_LOG", "all")
    with pytest.raises(errors.ConfigurationError, match="is debug, info, warning or error, or unset; got 'all'"):
        connect(server)


def test_level_of_the_program_stays(
    connect: Connect, server: Server, monkeypatch: pytest.MonkeyPatch, logger: logging.Logger
) -> None:
    """The variable sets the level once: a level that the program sets later stays."""
    monkeypatch.setenv("GENAI_GRPC_LOG", "Debug")
    connect(server)
    assert logger.level == logging.DEBUG
    logger.setLevel(logging.ERROR)
    connect(server)
    assert logger.level == logging.ERROR


PROGRAM = """
import logging, sys
import genai_grpc as genai
{before}
client = genai.Client(endpoint=sys.argv[1])
{after}
genai.GenerativeModel(client=client).generate_content("a prompt")
logging.getLogger("genai_grpc.local").info("from the server")
"""
LINE = "GenerateContent models/gemini-pro OK N s, 2+2 tokens"
TIMED = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} ", re.MULTILINE)


def stderr_of(server: Server, level: str | None, before: str = "", after: str = "") -> list[str]:
    """What a program with this level in its environment prints to stderr, without times."""
    environment = {"PATH": "", "PYTHONPATH": ":".join(sys.path)} | ({} if level is None else {"GENAI_GRPC_LOG": level})
    program = PROGRAM.format(before=before, after=after)
    run = subprocess.run(
        [sys.executable, "-c", program, server.endpoint], env=environment, capture_output=True, text=True, check=True
    )
    assert run.stdout == ""
    return SECONDS.sub("N s", TIMED.sub("", run.stderr)).splitlines()


BY_PACKAGE = [f"INFO genai_grpc: {LINE}", "INFO genai_grpc.local: from the server"]
BY_ROOT = [f"INFO:genai_grpc:{LINE}", "INFO:genai_grpc.local:from the server"]
BY_MESSAGE = [LINE, "from the server"]
VARIABLE_CASES = {
    "unset": (None, "", "", []),
    "info": ("info", "", "", BY_PACKAGE),
    "handler before": ("info", "logging.basicConfig()", "", BY_ROOT),
    "handler after": ("info", "", "logging.basicConfig()", BY_ROOT),
    "own handler": (
        "info",
        "logging.getLogger('genai_grpc').addHandler(logging.StreamHandler())",
        "",
        [LINE, "from the server"],
    ),
    "several clients": ("info", "", "genai.Client(endpoint=sys.argv[1])", BY_PACKAGE),
    "level of the program": (None, "logging.basicConfig(level='INFO')", "", BY_ROOT),
    "silenced": ("info", "", "logging.getLogger('genai_grpc').setLevel('WARNING')", []),
}


@pytest.mark.parametrize(("level", "before", "after", "expected"), VARIABLE_CASES.values(), ids=VARIABLE_CASES)
def test_variable(
    server: Server, script: ScriptEngine, level: str | None, before: str, after: str, expected: list[str]
) -> None:
    """GENAI_GRPC_LOG prints to stderr, or to the handlers of the program if it has some; each line once."""
    script.reply("Hello there")
    assert stderr_of(server, level, before, after) == expected


def test_pickle_read_elsewhere(
    server: Server, monkeypatch: pytest.MonkeyPatch, logger: logging.Logger, client: genai.Client
) -> None:
    """A process that only unpickles clients reads the variable, too."""
    state = client.__getstate__()
    monkeypatch.setenv("GENAI_GRPC_LOG", "info")
    genai.Client.__new__(genai.Client).__setstate__(state)
    assert logger.level == logging.INFO


def test_handler_that_fails(logger: logging.Logger, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stderr that is closed does not fail the call."""
    enable("info")
    monkeypatch.setattr(logging, "raiseExceptions", False)
    monkeypatch.setattr(logging.root, "handlers", [])
    monkeypatch.setattr(sys, "stderr", None)
    logger.info("a line")


def test_cached_content_usage(at_info: Lines, client: genai.Client) -> None:
    """A cached content, whose usage has other fields, is a line without tokens and without its name."""
    genai.caching.CachedContent.create("gemini-pro", contents="A long tale.", client=client).delete()
    assert lines(at_info) == ["CreateCachedContent - OK N s", "DeleteCachedContent - OK N s"]
