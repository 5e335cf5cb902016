"""`genai-grpc chat`, on pipes and in a terminal."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import genai_grpc as genai
from genai_grpc import errors, local
from genai_grpc.cli._markdown import split_blocks
from genai_grpc.local import STALL, ScriptEngine
from genai_grpc.local.server import Server
from tests.cli.command import Terminal
from tests.cli.runner import Result, invoke
from tests.test_documents import response
from tests.waiting import wait_until

PNG = b"\x89PNG\r\n\x1a\n" + bytes(8)


def sent(script: ScriptEngine, request: int = -1) -> list[str]:
    """The texts of the turns of a request."""
    return [turn.parts[-1].text for turn in script.requests[request].contents]


def say(server: Server, *lines: str, options: tuple[str, ...] = ()) -> Result:
    """Chat in a pipe."""
    return invoke("chat", *options, endpoint=server.endpoint, stdin="".join(f"{line}\n" for line in lines))


def test_pipe(script: ScriptEngine, server: Server) -> None:
    """Each line is a message, in one conversation; empty ones are none."""
    script.reply("Tilly", " is a cat.").reply("Tilly.\n")
    assert say(server, "My cat is Tilly.", "", "What is it called?") == (0, "Tilly is a cat.\nTilly.\n")
    assert sent(script) == ["My cat is Tilly.", "Tilly is a cat.", "What is it called?"]


def test_options(script: ScriptEngine, server: Server) -> None:
    """Options set the model, the system instruction and the generation config."""
    script.reply("Yes")
    assert say(server, "Hi", options=("-m", "gemini-pro", "--system", "Be brief.", "-o", "temperature=0")).code == 0
    request = script.requests[0]
    assert request.model == "models/gemini-pro"
    assert request.system_instruction.parts[0].text == "Be brief."
    assert request.generation_config.temperature == 0


def test_commands(script: ScriptEngine, server: Server) -> None:
    """The commands count, rewind, clear, and change the system instruction and the model of later messages."""
    script.reply("One").reply("Two").reply("Three").reply("Four")
    lines = ["/tokens", "First", "/tokens", "Second", "/rewind", "/system Be brief.", "/system", "/model gemini-pro"]
    code, output = say(server, *lines, "Third", "/clear", "/system -", "/model", "Fourth", "/help", "/quit", "unread")
    assert code == 0
    assert output.splitlines()[:9] == [
        "0 tokens: there is no message yet.",
        "One",
        "2 tokens in 2 turns, which the next message sends with it.",
        "Two",
        "Removed this message and its reply: Second",
        *["System instruction: Be brief."] * 2,
        "Model: gemini-pro",
        "Three",
    ]
    assert sent(script, 2) == ["First", "One", "Third"]
    assert script.requests[2].system_instruction.parts[0].text == "Be brief."
    assert script.requests[2].model == "models/gemini-pro"
    assert sent(script, 3) == ["Fourth"]
    assert not script.requests[3].HasField("system_instruction")
    assert "/image FILE" in output


def test_save_and_load(script: ScriptEngine, server: Server, tmp_path: Path) -> None:
    """A saved chat goes on by /load or --load, and programs can read it."""
    path = tmp_path / "chat.json"
    script.reply("Tilly is a cat.").reply("Tilly.").reply("Tilly!")
    assert say(server, "My cat is Tilly.", f"/save {path}", f"/save '{path}'").code == 0
    assert say(server, f"/load {path}", "What is it called?").code == 0
    assert say(server, "And now?", options=("--load", str(path))).code == 0
    assert sent(script, 1) == ["My cat is Tilly.", "Tilly is a cat.", "What is it called?"]
    assert sent(script, 2) == ["My cat is Tilly.", "Tilly is a cat.", "And now?"]
    chat = genai.ChatSession.from_json(genai.GenerativeModel(), path.read_text())
    assert len(chat.history) == 2
    assert [each.name for each in tmp_path.iterdir()] == ["chat.json"]


def test_save_overwrites_no_other_file(server: Server, tmp_path: Path) -> None:
    """/save leaves a file that is no saved chat as it was."""
    path = tmp_path / "program.py"
    path.write_text("print()")
    code, output = say(server, f"/save {path}")
    assert (code, "is no saved chat" in output, path.read_text()) == (2, True, "print()")


@pytest.mark.parametrize(
    ("line", "code", "message"),
    [
        ("/nope", 2, "there is no command /nope; /help lists"),
        ("/save", 2, "/save needs a file"),
        ("/save /nowhere/chat.json", 1, "No such file"),
        ("/load missing.json", 1, "missing.json: No such file"),
        (f"/load {__file__}", 2, "cannot read a history"),
        (f"/image {__file__}", 2, "not an image"),
        ("/rewind", 2, "there is no message to remove"),
    ],
)
def test_wrong_command(line: str, code: int, message: str, server: Server) -> None:
    """A command that fails ends the chat of a pipe, with the exit code of its error."""
    result = say(server, line, "unread")
    assert (result.code, result.output.count("\n")) == (code, 1)
    assert message in result.output


def test_no_command(script: ScriptEngine, server: Server) -> None:
    """A message may begin with a path."""
    script.reply("A file.")
    assert say(server, "/etc/hosts is what?") == (0, "A file.\n")


def test_image(script: ScriptEngine, server: Server, tmp_path: Path) -> None:
    """/image sends an image with the next message, and with no other."""
    path = tmp_path / "my cat.png"
    path.write_bytes(PNG)
    script.reply("A cat.").reply("Yes.")
    output = say(server, f"/image {path}", "What is it?", "Sure?").output
    assert "the next message has 1 image." in output
    first, second = (request.contents[-1].parts for request in script.requests)
    assert [part.WhichOneof("data") for part in first] == ["inline_data", "text"]
    assert [part.WhichOneof("data") for part in second] == ["text"]


def test_failed_pipe(script: ScriptEngine, server: Server) -> None:
    """The first failed call ends the chat of a pipe with its exit code."""
    script.reply("Half", response(candidates=[{"finish_reason": "SAFETY"}]))
    code, output = say(server, "Hi", "unread")
    assert (code, output) == (8, "Half\nError: the service stopped the reply: SAFETY\n")


@pytest.fixture
def terminal(server: Server) -> Terminal:
    """A chat in a terminal."""
    return Terminal("chat", GENAI_GRPC_ENDPOINT=server.endpoint, NO_COLOR="1")


def test_terminal(script: ScriptEngine, terminal: Terminal) -> None:
    """A person types messages, of several lines too, and commands; Ctrl-D ends the chat with 0."""
    script.reply("Some **bo", "ld** text.").reply("Three fruits.")
    with terminal:
        terminal.read_until("/help lists the commands; Ctrl-D ends the chat.")
        terminal.read_until(">")
        terminal.type("Hi\r")
        assert "bold" in terminal.read_until("text.")
        terminal.read_until(">")
        # Piece by piece: an escape that is read long before the key after it is a key of its own.
        terminal.type("Name three")
        terminal.read_until("three")
        terminal.type("\x1b\r")
        terminal.type("fruits.\\\r")
        terminal.type("Now.\r")
        terminal.read_until("Three fruits.")
        terminal.read_until(">")
        terminal.type("/tok\t")
        terminal.read_until("ens")
        terminal.type("\r")
        terminal.read_until("in 4 turns")
        terminal.read_until(">")
        terminal.type("\x04")
        assert terminal.wait() == 0
    assert sent(script) == ["Hi", "Some **bold** text.", "Name three\nfruits.\nNow."]


def test_ctrl_c(script: ScriptEngine, terminal: Terminal) -> None:
    """Ctrl-C stops a reply and keeps what has arrived; the chat goes on, and Ctrl-C at the prompt ends nothing."""
    script.reply("The first half", STALL).reply(STALL).reply("Yes.")
    with terminal:
        terminal.read_until(">")
        terminal.type("Hi\r")
        terminal.read_until("The first half")
        terminal.type("\x03")
        terminal.read_until("(Stopped.")
        script.wait_cancelled()
        terminal.type("More\r")
        wait_until(lambda: len(script.calls) == 2)
        terminal.type("\x03")  # before anything has arrived
        terminal.read_until("(Stopped.")
        terminal.read_until(">")
        terminal.type("junk\x03")
        terminal.read_until("(Ctrl-D ends the chat.)")
        terminal.type("Go on.\r")
        terminal.read_until("Yes.")
        terminal.read_until(">")
        terminal.type("\x04")
        assert terminal.wait() == 0
    assert sent(script) == ["Hi", "The first half", "Go on."]


def test_errors_in_terminal(script: ScriptEngine, terminal: Terminal) -> None:
    """An error is a line, the failed message leaves the history, and the chat goes on."""
    script.reply(errors.InvalidArgument("too long")).reply("Half", errors.DataLoss("the rest is lost")).reply("Yes.")
    with terminal:
        terminal.read_until(">")
        for line, expected in (
            ("One", "Error: 400 too long"),
            ("Two", "Error: 500 the rest is lost"),
            ("/nope", "Error: there is no command /nope"),
            ("/load nope", "Error: nope: No such file or directory"),
            ("Three", "Yes."),
        ):
            terminal.type(f"{line}\r")
            terminal.read_until(expected)
        terminal.type("/exit\r")
        assert terminal.wait() == 0
    assert sent(script) == ["Three"]


def test_long_reply(script: ScriptEngine, terminal: Terminal) -> None:
    """A reply that is longer than the terminal is printed whole, each line once, after its blocks have scrolled."""
    lines = [f"{number}. Item number {number}.\n" for number in range(1, 61)]
    script.reply("Before.\n\n", *lines, "\nAfter.")
    with terminal:
        terminal.read_until(">")
        terminal.type("Hi\r")
        terminal.read_until("After.")
        terminal.type("/tokens\r")
        terminal.read_until("2 turns")
        terminal.read_until(">")
        terminal.type("\x04")
        assert terminal.wait() == 0
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", terminal.screen)
    assert [line for line in lines if line.split(". ", 1)[1].strip() not in text] == []


@pytest.mark.parametrize(
    ("text", "complete"),
    [
        ("", ""),
        ("One", ""),
        ("# One\nTwo", "# One\n"),
        ("One\n\nTwo\n\nThree", "One\n\nTwo\n\n"),
        ("```\nOne\n\nTwo", ""),
        ("```\nOne\n\n```\nTwo", "```\nOne\n\n```\n"),
        ("1. One\n\n2. Two\n", ""),
        ("| a |\n|---|\n| b |\n", ""),
        ("One\u2028still one\n\nTwo", "One\u2028still one\n\n"),
    ],
)
def test_split_blocks(text: str, complete: str) -> None:
    """Markdown is split before its last block, which may still grow; nothing is lost."""
    assert split_blocks(text) == (complete, text.removeprefix(complete))


@pytest.mark.llama
@pytest.mark.timeout(300)
def test_real_model(tmp_path: Path) -> None:
    """The commands answer on the real model: a chat with memory, a schema, tokens, vectors and a load test."""
    with local.serve() as server:
        limit = ("-o", "max_output_tokens=40")
        code, output = say(server, "I have a cat named Tilly.", "What is my cat called?", options=limit)
        assert (code, "Tilly" in output.splitlines()[-1]) == (0, True)
        schema = '{"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}'
        arguments = ["generate", "Grace Hopper, 85, of New York", "--schema", schema, *limit, "-o", "temperature=0"]
        assert json.loads(invoke(*arguments, endpoint=server.endpoint).output)["name"] == "Grace Hopper"
        assert int(invoke("count-tokens", "Hello there", endpoint=server.endpoint).output) > 1
        assert len(json.loads(invoke("embed", "Hello", endpoint=server.endpoint).output)) == 384
        load = json.loads(invoke("bench", "-n", "2", "-c", "2", "--json", endpoint=server.endpoint).output)
        assert (load["replies"], load["errors"]) == (2, {})
        assert invoke("doctor", endpoint=server.endpoint).code == 0
