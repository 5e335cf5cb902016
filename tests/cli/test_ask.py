from __future__ import annotations

import pytest
from click.testing import CliRunner

from genai_grpc import local
from genai_grpc.cli import main


def run(*arguments: str, endpoint: str | None = None) -> tuple[int, str]:
    """The exit code and the output of the command."""
    result = CliRunner().invoke(main, arguments, env={"GENAI_GRPC_ENDPOINT": endpoint})
    return result.exit_code, result.output


def test_ask() -> None:
    """`genai-grpc ask` prints a model's answer."""
    script = local.ScriptEngine().reply("Rome", ".")
    with local.serve(script) as server:
        assert run("ask", "What is the capital of Italy?", "--endpoint", server.endpoint) == (0, "Rome.\n")
    assert script.requests[0].contents[0].parts[0].text == "What is the capital of Italy?"


def test_models() -> None:
    """`genai-grpc models` lists the models, and takes the endpoint from the environment."""
    with local.serve(local.ScriptEngine()) as server:
        code, said = run("models", endpoint=server.endpoint)
    assert code == 0
    assert said.splitlines()[1].startswith("models/gemini-pro  (generateContent, countTokens")


@pytest.mark.parametrize("arguments", [("ask", "Hi"), ("models",)], ids=["ask", "models"])
def test_no_key(arguments: tuple[str, ...]) -> None:
    """Without a key or an endpoint the command says how to give one, and ends with 1."""
    code, said = run(*arguments)
    assert code == 1
    assert "GEMINI_API_KEY" in said


def test_a_failed_call() -> None:
    """A call that fails is one line, without a traceback."""
    with local.serve(local.ScriptEngine()) as server:
        code, said = run("ask", "Hi", "--model", "nope", endpoint=server.endpoint)
    assert (code, said.count("\n")) == (1, 1)
    assert said.startswith("Error: 404 models/nope is not served here")
