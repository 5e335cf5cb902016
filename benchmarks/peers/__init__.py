"""Peers: the clients that are compared, each in a module and a virtual environment of its own.

Each module is imported by an interpreter that has its client, and none of this project's tools.
"""

from __future__ import annotations

import importlib
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Final, NamedTuple, Protocol

__all__ = [
    "KEY",
    "MODEL",
    "PEERS",
    "PROJECT",
    "PROMPT",
    "TRANSPORTS",
    "VERTEX",
    "VERTEX_MODEL",
    "Endpoint",
    "Peer",
    "Spec",
    "connect",
    "spec_of",
]

KEY: Final = "a-key-of-thirty-nine-characters-as-usual"
MODEL: Final = "models/gemini-pro"
PROJECT: Final = "my-project"
VERTEX_MODEL: Final = f"projects/{PROJECT}/locations/global/publishers/google/{MODEL}"
PROMPT: Final = "Tell me a story about a magic backpack, in one sentence."


class Endpoint(NamedTuple):
    """Addresses of the server: `host:port` and `unix:path` for gRPC, and a URL for REST."""

    grpc: str
    unix: str
    rest: str


class Peer(Protocol):
    """A client, used as its documentation shows."""

    def ask(self) -> str:
        """Send `PROMPT`; returns the reply's text."""

    async def ask_async(self) -> str:
        """As `ask`, on the running loop."""

    def texts(self) -> Iterator[str]:
        """Send `PROMPT`; yields the text of each chunk of the streamed reply."""

    def texts_async(self) -> AsyncIterator[str]:
        """As `texts`, on the running loop."""

    def start_chat(self, history: list[tuple[str, str]]) -> Callable[[str], str]:
        """Start a chat with a history of roles and texts; returns a function from a message to the reply's text."""

    def ask_of_blob(self, data: bytes) -> str:
        """Send `PROMPT` and an image file; returns the reply's text."""

    def ask_of_image(self, image: Any) -> str:
        """Send `PROMPT` and a Pillow image; returns the reply's text."""


class Spec(NamedTuple):
    """Specification of a peer.

    Attributes:
        title: Its name in a table.
        module: Its module in this package.
        class_name: Its class in the module.
        requirements: Requirements for pip; empty if it runs in the project's own environment.
        imports: The import statements of a program that uses it.
    """

    title: str
    module: str
    class_name: str
    requirements: tuple[str, ...]
    imports: str


# The plain stub comes first: all ratios are to it.
PEERS: Final = {
    "plain": Spec(
        "plain stub",
        "plain",
        "Plain",
        (),
        "import grpc; from genai_grpc_protos.v1beta import generative_service_pb2_grpc",
    ),
    "genai_grpc": Spec("genai_grpc", "genai_grpc_client", "Client", (), "from genai_grpc import GenerativeModel"),
    "genai_grpc_rest": Spec(
        "genai_grpc (REST)", "genai_grpc_client", "RestClient", (), "from genai_grpc import GenerativeModel"
    ),
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
        "google-generativeai, API key",
        "generativeai",
        "WithKey",
        ("google-generativeai==0.8.6", "pillow"),
        "import google.generativeai",
    ),
    "google_genai": Spec(
        "google-genai 3.6 (REST)",
        "google_genai",
        "GoogleGenAI",
        ("google-genai==3.6.1", "pillow"),
        "from google import genai",
    ),
}

# The same two at Vertex AI, whose messages have other numbers.
VERTEX: Final = {
    "plain_vertex": Spec(
        "plain stub of Vertex AI",
        "plain_vertex",
        "PlainVertex",
        (),
        "import grpc; from genai_grpc_protos.aiplatform_v1 import prediction_service_pb2_grpc",
    ),
    "genai_grpc_vertex": Spec(
        "genai_grpc at Vertex AI", "genai_grpc_client", "OverVertex", (), "from genai_grpc import GenerativeModel"
    ),
}

# Alternatives to gRPC's transport; they implement the part of the protocol that unary calls and streamed replies need.
TRANSPORTS: Final = {
    "lower_bound": Spec("bare socket", "lower_bound", "LowerBound", ("protobuf",), "import socket"),
    "pycurl": Spec("pycurl 7.49", "over_pycurl", "Pycurl", ("pycurl==7.49.0", "protobuf"), "import pycurl"),
    "pyqwest": Spec("pyqwest 0.12", "over_pyqwest", "Pyqwest", ("pyqwest==0.12.0", "protobuf"), "import pyqwest"),
    "wreq": Spec("wreq 0.13", "over_wreq", "Wreq", ("wreq==0.13.0", "protobuf"), "import wreq"),
    "grpclib": Spec("grpclib 0.4.9", "over_grpclib", "Grpclib", ("grpclib==0.4.9", "protobuf"), "import grpclib"),
}


def spec_of(name: str) -> Spec:
    """Specification of the client or transport of that name."""
    return (PEERS | VERTEX | TRANSPORTS)[name]


def connect(name: str, endpoint: Endpoint, *channel: int) -> Peer:
    """Build the peer of that name; importable in its own environment only.

    Args:
        name: Its name in `PEERS` or `TRANSPORTS`.
        endpoint: Addresses of the server.
        channel: Number of the channel, for the plain stub and this client, if a program uses several.
    """
    spec = spec_of(name)
    module = importlib.import_module(f"benchmarks.peers.{spec.module}")
    peer: Peer = getattr(module, spec.class_name)(endpoint, *channel)
    return peer
