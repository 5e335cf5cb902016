"""Jobs of google-ai-haystack: chat, streams, tools, async, a serialized pipeline, and generation with an image."""

from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any

import google.generativeai as genai
from google.generativeai.types import HarmBlockThreshold, HarmCategory
from haystack import Pipeline
from haystack.components.builders import ChatPromptBuilder
from haystack.components.tools import ToolInvoker
from haystack.dataclasses import ByteStream, ChatMessage, StreamingChunk
from haystack.tools import create_tool_from_function
from haystack.utils import Secret
from haystack_integrations.components.generators.google_ai import GoogleAIGeminiChatGenerator, GoogleAIGeminiGenerator
from inputs import KEY, RED_PIXEL

API_KEY = Secret.from_token(KEY)
SAFETY = {HarmCategory.HARM_CATEGORY_HARASSMENT: HarmBlockThreshold.BLOCK_NONE}
NAME = ChatMessage.from_user("What is your name?")
DOUBLE = ChatMessage.from_user("What is 2 times 21?")


def double(number: Annotated[int, "Any integer."], times: Annotated[int, "How many times."] = 1) -> str:
    """Double an integer."""
    return str(2**times * number)


DOUBLE_TOOL = create_tool_from_function(double)


def generator(model: str, **options: Any) -> GoogleAIGeminiChatGenerator:
    return GoogleAIGeminiChatGenerator(model=model, api_key=API_KEY, **options)


def chat(model: str) -> Iterator[Any]:
    config = {"temperature": 0.5, "max_output_tokens": 40}
    gemini = generator(model, generation_config=config, safety_settings=SAFETY)
    messages = [ChatMessage.from_system("You are a pirate."), NAME]
    replies = gemini.run(messages)["replies"]
    yield replies
    yield gemini.run([*messages, *replies, ChatMessage.from_user("And your ship?")])["replies"]


def stream(model: str) -> Iterator[Any]:
    chunks: list[StreamingChunk] = []
    yield generator(model, streaming_callback=chunks.append).run([NAME])["replies"]
    yield [(chunk.content, chunk.meta) for chunk in chunks]


def tools(model: str) -> Iterator[Any]:
    config = {"function_calling_config": {"mode": "any"}}
    gemini = generator(model, tools=[DOUBLE_TOOL], tool_config=config)
    replies = gemini.run([DOUBLE])["replies"]
    yield replies
    results = ToolInvoker(tools=[DOUBLE_TOOL]).run(messages=replies)["tool_messages"]
    yield results
    yield gemini.run([DOUBLE, *replies, *results])["replies"]


def stream_tools(model: str) -> Iterator[Any]:
    chunks: list[StreamingChunk] = []
    yield generator(model, tools=[DOUBLE_TOOL]).run([DOUBLE], streaming_callback=chunks.append)["replies"]
    yield [chunk.content for chunk in chunks]


async def async_chat(model: str) -> AsyncIterator[Any]:
    gemini = generator(model)
    yield (await gemini.run_async([NAME]))["replies"]
    texts: list[str] = []

    async def collect(chunk: StreamingChunk) -> None:
        texts.append(chunk.content)

    yield (await gemini.run_async([NAME], streaming_callback=collect))["replies"]
    yield texts


def serialized(model: str) -> Iterator[Any]:
    """Run a pipeline that is read from its YAML."""
    pipeline = Pipeline()
    prompt = ChatPromptBuilder(template=[ChatMessage.from_user("Tell me about {{ topic }}.")], required_variables="*")
    pipeline.add_component("prompt", prompt)
    gemini = GoogleAIGeminiChatGenerator(
        model=model,
        api_key=Secret.from_env_var("GOOGLE_API_KEY"),
        generation_config=genai.GenerationConfig(temperature=0.5, top_k=3),
        safety_settings=SAFETY,
        tools=[DOUBLE_TOOL],
    )
    pipeline.add_component("llm", gemini)
    pipeline.connect("prompt.prompt", "llm.messages")
    yield pipeline.to_dict()["components"]["llm"]["init_parameters"]
    yield Pipeline.loads(pipeline.dumps()).run({"prompt": {"topic": "whales"}})


def generate(model: str) -> Iterator[Any]:
    config = genai.GenerationConfig(temperature=0.5)
    gemini = GoogleAIGeminiGenerator(model=model, api_key=API_KEY, generation_config=config, safety_settings=SAFETY)
    pixel = ByteStream(data=RED_PIXEL, mime_type="image/png")
    yield gemini.run(parts=["What colour is this?", pixel, genai.protos.Part(text="And why?")])


def stream_generate(model: str) -> Iterator[Any]:
    chunks: list[StreamingChunk] = []
    gemini = GoogleAIGeminiGenerator(model=model, api_key=API_KEY, streaming_callback=chunks.append)
    yield gemini.run(parts=["What is your name?"])
    yield [chunk.content for chunk in chunks]


JOBS = chat, stream, tools, stream_tools, async_chat, serialized, generate, stream_generate
