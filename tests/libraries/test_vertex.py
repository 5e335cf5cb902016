"""The published clients of Vertex AI call the local server, beside this package in one process."""

from __future__ import annotations

import subprocess
from typing import Final

import pytest

from genai_grpc import protos
from genai_grpc.local import ScriptEngine, serve
from tests.libraries.environments import interpreter_of

pytestmark = [pytest.mark.libraries, pytest.mark.venv, pytest.mark.timeout(600)]

CLIENTS: Final = """
import asyncio, sys

import genai_grpc as genai
import grpc
from google.cloud import aiplatform_v1 as vertex
from google.cloud.aiplatform_v1.services.gen_ai_cache_service import transports as caching
from google.cloud.aiplatform_v1.services.llm_utility_service import transports as utility
from google.cloud.aiplatform_v1.services.prediction_service import transports as prediction
from google.protobuf import field_mask_pb2

[address] = sys.argv[1:]
place = "projects/my-project/locations/europe-west4"
model, embedder = f"{place}/publishers/google/models/gemini-pro", f"{place}/publishers/google/models/embedding-001"
turn = vertex.Content(role="user", parts=[vertex.Part(text="Hello, you")])
channel = grpc.insecure_channel(address)


def text(response):
    return response.candidates[0].content.parts[0].text


client = vertex.PredictionServiceClient(transport=prediction.PredictionServiceGrpcTransport(channel=channel))
reply = client.generate_content(model=model, contents=[turn])
print(text(reply), reply.candidates[0].finish_reason.name, reply.usage_metadata.total_token_count)
request = vertex.GenerateContentRequest(
    model=model,
    contents=[turn],
    labels={"team": "a"},
    generation_config={"top_k": 3, "thinking_config": {"thinking_budget": 0}},
    safety_settings=[{"category": "HARM_CATEGORY_HATE_SPEECH", "threshold": "BLOCK_NONE"}],
    tools=[{"function_declarations": [{"name": "now", "parameters": {"type": "OBJECT"}}]}],
)
call = client.generate_content(request).candidates[0].content.parts[0].function_call
print(call.name, dict(call.args))
print([text(chunk) for chunk in client.stream_generate_content(model=model, contents=[turn])])
print(list(client.embed_content(vertex.EmbedContentRequest(model=embedder, content=turn)).embedding.values))

tokens = vertex.LlmUtilityServiceClient(transport=utility.LlmUtilityServiceGrpcTransport(channel=channel))
count = tokens.count_tokens(vertex.CountTokensRequest(endpoint=model, model=model, contents=[turn]))
print(count.total_tokens, count.total_billable_characters)
print(list(tokens.compute_tokens(vertex.ComputeTokensRequest(endpoint=model, contents=[turn])).tokens_info[0].tokens))

caches = vertex.GenAiCacheServiceClient(transport=caching.GenAiCacheServiceGrpcTransport(channel=channel))
cache = caches.create_cached_content(
    parent=place, cached_content=vertex.CachedContent(model=model, contents=[turn], ttl={"seconds": 60})
)
print(cache.name.startswith(place), cache.model == model, cache.usage_metadata.total_token_count)
print(caches.get_cached_content(name=cache.name).name == cache.name)
print([each.name for each in caches.list_cached_contents(parent=place)] == [cache.name])
cache.ttl = {"seconds": 600}
later = caches.update_cached_content(cached_content=cache, update_mask=field_mask_pb2.FieldMask(paths=["ttl"]))
print(later.expire_time > cache.update_time)
cached = vertex.GenerateContentRequest(model=model, contents=[turn], cached_content=cache.name)
print(text(client.generate_content(cached)))
caches.delete_cached_content(name=cache.name)


async def generate_async():
    channel = grpc.aio.insecure_channel(address)
    transport = prediction.PredictionServiceGrpcAsyncIOTransport(channel=channel)
    client = vertex.PredictionServiceAsyncClient(transport=transport)
    print(text(await client.generate_content(model=model, contents=[turn])))
    stream = await client.stream_generate_content(model=model, contents=[turn])
    print([text(chunk) async for chunk in stream])
    transport = utility.LlmUtilityServiceGrpcAsyncIOTransport(channel=channel)
    tokens = vertex.LlmUtilityServiceAsyncClient(transport=transport)
    print((await tokens.count_tokens(vertex.CountTokensRequest(endpoint=model, contents=[turn]))).total_tokens)
    transport = caching.GenAiCacheServiceGrpcAsyncIOTransport(channel=channel)
    caches = vertex.GenAiCacheServiceAsyncClient(transport=transport)
    print([each.name async for each in await caches.list_cached_contents(parent=place)])


asyncio.run(generate_async())

# The same with this package, which takes Google's messages, too.
with genai.Client(endpoint=f"http://{address}", vertex=genai.Vertex("my-project", "europe-west4")) as ours:
    answer = genai.GenerativeModel("gemini-pro", client=ours).generate_content([turn])
    print(answer.text, answer.candidates[0].DESCRIPTOR.full_name)
"""
OUTPUT: Final = """\
Hello STOP 3
now {'zone': 'UTC'}
['It', ' streams']
[0.25, 0.5]
2 9
[b'Hello,', b'you']
True True 2
True
True
True
Cached
Again
['And', ' again']
2
[]
Ours google.cloud.aiplatform.v1.Candidate
"""

