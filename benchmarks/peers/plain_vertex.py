"""Plain stub of Vertex AI, as `plain` is that of the Gemini API."""

from __future__ import annotations

from benchmarks.peers import VERTEX_MODEL
from benchmarks.peers.stub_client import StubClient
from genai_grpc_protos import aiplatform_v1
from genai_grpc_protos.aiplatform_v1.prediction_service_pb2_grpc import PredictionServiceStub


class PlainVertex(StubClient):
    """The stub of Vertex AI."""

    protos = aiplatform_v1
    stub = PredictionServiceStub
    model = VERTEX_MODEL
