"""`genai-grpc models`, `embed`, `files`, `cache` and `tune`, against the local server."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from genai_grpc import local
from genai_grpc.local import ScriptEngine
from genai_grpc.local.server import Server
from tests.cli.command import on_terminal
from tests.cli.runner import invoke


def test_models(server: Server) -> None:
    """`models` lists the models, as `models list` does; `models get` shows one."""
    code, output = invoke("models", endpoint=server.endpoint)
    assert code == 0
    assert output.splitlines()[1].startswith("models/gemini-pro\t1000000\tgenerateContent, countTokens")
    assert invoke("models", "list", endpoint=server.endpoint) == (0, output)
    assert invoke("models", "--endpoint", server.endpoint, "list") == (0, output)
    code, output = invoke("models", "get", "gemini-pro", endpoint=server.endpoint)
    assert output.splitlines()[0].split() == ["name", "models/gemini-pro"]
    code, output = invoke("models", "--json", endpoint=server.endpoint)
    assert json.loads(output)[0]["name"] == "models/script"


def test_option_wins_over_environment(server: Server) -> None:
    """An endpoint that is given before or after the subcommand wins over that of the environment."""
    nowhere = "http://127.0.0.1:1"
    assert invoke("models", "--endpoint", server.endpoint, "list", endpoint=nowhere).code == 0
    assert invoke("models", "list", "--endpoint", server.endpoint, endpoint=nowhere).code == 0


def test_table(server: Server) -> None:
    """In a terminal a list has headers."""
    code, screen = on_terminal("models", GENAI_GRPC_ENDPOINT=server.endpoint, NO_COLOR="1", COLUMNS="120")
    assert code == 0
    assert "NAME" in screen.splitlines()[0]


def test_embed(script: ScriptEngine, server: Server) -> None:
    """`embed` prints a JSON list a line for each text, of arguments or of the lines of stdin."""
    script.reply_embedding([0.25, 0.5], [1, 2], [3, 4], [5, 6])
    assert invoke("embed", "one", "two", endpoint=server.endpoint) == (0, "[0.25, 0.5]\n[1.0, 2.0]\n")
    assert invoke("embed", "--lines", endpoint=server.endpoint, stdin="three\n\n").output == "[3.0, 4.0]\n"
    task = ["--task", "document", "--title", "A book", "--dimensions", "2"]
    assert invoke("embed", *task, endpoint=server.endpoint, stdin="a\nb").output == "[5.0, 6.0]\n"
    assert script.embed_requests[-1].title == "A book"


@pytest.mark.parametrize(("arguments", "stdin"), [([""], None), (["--lines"], "\n"), ([], ""), (["--lines", "a"], "b")])
def test_embed_nothing(arguments: list[str], stdin: str | None, server: Server) -> None:
    """Empty texts are refused."""
    code, output = invoke("embed", *arguments, endpoint=server.endpoint, stdin=stdin)
    assert (code, output.count("\n")) == (2, 1)


def test_files(script: ScriptEngine, tmp_path: Path) -> None:
    """Files are uploaded, listed, shown, sent in prompts, downloaded and deleted."""
    pytest.importorskip("httpx2")
    tale = tmp_path / "tale.txt"
    tale.write_text("Once upon a time...")
    with local.serve(script.reply("A tale.")) as server:
        endpoint = server.endpoint
        uploaded = invoke("files", "upload", str(tale), "--name", "tale", "--wait", endpoint=endpoint)
        assert uploaded == (0, "files/tale\n")
        assert invoke("files", "list", endpoint=endpoint).output.split("\t")[:2] == ["files/tale", "text/plain"]
        assert "19" in invoke("files", "get", "tale", endpoint=endpoint).output
        assert json.loads(invoke("files", "list", "--json", endpoint=endpoint).output)[0]["display_name"] == "tale.txt"
        assert invoke("generate", "What is it?", "-f", "files/tale", endpoint=endpoint) == (0, "A tale.\n")
        assert script.requests[0].contents[0].parts[0].text.endswith("Once upon a time...")
        copy = tmp_path / "copy.txt"
        assert invoke("files", "download", "files/tale", str(copy), endpoint=endpoint).code == 0
        assert copy.read_text() == "Once upon a time..."
        assert invoke("files", "delete", "files/tale", endpoint=endpoint) == (0, "Deleted files/tale.\n")
        assert invoke("files", "get", "files/tale", endpoint=endpoint).code == 5


def test_cache(server: Server) -> None:
    """Cached contents are created, listed, shown, extended and deleted."""
    endpoint = server.endpoint
    arguments = ["A long tale.", "--system", "Be brief.", "--display-name", "tale", "--ttl", "90s"]
    code, name = invoke("cache", "create", *arguments, endpoint=endpoint)
    name = name.strip()
    assert code == 0
    assert name.startswith("cachedContents/")
    before = json.loads(invoke("cache", "get", name, "--json", endpoint=endpoint).output)
    assert invoke("cache", "list", endpoint=endpoint).output.split("\t")[0] == name
    assert "tale" in invoke("cache", "update", name, "--ttl", "1.5h", endpoint=endpoint).output
    after = json.loads(invoke("cache", "list", "--json", endpoint=endpoint).output)[0]
    assert after["expire_time"] > before["expire_time"]
    assert invoke("cache", "delete", name, endpoint=endpoint).code == 0
    assert invoke("cache", "list", endpoint=endpoint) == (0, "")
    code, output = invoke("cache", "update", name, "--ttl", "soon", endpoint=endpoint)
    assert (code, "give e.g. 90s" in output) == (2, True)


def test_tune(server: Server, tmp_path: Path) -> None:
    """Tuned models are created, waited for, listed, shown and deleted."""
    endpoint = server.endpoint
    examples = tmp_path / "examples.csv"
    examples.write_text("text_input,output\none,two\ntwo,three\n")
    created = invoke(
        *("tune", "create", str(examples), "--id", "next", "--epochs", "2", "--display-name", "Next"), endpoint=endpoint
    )
    assert created == (0, "tunedModels/next\n")
    assert invoke("tune", "wait", "next", "--for", "60", endpoint=endpoint) == (0, "tunedModels/next\n")
    assert invoke("tune", "list", endpoint=endpoint).output.split("\t")[2] == "ACTIVE"
    assert "ACTIVE" in invoke("tune", "get", "tunedModels/next", endpoint=endpoint).output
    task = json.loads(invoke("tune", "get", "next", "--json", endpoint=endpoint).output)["tuning_task"]
    assert task["hyperparameters"]["epoch_count"] == 2
    assert invoke("tune", "delete", "next", endpoint=endpoint).code == 0
    assert invoke("tune", "wait", "tunedModels/none", endpoint=endpoint).code == 5
    waited = invoke("tune", "create", str(examples), "--id", "more", "--wait", endpoint=endpoint)
    assert waited == (0, "tunedModels/more\n")
    code, output = invoke("tune", "create", str(examples), "--input-key", "nope", endpoint=endpoint)
    assert (code, "nope" in output, output.count("\n")) == (2, True, 1)
