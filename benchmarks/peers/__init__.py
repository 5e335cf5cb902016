"""The clients that are compared, each in a module of its own, which runs in a virtual environment of its own.

The modules here are imported by Pythons that have one of the clients and nothing else of this project's tools.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

__all__ = ["KEY", "MODEL", "PEERS", "PROMPT", "TRANSPORTS", "Endpoint", "Peer", "Spec", "connect", "spec_of"]

KEY: Final = "a-key-of-thirty-nine-characters-as-usual"
MODEL: Final = "models/gemini-pro"
PROMPT: Final = "Tell me a story about a magic backpack, in one sentence."


class Endpoint(NamedTuple):
    """Where the server listens: `host:port` for gRPC, `unix:path` for gRPC, and a URL for REST."""

    grpc: str
    unix: str
    rest: str


class Peer(Protocol):
    """A client, used as its documentation says."""

    def ask(self) -> str:
        """The answer's text to `PROMPT`."""

    async def ask_async(self) -> str:
        """`ask`, on the running loop."""

    def texts(self) -> Iterator[str]:
        """The text of each chunk of a streamed answer to `PROMPT`."""

    def texts_async(self) -> AsyncIterator[str]:
        """`texts`, on the running loop."""

    def start_chat(self, history: list[tuple[str, str]]) -> Callable[[str], str]:
        """A conversation that begins with turns of a role and a text: what sends a message and returns the answer."""

    def ask_of_blob(self, data: bytes) -> str:
        """The answer's text to `PROMPT` with an image file beside it."""

    def ask_of_image(self, image: Any) -> str:
        """The answer's text to `PROMPT` with a Pillow image beside it."""


class Spec(NamedTuple):
    """A peer: what it is called, what it is made of, and where it lives.

    Attributes:
        title: Its name in a table.
        module: Its module here.
        made: The name of the class there.
        requirements: What pip installs for it; nothing for what the project's own environment has.
        imports: What a program imports to use it.
    """

    title: str
    module: str
    made: str
    requirements: tuple[str, ...]
    imports: str


# The plain stub comes first: every figure stands beside its own.
PEERS: Final = {
    "plain": Spec(
        "plain stub",
        "plain",
        "Plain",
        (),
        "import grpc; from genai_grpc_protos.v1beta import generative_service_pb2_grpc",
    ),
    "genai_grpc": Spec("genai_grpc", "genai_grpc_client", "Client", (), "from genai_grpc import GenerativeModel"),
    "generativelanguage": Spec(
        "google-ai-generativelanguage 0.12",
        "generativelanguage",
        "GenerativeLanguage",
        ("google-ai-generativelanguage==0.12.1", "pillow"),
        "from google.ai import generativelanguage_v1beta",
    ),
    "generativeai": Spec(
        "google-generativeai 0.8.6",
        "generativeai",
        "GenerativeAI",
        ("google-generativeai==0.8.6", "pillow"),
        "import google.generativeai",
    ),
    "generativeai_key": Spec(
        "the same with an API key",
        "generativeai",
        "WithKey",
        ("google-generativeai==0.8.6", "pillow"),
        "import google.generativeai",
    ),
    "google_genai": Spec(
        "google-genai 3.4 (REST)",
        "google_genai",
        "GoogleGenAI",
        ("google-genai==3.4.0", "pillow"),
        "from google import genai",
    ),
}

# What could carry the calls in gRPC's place; they do of the protocol what calls of unary and streamed replies need.
TRANSPORTS: Final = {
    "floor": Spec("bare socket", "floor", "Floor", ("protobuf",), "import socket"),
    "pycurl": Spec("pycurl 7.49", "over_pycurl", "Pycurl", ("pycurl==7.49.0", "protobuf"), "import pycurl"),
    "pyqwest": Spec("pyqwest 0.12", "over_pyqwest", "Pyqwest", ("pyqwest==0.12.0", "protobuf"), "import pyqwest"),
    "wreq": Spec("wreq 0.13", "over_wreq", "Wreq", ("wreq==0.13.0", "protobuf"), "import wreq"),
    "grpclib": Spec("grpclib 0.4.9", "over_grpclib", "Grpclib", ("grpclib==0.4.9", "protobuf"), "import grpclib"),
}


def spec_of(name: str) -> Spec:
    """The peer of that name, be it a client or a transport."""
    return PEERS[name] if name in PEERS else TRANSPORTS[name]


def connect(name: str, endpoint: Endpoint, *channel: int) -> Peer:
    """The peer of that name, as a client of that server; only its own environment has it.

    Where a peer has several channels, the plain stub and this project's client take the number of one.
    """
    spec = spec_of(name)
    peer: Peer = getattr(importlib.import_module(f"benchmarks.peers.{spec.module}"), spec.made)(endpoint, *channel)
    return peer
