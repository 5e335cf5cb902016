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
from google.ai.generativelanguage_v1beta.types import content

[address], model = sys.argv[1:], "models/gemini-pro"
turn = glm.Content(role="user", parts=[genai.protos.Part(text="Hello, you")])


def text(response):
    return response.candidates[0].content.parts[0].text


async def generate_async():
    transport = transports.GenerativeServiceGrpcAsyncIOTransport(channel=grpc.aio.insecure_channel(address))
    client = glm.GenerativeServiceAsyncClient(transport=transport)
    print(text(await client.generate_content(model=model, contents=[turn])))
    print([text(chunk) async for chunk in await client.stream_generate_content(model=model, contents=[turn])])


print(glm.Part is genai.protos.Part is content.Part, glm.HarmCategory is genai.protos.HarmCategory)
channel = grpc.insecure_channel(address)
client = glm.GenerativeServiceClient(transport=transports.GenerativeServiceGrpcTransport(channel=channel))
print(text(client.generate_content({"model": model, "contents": [{"role": "user", "parts": [{"text": "Hello"}]}]})))
response = client.generate_content(glm.GenerateContentRequest(model=model, contents=[turn]))
print(text(response), isinstance(response, genai.protos.GenerateContentResponse))
print([text(chunk) for chunk in client.stream_generate_content(model=model, contents=[turn])])
print(client.count_tokens(model=model, contents=[turn]).total_tokens)
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
['models/script', 'models/gemini-pro']
Again
['And', ' again']
"""


def test_clients_of_google() -> None:
    """Under the alias, the messages of both packages are the same, and Google's clients call the server with them."""
    script = ScriptEngine()
    script.reply("Hello").reply("Fine").reply("It", " streams").reply("Again").reply("And", " again")
    with serve(script) as server:
        completed = subprocess.run(
            [interpreter_of("genai_grpc+google-ai-generativelanguage"), "-c", CLIENTS, server.address],
            check=False,
            capture_output=True,
            text=True,
        )
        assert (completed.stdout, completed.returncode) == (OUTPUT, 0), completed.stderr
