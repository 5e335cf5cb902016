"""For the tests of programs that use the client: scripted replies, recorded ones, and faults.

With pytest, the fixtures `genai_server`, `genai_script`, `genai_client` and `genai_cassette` are there without an
import. docs/testing.md is the guide.

>>> from genai_grpc import testing
>>> script = testing.ScriptEngine().reply(testing.response(testing.function_call("set_light", brightness=80), usage=(12, 5)))
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
        "CertificateAuthority": "genai_grpc.testing._certificate_authority",
        "LoadServer": "genai_grpc.testing._load_server",
        "CassetteError": "genai_grpc.testing._cassette_file",
        "CassetteServer": "genai_grpc.testing._cassette_server",
        "Delay": "genai_grpc.local",
        "FaultProxy": "genai_grpc.testing._fault_proxy",
        "STALL": "genai_grpc.local",
        "ScriptEngine": "genai_grpc.local",
        "Server": "genai_grpc.local",
        "blocked_response": "._replies",
        "function_call": "._replies",
        "api_error": "._replies",
        "record": "genai_grpc.testing._cassette_server",
        "replay": "genai_grpc.testing._cassette_server",
        "response": "._replies",
        "serve": "genai_grpc.local",
    },
)
