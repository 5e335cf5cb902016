"""Jobs of mem0ai: chat, structured output, tools, and a memory that is added to and searched."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from typing import Any

from inputs import KEY
from mem0 import Memory
from mem0.configs.llms.base import BaseLlmConfig
from mem0.llms.gemini import GeminiLLM

ADD_MEMORY = {
    "type": "function",
    "function": {
        "name": "add_memory",
        "description": "Add a memory.",
        "parameters": {
            "type": "object",
            "properties": {"data": {"type": "string", "description": "What to remember."}},
            "required": ["data"],
            "additionalProperties": False,
        },
    },
}


def gemini(model: str) -> GeminiLLM:
    return GeminiLLM(BaseLlmConfig(model=model, api_key=KEY, temperature=0.5, max_tokens=100, top_p=1.0))


def chat(model: str) -> Iterator[Any]:
    yield gemini(model).generate_response(
        [
            {"role": "system", "content": "You are a pirate."},
            {"role": "user", "content": "What is your name?"},
            {"role": "model", "content": "Call me Ishmael."},
            {"role": "user", "content": "And your ship?"},
        ]
    )


def structured(model: str) -> Iterator[Any]:
    schema = {"type": "object", "properties": {"facts": {"type": "array", "items": {"type": "string"}}}}
    messages = [{"role": "user", "content": "I am Ada."}]
    yield gemini(model).generate_response(messages, response_format={"type": "json_object", "schema": schema})


def tools(model: str) -> Iterator[Any]:
    messages = [{"role": "user", "content": "Remember that I am Ada."}]
    yield gemini(model).generate_response(messages, tools=[ADD_MEMORY])
    yield gemini(model).generate_response(messages, tools=[ADD_MEMORY], tool_choice="any")


def memory(model: str) -> Iterator[Any]:
    with tempfile.TemporaryDirectory() as folder:
        remembered = Memory.from_config(
            {
                "llm": {"provider": "gemini", "config": {"model": model, "api_key": KEY}},
                "embedder": {"provider": "gemini", "config": {"model": model, "api_key": KEY}},
                "vector_store": {
                    "provider": "qdrant",
                    "config": {"path": f"{folder}/qdrant", "embedding_model_dims": 768},
                },
                "history_db_path": f"{folder}/history.db",
            }
        )
        yield remembered.add("I am Ada, and I like engines.", user_id="ada")
        yield [item["memory"] for item in remembered.search("Who am I?", user_id="ada")["results"]]


JOBS = chat, structured, tools, memory
