"""What all commands have in common: help, options, errors, exit codes, completion."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import click
import pytest

from genai_grpc import errors, local
from genai_grpc.cli import main
from genai_grpc.cli._commands import COMMANDS
from genai_grpc.cli._errors import ExitCode, code_of
from genai_grpc.local import ScriptEngine
from genai_grpc.local.server import Server
from tests.cli.runner import invoke
from tests.test_documents import response

PAGE: Final = (Path(__file__).parents[2] / "docs" / "cli.md").read_text()


def commands() -> Iterator[tuple[str, click.Command]]:
    """Every command and subcommand, by its words."""
    context = click.Context(main)
    for name in COMMANDS:
        command = main.get_command(context, name)
        assert command is not None
        yield name, command
        if isinstance(command, click.Group):
            for each in command.list_commands(context):
                subcommand = command.get_command(context, each)
                assert subcommand is not None
                yield f"{name} {each}", subcommand


ALL: Final = dict(commands())


@pytest.mark.parametrize("words", ALL)
def test_help(words: str) -> None:
    """Every command explains itself, with one example, whose options exist, and --debug."""
    code, output = invoke(*words.split(), "--help")
    assert code == 0
    [example] = re.findall(r"Example: (.*(?:\n +.*)*)", output.partition("Options:")[0])
    assert f"genai-grpc {words.split()[0]}" in " ".join(example.split())
    options = {option for parameter in ALL[words].params for option in parameter.opts}
    if not isinstance(ALL[words], click.Group):
        assert set(re.findall(r"(?<= )--?[a-z][a-z-]*", " ".join(example.split()))) <= options
        assert "--debug" in options


def test_summaries() -> None:
    """The summaries that `genai-grpc --help` lists without importing the commands are those of the commands."""
    assert {name: ALL[name].get_short_help_str(200) for name in COMMANDS} == COMMANDS


@pytest.mark.parametrize("words", [words for words in ALL if "--endpoint" in str([p.opts for p in ALL[words].params])])
def test_common_options(words: str) -> None:
    """What makes a call takes the same options for the connection."""
    options = {option for parameter in ALL[words].params for option in parameter.opts}
    assert {"--endpoint", "--transport", "--timeout", "--api-key-file"} <= options


@pytest.mark.parametrize("name", ["genai_grpc.client", "google.protobuf", "grpc", "rich", "prompt_toolkit", "asyncio"])
def test_help_imports_little(name: str) -> None:
    """`genai-grpc --help` and `--version` import no command, no client and no formatter."""
    program = (
        "import sys\nfrom genai_grpc.cli import main\n"
        "for option in '--help', '--version':\n    main([option], prog_name='genai-grpc', standalone_mode=False)\n"
        f"sys.exit({name!r} in sys.modules)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(
        [sys.executable, "-S", "-c", program], env=environment, check=False, timeout=60, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")


REPLIES: Final[dict[str, tuple[int, tuple[Any, ...]]]] = {
    "permission": (ExitCode.CREDENTIALS, (errors.PermissionDenied("no"),)),
    "key": (ExitCode.CREDENTIALS, (errors.Unauthenticated("no"),)),
    "argument": (ExitCode.REFUSED, (errors.InvalidArgument("no"),)),
    "quota": (ExitCode.QUOTA, (errors.ResourceExhausted("no"),)),
    "internal": (ExitCode.UNAVAILABLE, (errors.InternalServerError("no"),)),
    "half": (ExitCode.UNAVAILABLE, ("Half", errors.DataLoss("no"))),
    "blocked": (ExitCode.BLOCKED, (response(prompt_feedback={"block_reason": "SAFETY"}),)),
    "stopped": (ExitCode.BLOCKED, ("Some", response(candidates=[{"finish_reason": "SAFETY"}]))),
    "empty": (ExitCode.BLOCKED, (response(candidates=[{"finish_reason": "STOP"}]),)),
}


@pytest.mark.parametrize("name", REPLIES)
def test_exit_code_of_reply(name: str, script: ScriptEngine, server: Server) -> None:
    """A failed call ends with the exit code of its kind and one line, behind what has arrived."""
    code, chunks = REPLIES[name]
    script.reply(*chunks)
    result = invoke("generate", "Hi", "--timeout", "5", endpoint=server.endpoint)
    assert result.code == code
    lines = result.output.splitlines()
    assert [line for line in lines if line.startswith("Error: ")] == lines[-1:]
    assert "Traceback" not in result.output
    assert "\n" not in lines[-1]
    if name in ("blocked", "stopped"):
        assert "SAFETY" in lines[-1]


def test_exit_codes_are_documented() -> None:
    """docs/cli.md has a row for each exit code, and for no other."""
    codes = {value for name, value in vars(ExitCode).items() if name.isupper()}
    documented = {int(code) for code in re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE)}
    assert documented == {0, *codes}


@pytest.mark.parametrize("error", [*errors.BY_NUMBER.values()], ids=lambda error: error.status)
def test_status_is_documented(error: type[errors.APIError]) -> None:
    """The row of an exit code names the statuses that lead to it."""
    code = code_of(error("no"))
    [row] = re.findall(rf"^\| {code} \|.*$", PAGE, re.MULTILINE)
    assert f"`{error.status}`" in row


@pytest.mark.parametrize("words", ALL)
def test_commands_are_documented(words: str) -> None:
    """docs/cli.md names every command."""
    assert f"`genai-grpc {words}" in PAGE or f"$ genai-grpc {words}" in PAGE


@pytest.mark.parametrize("arguments", [("ask", "Hi"), ("generate", "Hi"), ("models",), ("files", "list"), ("chat",)])
def test_missing_key(arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an API key and an endpoint, the command exits with 3 and says how to set a key."""
    monkeypatch.setattr("genai_grpc._transport.config.has_default_credentials", lambda target: False)
    code, output = invoke(*arguments)
    assert code == ExitCode.CONFIGURATION
    assert "GEMINI_API_KEY" in output


