"""A local server of the Gemini API, for development and tests.

It speaks the same gRPC as Google's service. `Engine`s generate the responses: `LlamaEngine` runs a real model on this
machine, `ScriptEngine` sends the replies that a test queued. A model is loaded when the server starts. An
`EmbeddingEngine` embeds: `E5Engine` runs a sentence model, and `ScriptEngine` counts words.

>>> from genai_grpc import Client, GenerativeModel, local
>>> script = local.ScriptEngine().reply("Hello", " world")
>>> with local.serve(script) as server, Client(endpoint=server.endpoint) as client:
...     GenerativeModel(client=client).generate_content("Say hello.").text
'Hello world'
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from genai_grpc._lazy import attach
from genai_grpc.local._received_request import received_metadata
from genai_grpc.local.server import MAX_REQUEST_BYTES, Server, serve

if TYPE_CHECKING:
    from genai_grpc.local.engines.e5 import E5Engine
    from genai_grpc.local.engines.engine import EmbeddingEngine, Engine
    from genai_grpc.local.engines.llama.engine import LlamaEngine
    from genai_grpc.local.engines.openai.engine import OpenAIEngine
    from genai_grpc.local.engines.script import STALL, Delay, ReceivedCall, ScriptEngine

__all__ = [
    "MAX_REQUEST_BYTES",
    "STALL",
    "Delay",
    "E5Engine",
    "EmbeddingEngine",
    "Engine",
    "LlamaEngine",
    "OpenAIEngine",
    "ReceivedCall",
    "ScriptEngine",
    "Server",
    "received_metadata",
    "serve",
]

__getattr__, __dir__ = attach(
    __name__,
    {
        "Delay": ".engines.script",
        "E5Engine": ".engines.e5",
        "EmbeddingEngine": ".engines.engine",
        "Engine": ".engines.engine",
        "LlamaEngine": ".engines.llama.engine",
        "OpenAIEngine": ".engines.openai.engine",
        "ReceivedCall": ".engines.script",
        "STALL": ".engines.script",
        "ScriptEngine": ".engines.script",
    },
)
