"""The command `genai-grpc` as a process of its own, with a scripted engine in place of the real model."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from textwrap import dedent, indent

__all__ = ["Terminal", "on_terminal", "read_usage", "run", "started"]

# The command with a scripted engine in place of the real model, which prints its arguments.
PROGRAM = """if True:
    import asyncio, sys, threading, types
    from genai_grpc.local.engines.script import ScriptEngine
    class Engine(ScriptEngine):
        {methods}
    def engine(path=None, **settings):
        print(path, settings)
        return Engine()
    sys.modules["genai_grpc.local.engines.llama.engine"] = types.SimpleNamespace(LlamaEngine=engine)
    from genai_grpc.cli import main
    main(prog_name="genai-grpc")
"""


# The command with its terminal as the controlling one, to which Ctrl-C belongs.
IN_TERMINAL = """if True:
    import fcntl, termios
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    from genai_grpc.cli import main
    main(prog_name="genai-grpc")
"""


@contextmanager
def started(*arguments: str, methods: str = "pass", **environment: str) -> Iterator[subprocess.Popen[str]]:
    """Run `genai-grpc` for the length of a block; kill it at the end if it still runs.

    Args:
        arguments: Those of the command.
        methods: The code of methods of the engine, a `ScriptEngine`.
        environment: Variables.
    """
    program = PROGRAM.format(methods=indent(dedent(methods), " " * 8).lstrip())
    process = subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def read_usage(process: subprocess.Popen[str]) -> tuple[str, str, str]:
    """Wait until a server listens; return its engine's arguments, its address and the usage that it prints."""
    assert process.stdout is not None
    engine = process.stdout.readline()
    lines = [process.stdout.readline()]
    while lines[-1] and not lines[-1].startswith("Serving "):
        lines.append(process.stdout.readline())
    lines += [process.stdout.readline() for _ in range(2)]
    assert all(lines), process.communicate()
    [serving] = [line for line in lines if line.startswith("Serving ")]
    return engine, serving.partition("://")[2].split()[0], "".join(lines)


def run(*arguments: str) -> tuple[int, str, str]:
    """Run `genai-grpc` to its end, and return its exit code, stdout and stderr."""
    with started(*arguments) as process:
        output, errors = process.communicate(timeout=60)
    return process.returncode, output, errors


def on_terminal(*arguments: str, **environment: str) -> tuple[int, str]:
    """Run `genai-grpc` in a terminal to its end; return its exit code and what it wrote."""
    with Terminal(*arguments, **environment) as terminal:
        return terminal.wait(), terminal.screen


class Terminal:
    """`genai-grpc` in a pseudo-terminal, for the length of a block.

    Args:
        arguments: Those of the command.
        environment: Variables.

    Attributes:
        screen: What it has written so far, escape sequences included.
    """

    def __init__(self, *arguments: str, **environment: str) -> None:
        self.screen = ""
        self._from = 0
        self._terminal, inside = pty.openpty()
        fcntl.ioctl(inside, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        # Not pty.fork: the threads of gRPC run in this process.
        self._process = subprocess.Popen(
            [sys.executable, "-c", IN_TERMINAL, *arguments],
            stdin=inside,
            stdout=inside,
            stderr=inside,
            start_new_session=True,
            env={**os.environ, "TERM": "xterm-256color", **environment},
        )
        os.close(inside)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._terminal)

    def type(self, text: str) -> None:
        r"""Type text; "\r" is Enter, "\x03" Ctrl-C, "\x04" Ctrl-D."""
        os.write(self._terminal, text.encode())

    def read_until(self, text: str) -> str:
        """Wait until the command has written a text, after what the last call returned; return all up to it."""
        while (found := self.screen.find(text, self._from)) < 0:
            assert self._read(), f"the command ended without {text!r}: {self.screen[self._from :]!r}"
        start, self._from = self._from, found + len(text)
        return self.screen[start : self._from]

    def wait(self) -> int:
        """Wait for the end of the command; its exit code."""
        while self._read():
            pass
        return self._process.wait()

    def _read(self) -> bool:
        try:
            data = os.read(self._terminal, 65536)
        except OSError:  # how Linux reports the end of a terminal
            return False
        self.screen += data.decode(errors="replace")
        # What prompt_toolkit asks a terminal for: the position of the cursor.
        if b"\x1b[6n" in data:
            os.write(self._terminal, b"\x1b[1;1R")
        return bool(data)
