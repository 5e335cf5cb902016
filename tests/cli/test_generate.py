"""`genai-grpc generate` and `count-tokens`: what they send and print."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from genai_grpc.local import ScriptEngine
from genai_grpc.local.server import Server
from genai_grpc.testing import response
from tests.cli.command import on_terminal
from tests.cli.runner import invoke

PNG = b"\x89PNG\r\n\x1a\n" + bytes(8)


def parts(script: ScriptEngine, request: int = -1) -> list[str]:
    """The texts and media types of a request's last turn."""
    return [part.text or part.inline_data.mime_type for part in script.requests[request].contents[-1].parts]


@pytest.mark.parametrize("command", ["generate", "ask"])
def test_generate(command: str, script: ScriptEngine, server: Server) -> None:
    """`generate`, also called `ask`, prints the reply of a model, with a newline at its end."""
    script.reply("Rome", ".")
    assert invoke(command, "What is the capital of Italy?", "--endpoint", server.endpoint) == (0, "Rome.\n")
    assert parts(script) == ["What is the capital of Italy?"]
    assert script.requests[0].model == "models/gemini-flash-latest"


@pytest.mark.parametrize(
    ("arguments", "stdin", "sent"),
    [
        (["-"], "Hello", ["Hello"]),
        ([], "Hello\n", ["Hello\n"]),
        (["Summarize:", "-"], "A tale.", ["Summarize:\n\nA tale."]),
        (["One", "Two"], "unread", ["One\n\nTwo"]),
    ],
)
def test_stdin(arguments: list[str], stdin: str, sent: list[str], script: ScriptEngine, server: Server) -> None:
    """A prompt of - is stdin, which is also read without a prompt; several prompts are joined."""
    script.reply("Yes")
    assert invoke("generate", *arguments, endpoint=server.endpoint, stdin=stdin) == (0, "Yes\n")
    assert parts(script) == sent


@pytest.mark.parametrize(
    ("arguments", "stdin", "message"),
    [
        ([""], None, "the prompt is empty"),
        (["-"], " \n", "the prompt is empty"),
        ([], "", "the prompt is empty"),
        (["-", "-"], "Hi", "given more than once"),
        (["-"], b"\xff\xfe\x00", "stdin is not text in UTF-8"),
        (["Hi", "-o", "temperature"], None, "-o takes KEY=VALUE"),
        (["Hi", "-o", "a=1", "-o", "a.b=2"], None, "a has a value already"),
        (["Hi", "-o", "nope=1"], None, "no field 'nope'"),
        (["Hi", "-o", "temperature=hot"], None, "temperature"),
        (["Hi", "-o", "candidate_count=2"], None, "add --json"),
        (["Hi", "--schema", "{"], None, "--schema takes a JSON Schema"),
        (["Hi", "--cache", "abc", "--system", "Be brief."], None, "leave --system out"),
        (["Hi", "--image", __file__], None, "not an image"),
        (["Hi", "--image", "missing.png"], None, "does not exist"),
    ],
)
def test_wrong_input(arguments: list[str], stdin: str | bytes | None, message: str, server: Server) -> None:
    """Wrong input ends the command with 2 and one line, before anything is sent."""
    code, output = invoke("generate", *arguments, endpoint=server.endpoint, stdin=stdin)
    assert (code, output.count("\n")) == (2, 1)
    assert message in output


def test_missing_file(server: Server) -> None:
    """A file that cannot be read is named, with the reason."""
    code, output = invoke("generate", "Hi", "--file", "missing.txt", endpoint=server.endpoint)
    assert (code, output) == (1, "Error: missing.txt: No such file or directory\n")


def test_files(script: ScriptEngine, server: Server, tmp_path: Path) -> None:
    """Images and files come before the text; text files are sent as text."""
    (tmp_path / "cat.png").write_bytes(PNG)
    (tmp_path / "report.pdf").write_bytes(b"%PDF-1.7\n")
    (tmp_path / "notes.md").write_text("Buy milk.")
    script.reply("Yes")
    files = [*("--file", str(tmp_path / "report.pdf")), *("--file", str(tmp_path / "notes.md"))]
    assert invoke("generate", "See.", "-i", str(tmp_path / "cat.png"), *files, endpoint=server.endpoint).code == 0
    assert parts(script) == ["image/png", "application/pdf", "Buy milk.", "See."]