def test_unreachable() -> None:
    """An endpoint that nothing listens at is one line, which names the command that finds out why."""
    code, output = invoke("models", "--timeout", "1", "--endpoint", "http://127.0.0.1:1")
    assert (code, output.count("\n")) == (ExitCode.UNAVAILABLE, 1)
    assert "`genai-grpc doctor` checks the connection" in output


def test_unknown_model(server: Server) -> None:
    """A call that fails prints one line, without a traceback."""
    code, output = invoke("generate", "Hi", "--model", "nope", endpoint=server.endpoint)
    assert (code, output.count("\n")) == (ExitCode.REFUSED, 1)
    assert output.startswith("Error: 404 models/nope is not served here")
    assert "`genai-grpc models`" in output


@pytest.mark.parametrize(
    "arguments", [("--nope",), ("nope",), ("generate", "--nope"), ("files", "get"), ("serve", "-x")]
)
def test_wrong_usage(arguments: tuple[str, ...]) -> None:
    """A wrong option or command is one line, which names the help."""
    code, output = invoke(*arguments)
    assert (code, output.count("\n")) == (ExitCode.USAGE, 1)
    assert output.startswith("Error: ")
    assert "--help)" in output


def test_key_on_the_command_line() -> None:
    """--api-key is refused, since other processes see it, and the key is not printed."""
    code, output = invoke("generate", "Hi", "--api-key", "a-secret-key")
    assert code == ExitCode.USAGE
    assert "--api-key-file FILE" in output
    assert "a-secret-key" not in output


def test_key_file(script: ScriptEngine, tmp_path: Path) -> None:
    """--api-key-file sends the key of a file, and wins over the environment."""
    path = tmp_path / "key"
    path.write_text("right-key\n")
    with local.serve(script.reply("Rome."), api_key="right-key") as server:
        code, output = invoke(
            *("generate", "Hi", "--api-key-file", str(path)), endpoint=server.endpoint, GEMINI_API_KEY="wrong-key"
        )
        assert (code, output) == (0, "Rome.\n")
        assert invoke("generate", "Hi", endpoint=server.endpoint, GEMINI_API_KEY="wrong-key").code == 4
    path.write_text("\n")
    assert invoke("models", "--api-key-file", str(path)).code == ExitCode.CONFIGURATION


def test_debug(server: Server) -> None:
    """--debug shows the traceback, and the line and the exit code stay the same."""
    code, output = invoke("generate", "Hi", "--model", "nope", "--debug", endpoint=server.endpoint)
    assert code == ExitCode.REFUSED
    assert "Traceback" in output
    assert output.splitlines()[-1].startswith("Error: 404 ")


def test_unexpected_error(monkeypatch: pytest.MonkeyPatch, server: Server) -> None:
    """A defect is reported in one line, too."""

    def fail(**_: Any) -> None:
        raise KeyError("nope")

    monkeypatch.setattr("genai_grpc.models.list_models", fail)
    code, output = invoke("models", endpoint=server.endpoint)
    assert (code, output) == (1, "Error: unexpected KeyError: 'nope'; --debug shows where\n")


def test_interrupt(monkeypatch: pytest.MonkeyPatch, server: Server) -> None:
    """Ctrl-C ends a command with 130 and no traceback."""

    def interrupt(**_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("genai_grpc.models.list_models", interrupt)
    code, output = invoke("models", endpoint=server.endpoint)
    assert (code, output.strip()) == (ExitCode.INTERRUPTED, "")


def test_rest(script: ScriptEngine) -> None:
    """--transport rest calls over HTTP/JSON."""
    with local.serve(script.reply("Rome", "."), http_port=0) as server:
        output = invoke("generate", "Hi", "--transport", "rest", "--endpoint", str(server.http_endpoint))
    assert output == (0, "Rome.\n")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_script(shell: str) -> None:
    """`completion` prints the script of a shell."""
    code, output = invoke("completion", shell)
    assert code == 0
    assert "_GENAI_GRPC_COMPLETE" in output


def test_completion() -> None:
    """A shell completes commands, subcommands and options."""

    def complete(words: str) -> set[str]:
        environment = {"_GENAI_GRPC_COMPLETE": "bash_complete", "COMP_WORDS": words}
        number = str(len(words.split(" ")) - 1)
        done = invoke(**environment, COMP_CWORD=number)
        return {line.partition(",")[2] for line in done.output.splitlines()}

    assert complete("genai-grpc c") == {"chat", "count-tokens", "cache", "completion"}
    assert complete("genai-grpc files u") == {"upload"}
    assert complete("genai-grpc chat --sys") == {"--system"}