GOOGLE_GENAI: Final = """
import sys

from google import genai
from google.oauth2.credentials import Credentials

[url] = sys.argv[1:]
client = genai.Client(
    vertexai=True, project="my-project", location="europe-west4", credentials=Credentials("a-token"),
    http_options={"base_url": url},
)
print(client.models.generate_content(model="gemini-pro", contents="Hello", config={"labels": {"team": "a"}}).text)
print([chunk.text for chunk in client.models.generate_content_stream(model="gemini-pro", contents="Hello")])
print(client.models.count_tokens(model="gemini-pro", contents="Hello, you").total_tokens)
cache = client.caches.create(model="gemini-pro", config={"contents": "A long tale.", "ttl": "60s"})
print(cache.usage_metadata.total_token_count, client.caches.get(name=cache.name).name == cache.name)
client.caches.delete(name=cache.name)
"""


def run(program: str, address: str) -> subprocess.CompletedProcess[str]:
    """The end of a program beside this package and google-cloud-aiplatform."""
    python = interpreter_of("genai_grpc+google-cloud-aiplatform")
    return subprocess.run([python, "-c", program, address], check=False, capture_output=True, text=True)


def test_clients_of_google() -> None:
    """The generated clients, sync and async, generate, stream, embed, count and cache."""
    call = {"function_call": {"name": "now", "args": {"zone": "UTC"}}}
    reply = protos.GenerateContentResponse({"candidates": [{"content": {"parts": [call]}, "finish_reason": "STOP"}]})
    script = ScriptEngine()
    script.reply("Hello").reply(reply).reply("It", " streams").reply("Cached").reply("Again").reply("And", " again")
    script.reply("Ours").reply_embedding([0.25, 0.5])
    with serve(script) as server:
        completed = run(CLIENTS, server.address)
        assert (completed.stdout, completed.returncode) == (OUTPUT, 0), completed.stderr
        request = script.requests[1]
    assert (request.model, request.generation_config.top_k) == ("models/gemini-pro", 3)
    assert request.safety_settings[0].category == protos.HarmCategory.HARM_CATEGORY_HATE_SPEECH
    assert request.tools[0].function_declarations[0].parameters.type == protos.Type.OBJECT


def test_google_genai() -> None:
    """google-genai, whose calls to Vertex AI go over HTTP, under v1beta1."""
    script = ScriptEngine().reply("Hello").reply("It", " streams")
    with serve(script) as server:
        completed = run(GOOGLE_GENAI, str(server.http_endpoint))
        output = "Hello\n['It', ' streams']\n2\n3 True\n"
        assert (completed.stdout, completed.returncode) == (output, 0), completed.stderr
