from __future__ import annotations

import pytest
from click.testing import CliRunner

from genai_grpc import local
from genai_grpc.cli import main


def run(*arguments: str, endpoint: str | None = None) -> tuple[int, str]:
    """Run the command, and return its exit code and output."""
    result = CliRunner().invoke(main, arguments, env={"GENAI_GRPC_ENDPOINT": endpoint})
    return result.exit_code, result.output


def test_ask() -> None:
    """`genai-grpc ask` prints the response of a model."""
    script = local.ScriptEngine().reply("Rome", ".")
    with local.serve(script) as server:
        assert run("ask", "What is the capital of Italy?", "--endpoint", server.endpoint) == (0, "Rome.\n")
    assert script.requests[0].contents[0].parts[0].text == "What is the capital of Italy?"


@pytest.mark.parametrize("arguments", [("ask", "Hi"), ("models",)], ids=["ask", "models"])
def test_missing_key(arguments: tuple[str, ...]) -> None:
    """Without an API key and an endpoint, the command exits with 1 and says how to set a key."""
    code, output = run(*arguments)
    assert code == 1
    assert "GEMINI_API_KEY" in output


def test_failed_call() -> None:
    """A call that fails prints one line, without a traceback."""
    with local.serve(local.ScriptEngine()) as server:
        code, output = run("ask", "Hi", "--model", "nope", endpoint=server.endpoint)
    assert (code, output.count("\n")) == (1, 1)
    assert output.startswith("Error: 404 models/nope is not served here")
