"""The command `genai-grpc` as a process of its own, with a scripted engine in place of the real model."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from textwrap import dedent, indent

__all__ = ["read_usage", "run", "started"]

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