def test_options(script: ScriptEngine, server: Server) -> None:
    """Options set the model, the system instruction and the generation config."""
    script.reply("Yes")
    options = ["-o", "temperature=0", "-o", "stop_sequences=END", "-o", "thinking_config.thinking_budget=5"]
    arguments = ["Hi", "-m", "gemini-pro", "--system", "Be brief.", *options]
    assert invoke("generate", *arguments, endpoint=server.endpoint).code == 0
    request = script.requests[0]
    assert request.model == "models/gemini-pro"
    assert request.system_instruction.parts[0].text == "Be brief."
    config = request.generation_config
    assert (config.temperature, list(config.stop_sequences)) == (0, ["END"])
    assert config.thinking_config.thinking_budget == 5


@pytest.mark.parametrize("as_file", [True, False], ids=["file", "JSON"])
def test_schema(as_file: bool, script: ScriptEngine, server: Server, tmp_path: Path) -> None:
    """--schema takes a JSON Schema, or a file with it, and the reply is JSON."""
    schema = '{"type": "object", "properties": {"age": {"type": "integer"}}}'
    path = tmp_path / "schema.json"
    path.write_text(schema)
    script.reply('{"age": 85}')
    result = invoke("generate", "Hi", "--schema", str(path) if as_file else schema, endpoint=server.endpoint)
    assert result == (0, '{"age": 85}\n')
    config = script.requests[0].generation_config
    assert config.response_mime_type == "application/json"
    assert config.response_json_schema.struct_value["type"] == "object"


def test_json(script: ScriptEngine, server: Server) -> None:
    """--json prints the whole response."""
    script.reply("Rome.")
    code, output = invoke("generate", "Hi", "--json", endpoint=server.endpoint)
    printed = json.loads(output)
    assert code == 0
    assert printed["candidates"][0]["content"]["parts"][0]["text"] == "Rome."
    assert printed["usage_metadata"]["candidates_token_count"] == 1


def test_pipe_is_raw(script: ScriptEngine, server: Server) -> None:
    """A pipe gets the text as it came: Markdown and control characters, with no newline too many."""
    script.reply("**Rome**\x1b[31m\n")
    assert invoke("generate", "Hi", endpoint=server.endpoint) == (0, "**Rome**\x1b[31m\n")


def test_terminal(script: ScriptEngine, server: Server) -> None:
    """In a terminal Markdown is formatted, and a reply cannot send control characters."""
    script.reply("# Title\n\nSome **bo", "ld** text.\x1b]0;title\x07\n\n1. One\n2. T", "wo\n")
    code, screen = on_terminal("generate", "Hi", GENAI_GRPC_ENDPOINT=server.endpoint)
    assert code == 0
    assert "\x1b[1mbold\x1b[0m" in screen
    assert "\x1b]0;" not in screen
    assert "**" not in screen


def test_no_color(script: ScriptEngine, server: Server) -> None:
    """With NO_COLOR nothing has a colour; --plain formats nothing."""
    script.reply("A `word`\n\n- item").reply("A `word`")
    environment = {"GENAI_GRPC_ENDPOINT": server.endpoint, "NO_COLOR": "1"}
    _, screen = on_terminal("generate", "Hi", **environment)
    assert "\x1b[3" not in screen.replace("\x1b[3m", "")  # italics are no colour
    _, screen = on_terminal("generate", "Hi", "--plain", **environment)
    assert screen == "A `word`\r\n"


def test_cache(script: ScriptEngine, server: Server) -> None:
    """--cache puts a cached content before the prompt."""
    code, name = invoke("cache", "create", "A long tale.", "--ttl", "10m", endpoint=server.endpoint)
    assert code == 0
    script.reply("A girl.")
    assert invoke("generate", "Who?", "--cache", name.strip(), endpoint=server.endpoint) == (0, "A girl.\n")
    assert [turn.parts[0].text for turn in script.requests[0].contents] == ["A long tale.", "Who?"]


def test_count_tokens(server: Server) -> None:
    """`count-tokens` prints the number, or the whole reply as JSON; the system instruction counts."""
    assert invoke("count-tokens", "one two three", endpoint=server.endpoint) == (0, "3\n")
    assert invoke("count-tokens", "--system", "four five", endpoint=server.endpoint, stdin="one") == (0, "3\n")
    code, output = invoke("count-tokens", "one", "--json", endpoint=server.endpoint)
    assert (code, json.loads(output)["total_tokens"]) == (0, 1)


def test_reader_that_ends(script: ScriptEngine, server: Server) -> None:
    """A truncated reply is printed, and is no error."""
    script.reply(response("Half", finish_reason="MAX_TOKENS"))
    assert invoke("generate", "Hi", endpoint=server.endpoint) == (0, "Half\n")
