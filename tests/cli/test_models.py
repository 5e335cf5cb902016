from __future__ import annotations

from click.testing import CliRunner

from genai_grpc import local
from genai_grpc.cli import main


def test_models() -> None:
    """`genai-grpc models` lists the models, and reads the endpoint from the environment."""
    with local.serve(local.ScriptEngine()) as server:
        result = CliRunner().invoke(main, ["models"], env={"GENAI_GRPC_ENDPOINT": server.endpoint})
    assert result.exit_code == 0
    assert result.output.splitlines()[1].startswith("models/gemini-pro  (generateContent, countTokens")
