"""A local server of the Gemini API, for development and tests.

It speaks the same gRPC as Google's service, with `Engine`s behind it: `LlamaEngine` runs a real model on this machine,
`ScriptEngine` says what a test queued. Nothing is loaded before a server starts.

>>> from genai_grpc import Client, GenerativeModel, local
>>> script = local.ScriptEngine().reply("Hello", " world")
>>> with local.serve(script) as server, Client(endpoint=server.endpoint) as client:
...     GenerativeModel(client=client).generate_content("Say hello.").text
'Hello world'
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from genai_grpc.local.server import MAX_REQUEST_BYTES, Server, serve

if TYPE_CHECKING:
    from genai_grpc.local.engine import Engine
    from genai_grpc.local.llama import LlamaEngine
    from genai_grpc.local.script import STALL, Delay, ScriptEngine

__all__ = ["MAX_REQUEST_BYTES", "STALL", "Delay", "Engine", "LlamaEngine", "ScriptEngine", "Server", "serve"]

_LAZY: Final = {
    "Delay": "script",
    "Engine": "engine",
    "LlamaEngine": "llama",
    "STALL": "script",
    "ScriptEngine": "script",
}


def __getattr__(name: str) -> object:
    from importlib import import_module

    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
