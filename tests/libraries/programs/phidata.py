"""Jobs of phidata: agents that chat, stream, see, call tools and answer in JSON; its `LLM` interface; embeddings."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from inputs import KEY, RED_PIXEL
from phi.agent import Agent
from phi.embedder.google import GeminiEmbedder
from phi.llm.google import Gemini as GeminiLLM
from phi.llm.message import Message
from phi.model.google import Gemini
from pydantic import BaseModel


class Song(BaseModel):
    """A song."""

    title: str
    seconds: int


def double(number: int) -> str:
    """Double an integer."""
    return str(2 * number)


NAME = "What is your name?"
DOUBLE = "What is 2 times 21?"


def agent(model: str, **options: Any) -> Agent:
    gemini = Gemini(
        id=model,
        api_key=KEY,
        generation_config={"temperature": 0.5},
        safety_settings={"HARASSMENT": "BLOCK_NONE"},
    )
    return Agent(model=gemini, telemetry=False, monitoring=False, **options)


def chat(model: str) -> Iterator[Any]:
    pirate = agent(model, description="You are a pirate.", add_history_to_messages=True)
    yield pirate.run(NAME).content
    yield pirate.run("And your ship?").content
    yield [(message.role, message.content) for message in pirate.memory.messages]
    yield {name: count for name, count in pirate.model.metrics.items() if name.endswith("tokens")}


def stream(model: str) -> Iterator[Any]:
    for chunk in agent(model).run(NAME, stream=True):
        yield chunk.content


def image(model: str) -> Iterator[Any]:
    with tempfile.TemporaryDirectory() as folder:
        pixel = Path(folder, "pixel.png")
        pixel.write_bytes(RED_PIXEL)
        yield agent(model).run("What colour is this?", images=[pixel]).content


def tools(model: str) -> Iterator[Any]:
    calculator = agent(model, tools=[double], show_tool_calls=True)
    yield calculator.run(DOUBLE).content
    yield [(message.role, message.content, message.tool_calls) for message in calculator.memory.messages]


def stream_tools(model: str) -> Iterator[Any]:
    for chunk in agent(model, tools=[double]).run(DOUBLE, stream=True):
        yield chunk.content


def structured(model: str) -> Iterator[Any]:
    yield agent(model, response_model=Song).run("Invent a song.").content


def llm(model: str) -> Iterator[Any]:
    gemini = GeminiLLM(model=model, api_key=KEY)
    messages = [Message(role="user", content=NAME)]
    yield gemini.response(messages)
    yield list(gemini.response_stream([*messages, Message(role="user", content="And your ship?")]))


def llm_tools(model: str) -> Iterator[Any]:
    gemini = GeminiLLM(model=model, api_key=KEY)
    gemini.add_tool(double)
    messages = [Message(role="user", content=DOUBLE)]
    yield gemini.response(messages)
    yield [(message.role, message.content, message.tool_calls) for message in messages]


def embedder(model: str) -> Iterator[Any]:
    gemini = GeminiEmbedder(model=model, api_key=KEY, task_type="retrieval_document", title="Whales")
    yield gemini.get_embedding("Call me Ishmael.")
    yield gemini.get_embedding_and_usage("The Pequod.")


JOBS = chat, stream, image, tools, stream_tools, structured, llm, llm_tools, embedder
