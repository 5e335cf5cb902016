"""Google's lower-level package under the alias: its messages are ours, and its clients send them."""

from __future__ import annotations

import subprocess
from typing import Final

import pytest

from genai_grpc.local import ScriptEngine, serve
from tests.libraries.environments import interpreter_of

pytestmark = [pytest.mark.libraries, pytest.mark.venv, pytest.mark.timeout(600)]

CLIENTS: Final = """
import asyncio, sys

import genai_grpc.as_google_generativeai
import google.generativeai as genai
import grpc
from google.ai import generativelanguage as glm
from google.ai.generativelanguage_v1beta.services.generative_service import transports
from google.ai.generativelanguage_v1beta.services.model_service.transports import ModelServiceGrpcTransport
from google.ai.generativelanguage_v1beta.types import content as content_module

[address], model = sys.argv[1:], "models/gemini-pro"
turn = glm.Content(role="user", parts=[genai.protos.Part(text="Hello, you")])
embedder, content = "models/embedding-001", glm.Content(parts=[glm.Part(text="Hello")])


def text(response):
    return response.candidates[0].content.parts[0].text


async def generate_async():
    transport = transports.GenerativeServiceGrpcAsyncIOTransport(channel=grpc.aio.insecure_channel(address))
    client = glm.GenerativeServiceAsyncClient(transport=transport)
    print(text(await client.generate_content(model=model, contents=[turn])))
    print([text(chunk) async for chunk in await client.stream_generate_content(model=model, contents=[turn])])
    print(list((await client.embed_content(model=embedder, content=content)).embedding.values))


print(glm.Part is genai.protos.Part is content_module.Part, glm.HarmCategory is genai.protos.HarmCategory)
channel = grpc.insecure_channel(address)
client = glm.GenerativeServiceClient(transport=transports.GenerativeServiceGrpcTransport(channel=channel))
print(text(client.generate_content({"model": model, "contents": [{"role": "user", "parts": [{"text": "Hello"}]}]})))
response = client.generate_content(glm.GenerateContentRequest(model=model, contents=[turn]))
print(text(response), isinstance(response, genai.protos.GenerateContentResponse))
print([text(chunk) for chunk in client.stream_generate_content(model=model, contents=[turn])])
print(client.count_tokens(model=model, contents=[turn]).total_tokens)
print(list(client.embed_content(model=embedder, content=content).embedding.values))
print(list(client.embed_content({"model": embedder, "content": content, "output_dimensionality": 2}).embedding.values))
requests = [glm.EmbedContentRequest(model=embedder, content=content, task_type=glm.TaskType.CLUSTERING)] * 2
batch = client.batch_embed_contents(glm.BatchEmbedContentsRequest(model=embedder, requests=requests))
print([list(embedding.values) for embedding in batch.embeddings])
models = glm.ModelServiceClient(transport=ModelServiceGrpcTransport(channel=channel))
print([model.name for model in models.list_models()])
asyncio.run(generate_async())
"""
OUTPUT: Final = """\
True True
Hello
Fine True
['It', ' streams']
2
[0.25, 0.5]
[0.5, 0.25]
[[1.0, 2.0], [3.0, 4.0]]
['models/script', 'models/gemini-pro']
Again
['And', ' again']
[1.0]
"""


def test_clients_of_google() -> None:
    """Under the alias, the messages of both packages are the same, and Google's clients call the server with them."""
    script = ScriptEngine()
    script.reply("Hello").reply("Fine").reply("It", " streams").reply("Again").reply("And", " again")
    script.reply_embedding([0.25, 0.5], [0.5, 0.25], [1, 2], [3, 4], [1])
    with serve(script) as server:
        completed = subprocess.run(
            [interpreter_of("genai_grpc+google-ai-generativelanguage"), "-c", CLIENTS, server.address],
            check=False,
            capture_output=True,
            text=True,
        )
        assert (completed.stdout, completed.returncode) == (OUTPUT, 0), completed.stderr
