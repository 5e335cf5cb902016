"""For the tests of programs that use the client: scripted replies, recorded ones, and faults.

With pytest, the fixtures `genai_server`, `genai_script`, `genai_client` and `genai_cassette` are there without an
import. docs/testing.md is the guide.

>>> from genai_grpc import testing
>>> script = testing.ScriptEngine().reply(testing.response(testing.call("set_light", brightness=80), usage=(12, 5)))
>>> with testing.serve(script) as server:  # doctest: +SKIP
...     ...  # one request to server.endpoint
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from genai_grpc.local import STALL, Delay, ScriptEngine, Server, serve
    from genai_grpc.testing._authority import Authority
    from genai_grpc.testing._canned import CannedServer
    from genai_grpc.testing._cassette import CassetteError
    from genai_grpc.testing._cassettes import CassetteServer, record, replay
    from genai_grpc.testing._proxy import FaultProxy
    from genai_grpc.testing._replies import blocked, call, error, response

__all__ = [
    "STALL",
    "Authority",
    "CannedServer",
    "CassetteError",
    "CassetteServer",
    "Delay",
    "FaultProxy",
    "ScriptEngine",
    "Server",
    "blocked",
    "call",
    "error",
    "record",
    "replay",
    "response",
    "serve",
]

_LAZY: Final = {
    "Authority": "genai_grpc.testing._authority",
    "CannedServer": "genai_grpc.testing._canned",
    "CassetteError": "genai_grpc.testing._cassette",
    "CassetteServer": "genai_grpc.testing._cassettes",
    "Delay": "genai_grpc.local",
    "FaultProxy": "genai_grpc.testing._proxy",
    "STALL": "genai_grpc.local",
    "ScriptEngine": "genai_grpc.local",
    "Server": "genai_grpc.local",
    "blocked": "genai_grpc.testing._replies",
    "call": "genai_grpc.testing._replies",
    "error": "genai_grpc.testing._replies",
    "record": "genai_grpc.testing._cassettes",
    "replay": "genai_grpc.testing._cassettes",
    "response": "genai_grpc.testing._replies",
    "serve": "genai_grpc.local",
}


def __getattr__(name: str) -> object:
    from importlib import import_module

    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LAZY[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
