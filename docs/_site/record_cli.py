"""Draw the pictures of docs/cli.md (make pictures-cli): screens of genai-grpc in tmux, on the local model.

Usage: record_cli.py FOLDER

A picture is the screen at its end. Its texts are `<text>` of SVG, so that they can be read, selected and searched; each
has its width, so that no font clips it.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.terminal_theme import SVG_EXPORT_THEME
from rich.text import Text

from genai_grpc import local

COLUMNS: Final = 92
LINES: Final = 32
SECONDS: Final = 60.0
COMMAND: Final = f"{shlex.quote(sys.executable)} -m genai_grpc"
# What is typed, and the text that the screen then has.
CHAT: Final = (
    ("Write a Python function that doubles a number.", "return"),
    ("/rewind", "Removed"),
    ("I have a cat named Tilly.", "cat"),
    ("What is my cat called?", "Tilly."),
    ("/tokens", "tokens in 4 turns"),
    ("/save tilly.json", "Saved 4 turns"),
)


class Screen:
    """A terminal of tmux with a shell, for the length of a block."""

    def __init__(self, folder: str, endpoint: str) -> None:
        self._socket = ["tmux", "-L", f"record-{Path(folder).name}", "-f", "/dev/null"]
        shell = f"env GENAI_GRPC_ENDPOINT={endpoint} COLORTERM=truecolor PS1='$ ' bash --norc --noprofile"
        self._run("new-session", "-d", "-s", "record", "-x", str(COLUMNS), "-y", str(LINES), "-c", folder, shell)
        program = f'genai-grpc() {{ {COMMAND} "$@"; }}; clear'
        self.type(program)
        self.wait_for(r"\A\$ *\n*\Z")

    def __enter__(self) -> Screen:
        return self

    def __exit__(self, *_: object) -> None:
        self._run("kill-server")

    def type(self, text: str) -> None:
        """Type a line."""
        self._run("send-keys", "-t", "record", "-l", text)
        self._run("send-keys", "-t", "record", "Enter")

    def wait_for(self, pattern: str) -> None:
        """Wait until the screen matches a pattern.

        Raises:
            TimeoutError: It does not within a minute.
        """
        deadline = time.monotonic() + SECONDS
        while not re.search(pattern, self.text(), re.MULTILINE):
            if time.monotonic() > deadline:
                raise TimeoutError(f"the screen has no {pattern!r}:\n{self.text()}")
            time.sleep(0.1)

    def text(self, *options: str) -> str:
        """What the screen shows."""
        return self._run("capture-pane", "-t", "record", "-p", *options).rstrip("\n")

    def _run(self, *arguments: str) -> str:
        command = [*self._socket, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout  # noqa: S603 -- our own


def draw(screen: str, title: str) -> str:
    """The picture of a screen with its colours."""
    console = Console(record=True, width=COLUMNS, file=tempfile.TemporaryFile("w"), force_terminal=True)  # noqa: SIM115
    console.print(Text.from_ansi(screen), end="", no_wrap=True, overflow="ignore")
    picture = console.export_svg(title=title, theme=SVG_EXPORT_THEME, unique_id=title.replace(" ", "-"))
    # An image loads no font from elsewhere.
    return re.sub(r"\s*@font-face \{.*?\}", "", picture, flags=re.DOTALL)


def record_chat(folder: str, endpoint: str, messages: Sequence[tuple[str, str]] = CHAT) -> str:
    """The screen of a chat."""
    with Screen(folder, endpoint) as screen:
        screen.type("genai-grpc chat -o max_output_tokens=60 -o temperature=0")
        screen.wait_for("^>")
        for message, expected in messages:
            screen.type(message)
            screen.wait_for(rf"(?s)^> {re.escape(message)}.*{re.escape(expected)}.*^> *\n*\Z")
        return screen.text("-e")


def record_doctor(folder: str, endpoint: str) -> str:
    """The screen of the checks of a local server."""
    with Screen(folder, endpoint) as screen:
        screen.type("genai-grpc doctor")
        screen.wait_for(r"(?s)call +ListModels.*^\$ *\n*\Z")
        return screen.text("-e").rpartition("\n")[0]  # without the next prompt


def main(output: Path) -> None:
    """Draw both pictures."""
    with (
        local.serve(local.LlamaEngine(examples=True), port=50051, http_port=None) as server,
        tempfile.TemporaryDirectory() as folder,
    ):
        (output / "chat.svg").write_text(draw(record_chat(folder, server.endpoint), "genai-grpc chat"))
        (output / "doctor.svg").write_text(draw(record_doctor(folder, server.endpoint), "genai-grpc doctor"))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
