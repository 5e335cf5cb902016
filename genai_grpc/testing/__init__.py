"""Test support: scripted replies, recorded replies, and faults.

With pytest, the fixtures `genai_server`, `genai_script`, `genai_client` and `genai_cassette` need no import. The guide
is docs/testing.md.

>>> from genai_grpc import testing
>>> call = testing.function_call("set_light", brightness=80)
>>> script = testing.ScriptEngine().reply(testing.response(call, usage=(12, 5)))
>>> with testing.serve(script) as server:  # doctest: +SKIP
...     ...  # one request to server.endpoint
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from genai_grpc._lazy import attach

if TYPE_CHECKING:
    from genai_grpc.local import STALL, Delay, ScriptEngine, Server, serve
    from genai_grpc.testing._cassette_file import CassetteError
    from genai_grpc.testing._cassette_server import CassetteServer, record, replay
    from genai_grpc.testing._certificate_authority import CertificateAuthority
    from genai_grpc.testing._fault_proxy import FaultProxy
    from genai_grpc.testing._load_server import LoadServer
    from genai_grpc.testing._replies import api_error, blocked_response, function_call, response

__all__ = [
    "STALL",
    "CassetteError",
    "CassetteServer",
    "CertificateAuthority",
    "Delay",
    "FaultProxy",
    "LoadServer",
    "ScriptEngine",
    "Server",
    "api_error",
    "blocked_response",
    "function_call",
    "record",
    "replay",
    "response",
    "serve",
]

__getattr__, __dir__ = attach(
    __name__,
    {
        "STALL": "genai_grpc.local",
        "CassetteError": "._cassette_file",
        "CassetteServer": "._cassette_server",
        "CertificateAuthority": "._certificate_authority",
        "Delay": "genai_grpc.local",
        "FaultProxy": "._fault_proxy",
        "LoadServer": "._load_server",
        "ScriptEngine": "genai_grpc.local",
        "Server": "genai_grpc.local",
        "api_error": "._replies",
        "blocked_response": "._replies",
        "function_call": "._replies",
        "record": "._cassette_server",
        "replay": "._cassette_server",
        "response": "._replies",
        "serve": "genai_grpc.local",
    },
)
