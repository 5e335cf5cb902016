"""A correct program, with the types that type checkers infer in it. It is checked, never run."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

import PIL.Image
from typing_extensions import assert_type

import genai_grpc as genai
from genai_grpc import errors, local, protos, types

client = genai.Client("key", endpoint="https://example.com", timeout=5, retry=types.RetryPolicy(max_attempts=2))
model = genai.GenerativeModel(
    "gemini-pro",
    safety_settings={"harassment": "low", "hate": types.HarmBlockThreshold.BLOCK_NONE},
    generation_config=genai.GenerationConfig(temperature=0, stop_sequences=["\n"]),
    tools=["code_execution", protos.Tool()],
    tool_config={"function_calling_config": "any"},
    system_instruction=["Be brief.", "Be kind."],
    client=client,
)

response = model.generate_content("Hi")
assert_type(response, types.GenerateContentResponse)
assert_type(response.text, str)
assert_type(response.parts, Sequence[protos.Part])
assert_type(response.candidates, Sequence[protos.Candidate])
assert_type(response.function_calls, list[protos.FunctionCall])
assert_type(response.usage_metadata.total_token_count, int)
assert_type(response.to_dict(), dict[str, Any])
for chunk in model.generate_content("Hi", stream=True, request_options={"timeout": 3}):
    assert_type(chunk, types.GenerateContentResponse)

image = PIL.Image.new("RGB", (1, 1))
model.generate_content(["What is this?", image])
model.generate_content(["And this?", Path("a.png"), {"mime_type": "image/png", "data": b""}])
model.generate_content([{"role": "user", "parts": ["Hi", image]}, {"role": "model", "parts": "Hello"}])
model.generate_content([protos.Content(role="user"), {"parts": "Hi"}])
model.generate_content(protos.Part(text="Hi"), generation_config={"temperature": 0.5}, safety_settings="low")

assert_type(model.count_tokens("Hi"), protos.CountTokensResponse)
assert_type(model.count_tokens("Hi").total_tokens, int)
assert_type(genai.list_models(), Iterator[types.Model])
assert_type(genai.list_models_async(), AsyncIterator[types.Model])
assert_type(genai.get_model("gemini-pro"), types.Model | types.TunedModel)
assert_type(genai.get_base_model("gemini-pro"), types.Model)
assert_type(genai.get_base_model("gemini-pro").temperature, float | None)
assert_type(genai.get_tuned_model("tunedModels/mine"), types.TunedModel)
genai.get_model(genai.get_base_model(protos.Model(name="models/gemini-pro")))
genai.GenerativeModel(genai.get_model("gemini-pro"))


def add(a: int, b: int) -> int:
    return a + b


chat = genai.GenerativeModel(tools=[add, {"name": "now"}]).start_chat(
    history=[{"role": "user", "parts": "Hi"}],
    enable_automatic_function_calling=types.AutomaticFunctionCalling(max_rounds=3, on_error="model"),
)
assert_type(chat, genai.ChatSession)
assert_type(chat.send_message("Hi"), types.GenerateContentResponse)
assert_type(chat.history, list[protos.Content])
assert_type(chat.rewind(), tuple[protos.Content, protos.Content])


async def main() -> None:
    response = await model.generate_content_async("Hi", stream=True)
    assert_type(response, types.AsyncGenerateContentResponse)
    async for chunk in response:
        assert_type(chunk, types.AsyncGenerateContentResponse)
    assert_type(await chat.send_message_async("Hi"), types.AsyncGenerateContentResponse)
    assert_type(await model.count_tokens_async("Hi"), protos.CountTokensResponse)
    async with genai.Client(api_version="v1") as connected:
        assert_type(connected, genai.Client)
        assert_type(connected.with_options(timeout=5, retry=None), genai.Client)
        assert_type(connected.ready(), bool)
        assert_type(model.with_options(timeout=5, retry=types.RetryPolicy()), genai.GenerativeModel)


try:
    model.generate_content("Hi")
except errors.ResourceExhausted as error:
    assert_type(error.code, int)
    assert_type(error.attempts, int)

script = local.ScriptEngine().reply("Hello", errors.ServiceUnavailable("not now"))
with local.serve(script) as server:
    assert_type(server, local.Server)
    assert_type(server.endpoint, str)

assert_type(genai.embed_content("embedding-001", "Hi"), types.EmbeddingDict)
assert_type(genai.embed_content("embedding-001", {"parts": ["Hi"]}, "query"), types.EmbeddingDict)
assert_type(genai.embed_content("embedding-001", protos.Content(parts=[protos.Part(text="Hi")])), types.EmbeddingDict)
assert_type(genai.embed_content("embedding-001", ["Hi", "there"], task_type=2, title="T"), types.BatchEmbeddingDict)
assert_type(genai.embed_content("embedding-001", (str(n) for n in range(3)))["embedding"], list[list[float]])
assert_type(genai.embed_content("embedding-001", [["Hi", "there"], "you"]), types.BatchEmbeddingDict)
assert_type(genai.embed_content("embedding-001", ["Hi"], as_numpy=True), dict[str, Any])


async def embed() -> None:
    assert_type(await genai.embed_content_async("embedding-001", "Hi"), types.EmbeddingDict)
    assert_type(await genai.embed_content_async("embedding-001", ["Hi"]), types.BatchEmbeddingDict)


# Messages and enums, with the conveniences of proto-plus.
candidate = protos.Candidate({"finish_reason": 1}, index=0, content={"role": "model", "parts": [{"text": "Hi"}]})
assert_type(candidate.finish_reason.name, str)
assert_type(protos.Candidate.FinishReason.STOP.name, str)
assert_type(protos.Candidate.FinishReason["STOP"].value, int)
assert_type([kind.name for kind in protos.Type], list[str])
assert_type(protos.Type.Name(1), str)
assert_type(candidate.finish_reason == protos.Candidate.FinishReason.STOP, bool)
content = protos.Content(candidate.content)
content.parts = [protos.Part(text="Hi"), {"text": "there"}]
assert_type("parts" in content, bool)
assert_type(type(content).to_dict(content), dict[str, Any])
assert_type(protos.Content.from_json(protos.Content.to_json(content)), protos.Content)
schema = protos.Schema(type_=protos.Type.STRING)
schema.format_ = "date-time"
assert_type(protos.Schema().format_, str)
assert_type(protos.HarmCategory(7).name, str)


def is_harassment(category: protos.HarmCategory) -> bool:
    return category == protos.HarmCategory.HARM_CATEGORY_HARASSMENT


assert_type(protos.HarmCategory(7), protos.HarmCategory)
assert is_harassment(protos.SafetySetting(category=protos.HarmCategory(7)).category)
