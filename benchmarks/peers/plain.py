"""Plain stub: the baseline, a program that uses only the generated gRPC code.

All ratios are to it, so it avoids every waste that is visible in its code: one channel, constant metadata, a deadline
on every call, one request object for a whole chat. It does not use knowledge of gRPC's implementation; there a client
can be cheaper.
"""

from __future__ import annotations

from benchmarks.peers import MODEL
from benchmarks.peers.stub_client import StubClient
from genai_grpc_protos import v1beta
from genai_grpc_protos.v1beta.generative_service_pb2_grpc import GenerativeServiceStub


class Plain(StubClient):
    """The stub of the Gemini API."""

    protos = v1beta
    stub = GenerativeServiceStub
    model = MODEL
