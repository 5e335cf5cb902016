"""The services of Vertex AI on the local server, called by their stubs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import grpc
import pytest

from genai_grpc import errors, protos
from genai_grpc.local import ScriptEngine, serve
from genai_grpc.local.server import Server
from genai_grpc_protos import aiplatform_v1
from genai_grpc_protos.aiplatform_v1.gen_ai_cache_service_pb2_grpc import GenAiCacheServiceStub
from genai_grpc_protos.aiplatform_v1.llm_utility_service_pb2_grpc import LlmUtilityServiceStub
from genai_grpc_protos.aiplatform_v1.prediction_service_pb2_grpc import PredictionServiceStub

vertex: Any = aiplatform_v1  # dicts in place of messages, which the stubs do not take everywhere
PLACE = "projects/my-project/locations/global"
MODEL = f"{PLACE}/publishers/google/models/gemini-pro"
EMBEDDER = f"{PLACE}/publishers/google/models/embedding-001"
TURN = {"role": "user", "parts": [{"text": "Hi"}]}


@pytest.fixture
def channel(server: Server) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(server.address) as connected:
        yield connected


def test_reply_without_counterpart(channel: grpc.Channel, script: ScriptEngine) -> None:
    """What Vertex AI lacks in a reply is left out; a finish reason that it lacks is OTHER."""
    candidate = {"finish_reason": "LANGUAGE", "token_count": 3, "content": {"role": "model", "parts": [{"text": "Ja"}]}}
    script.reply(protos.GenerateContentResponse({"candidates": [candidate], "response_id": "r"}))
    reply = PredictionServiceStub(channel).GenerateContent(
        vertex.GenerateContentRequest(model=MODEL, contents=[TURN]), timeout=30
    )
    assert reply.candidates[0].finish_reason == vertex.Candidate.OTHER
    assert (reply.candidates[0].content.parts[0].text, reply.response_id) == ("Ja", "r")


def test_embedding_config(channel: grpc.Channel, script: ScriptEngine) -> None:
    """The options of an embedding may be in its config, or in the request itself."""
    embed = PredictionServiceStub(channel).EmbedContent
    config = {"task_type": "CLUSTERING", "output_dimensionality": 2}
    for options in (config, {"embed_content_config": config}):
        reply = embed(vertex.EmbedContentRequest(model=EMBEDDER, content=TURN, **options), timeout=30)
        assert len(reply.embedding.values) == 2
    first, second = script.embed_requests
    assert first == second
    assert first.task_type == protos.TaskType.CLUSTERING


def test_invalid_requests(channel: grpc.Channel, script: ScriptEngine) -> None:
    """A request that the Gemini API cannot hold, or without its place, is INVALID_ARGUMENT or NOT_FOUND."""
    predict, utility = PredictionServiceStub(channel), LlmUtilityServiceStub(channel)
    caches = GenAiCacheServiceStub(channel)
    calls: list[tuple[Any, Any, str, str]] = [
        (
            predict.GenerateContent,
            vertex.GenerateContentRequest(model=MODEL, contents=[TURN], generation_config={"top_k": 2.5}),
            "INVALID_ARGUMENT",
            "top_k is an int; got 2.5",
        ),
        (predict.GenerateContent, vertex.GenerateContentRequest(model=MODEL), "INVALID_ARGUMENT", "contents is empty"),
        (
            predict.GenerateContent,
            vertex.GenerateContentRequest(model=f"{PLACE}/endpoints/7", contents=[TURN]),
            "NOT_FOUND",
            "endpoints/7 is not served here",
        ),
        (utility.CountTokens, vertex.CountTokensRequest(model=MODEL, instances=[{}]), "INVALID_ARGUMENT", "instances"),
        (utility.ComputeTokens, vertex.ComputeTokensRequest(model=MODEL, instances=[{}]), "INVALID_ARGUMENT", "instan"),
        (
            caches.CreateCachedContent,
            vertex.CreateCachedContentRequest(parent="p"),
            "INVALID_ARGUMENT",
            "parent is",
        ),
        (caches.ListCachedContents, vertex.ListCachedContentsRequest(), "INVALID_ARGUMENT", "parent is ''"),
        (
            caches.GetCachedContent,
            vertex.GetCachedContentRequest(name=f"{PLACE}/cachedContents/none"),
            "NOT_FOUND",
            "cachedContents/none",
        ),
    ]
    for call, request, status, message in calls:
        with pytest.raises(grpc.RpcError) as caught:
            call(request, timeout=30)
        error: Any = caught.value
        assert error.code().name == status
        assert message in error.details()
    assert script.requests == ()


def test_stream_that_fails(channel: grpc.Channel, script: ScriptEngine) -> None:
    """The chunks before an error arrive."""
    script.reply("One", errors.DataLoss("the rest is lost"))
    stream = PredictionServiceStub(channel).StreamGenerateContent(
        vertex.GenerateContentRequest(model=MODEL, contents=[TURN]), timeout=30
    )
    assert next(stream).candidates[0].content.parts[0].text == "One"
    with pytest.raises(grpc.RpcError, match="the rest is lost"):
        next(stream)


def test_key() -> None:
    """A server with a key refuses calls of Vertex AI without it, too."""
    with serve(ScriptEngine(), api_key="the-key") as server, grpc.insecure_channel(server.address) as channel:
        with pytest.raises(grpc.RpcError, match="requires an API key"):
            LlmUtilityServiceStub(channel).CountTokens(vertex.CountTokensRequest(model=MODEL), timeout=30)
        counted = LlmUtilityServiceStub(channel).CountTokens(
            vertex.CountTokensRequest(endpoint=MODEL, contents=[TURN]),
            timeout=30,
            metadata=(("x-goog-api-key", "the-key"),),
        )
        assert counted.total_tokens == 1


def test_health_and_reflection(channel: grpc.Channel) -> None:
    """The services are among those that reflection lists, and healthy."""
    health_pb2: Any = pytest.importorskip("grpc_health.v1.health_pb2")
    from grpc_health.v1.health_pb2_grpc import HealthStub  # type: ignore[import-untyped]  # ships no types
    from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (  # type: ignore[import-untyped]  # as above
        ProtoReflectionDescriptorDatabase,
    )

    names = {
        f"google.cloud.aiplatform.v1.{name}" for name in ("PredictionService", "LlmUtilityService", "GenAiCacheService")
    }
    database = ProtoReflectionDescriptorDatabase(channel)
    assert names <= set(database.get_services())
    found = database.FindFileContainingSymbol("google.cloud.aiplatform.v1.Candidate")
    assert found.package == "google.cloud.aiplatform.v1"
    for name in names:
        reply = HealthStub(channel).Check(health_pb2.HealthCheckRequest(service=name), timeout=30)
        assert reply.status == health_pb2.HealthCheckResponse.SERVING
