"""Run the jobs of one program, and write what each returned or raised.

Usage: run.py PROGRAM OUTPUT (the name of a module beside this file, and a file for one line of JSON per job)

PACKAGE in the environment is what google.generativeai means: "google-generativeai", or "genai_grpc" by its alias. Both
use GENAI_GRPC_ENDPOINT, which is TLS, and the root certificates that GRPC_DEFAULT_SSL_ROOTS_FILE_PATH names.
"""

from __future__ import annotations

import asyncio
import dataclasses
import enum
import inspect
import json
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from google.protobuf.json_format import MessageToDict

LOOPBACK: Final = ("127.0.0.1", "::1")
# What a library draws at random: the ids of calls, messages and memories.
UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def connect() -> None:
    """Import the package as google.generativeai, with the server as its default endpoint."""
    if os.environ["PACKAGE"] == "genai_grpc":
        import_module("genai_grpc.as_google_generativeai")
        return
    manager = import_module("google.generativeai.client")._client_manager
    configure, address = manager.configure, os.environ["GENAI_GRPC_ENDPOINT"].removeprefix("https://")

    def configure_with_endpoint(*, client_options: Any = None, **options: Any) -> None:
        configure(client_options=client_options or {"api_endpoint": address}, **options)

    # Libraries call genai.configure(api_key=...), and most of them cannot pass an endpoint.
    manager.configure = configure_with_endpoint


def stay_on_this_machine(event: str, arguments: tuple[Any, ...]) -> None:
    """Refuse connections of Python's sockets to other machines, such as those of telemetry; an audit hook."""
    if (
        event == "socket.connect"
        and isinstance(address := arguments[1], tuple)
        and address[0] not in ("127.0.0.1", "::1")
    ):
        raise ConnectionRefusedError(f"a test connects to this machine only; got {address[0]}")


def run(job: Callable[[str], Any]) -> list[Any]:
    """Run a job, sync or async, with a model of its own; return what it yielded, and the exception that ended it."""
    transcript: list[Any] = []

    async def collect(items: Any) -> None:
        async for item in items:
            transcript.append(to_json(item))  # noqa: PERF401 -- an exception leaves what came before it

    try:
        items = job(f"models/{job.__name__}")
        if inspect.isasyncgen(items):
            asyncio.run(collect(items))
        else:
            transcript.extend(map(to_json, items))
    except Exception as error:
        traceback.print_exc()
        transcript.append({"raised": type(error).__name__, "message": to_json(str(error))})
    return transcript


def to_json(value: Any) -> Any:
    """Convert a value to JSON: a message of either package to its name and fields, an object to its type and fields."""
    message = type(value).pb(value) if hasattr(type(value), "pb") else value
    if hasattr(message, "DESCRIPTOR"):
        return {message.DESCRIPTOR.full_name: MessageToDict(message)}
    match value:
        case enum.Enum():
            return {type(value).__name__: value.value}
        case str():
            return UUID.sub("<uuid>", value)
        case None | int() | float():
            return value
        case bytes():
            return {"bytes": value.hex()}
        case Mapping():
            return {str(key): to_json(item) for key, item in value.items()}
        case _ if dataclasses.is_dataclass(value):
            return {type(value).__name__: {name: to_json(getattr(value, name)) for name in value.__dataclass_fields__}}
        case _ if hasattr(type(value), "model_fields"):
            return {type(value).__name__: {name: to_json(item) for name, item in value}}
        case Iterable():
            return [to_json(item) for item in value]
    raise TypeError(f"a job yields values that have a form in JSON; got {type(value).__name__}")


def main(program: str, output: Path) -> None:
    """Run every job of the program."""
    sys.addaudithook(stay_on_this_machine)
    connect()
    with output.open("w") as lines:
        for job in import_module(program).JOBS:
            print(json.dumps({"job": job.__name__, "transcript": run(job)}), file=lines)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
