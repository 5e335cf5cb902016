"""Jobs of llama-index-llms-gemini: completion, chat, streams, images, tools, an agent, structured output."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

from inputs import KEY, RED_PIXEL
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.llms import ChatMessage, ImageBlock, MessageRole, TextBlock
from llama_index.core.prompts import PromptTemplate
from llama_index.core.tools import FunctionTool
from llama_index.llms.gemini import Gemini
from pydantic import BaseModel, Field


class Song(BaseModel):
    """A song of an album."""

    title: str
    seconds: int = Field(description="Its length in seconds.")


class Album(BaseModel):
    """An album of an artist."""

    name: str
    artist: str
    songs: list[Song]


def multiply(a: int, b: int) -> int:
    """Multiply two integers."""
    return a * b


MULTIPLY = FunctionTool.from_defaults(multiply)
PRODUCT = "What is 6 times 7?"
NAME = ChatMessage(role="user", content="What is your name?")


def gemini(model: str, **options: Any) -> Gemini:
    return Gemini(model=model, api_key=KEY, **options)


def complete(model: str) -> Iterator[Any]:
    llm = gemini(model, generation_config={"top_k": 3}, safety_settings={"HARASSMENT": "BLOCK_NONE"}, max_tokens=40)
    yield llm.metadata
    yield llm.complete("Write a poem about a magic backpack.")


def stream_complete(model: str) -> Iterator[Any]:
    yield from gemini(model).stream_complete("Write a poem about a magic backpack.")


def chat(model: str) -> Iterator[Any]:
    yield gemini(model).chat(
        [
            ChatMessage(role="system", content="You are a pirate."),
            NAME,
            ChatMessage(role="assistant", content="Call me Ishmael."),
            ChatMessage(role="user", content="And your ship?"),
        ],
        request_options={"timeout": 30},
    )


def stream_chat(model: str) -> Iterator[Any]:
    yield from gemini(model).stream_chat([NAME])


async def async_chat(model: str) -> AsyncIterator[Any]:
    llm = gemini(model)
    yield await llm.achat([NAME])
    async for response in await llm.astream_chat([ChatMessage(role="user", content="And your ship?")]):
        yield response
    yield await llm.acomplete("Write a poem.")


def image(model: str) -> Iterator[Any]:
    blocks = [TextBlock(text="What colour is this?"), ImageBlock(image=RED_PIXEL, image_mimetype="image/png")]
    yield gemini(model).chat([ChatMessage(role="user", blocks=blocks)])


def tools(model: str) -> Iterator[Any]:
    llm = gemini(model)
    messages = [ChatMessage(role="user", content=PRODUCT)]
    response = llm.chat_with_tools([MULTIPLY], chat_history=messages)
    yield response
    [selection] = llm.get_tool_calls_from_response(response)
    yield selection
    output = MULTIPLY(**selection.tool_kwargs)
    yield output.raw_output
    messages += [response.message, ChatMessage(role=MessageRole.TOOL, content=str(output))]
    yield llm.chat_with_tools([MULTIPLY], chat_history=messages)


def predict_and_call(model: str) -> Iterator[Any]:
    yield gemini(model).predict_and_call([MULTIPLY], user_msg=PRODUCT).response


async def agent(model: str) -> AsyncIterator[Any]:
    calculator = FunctionAgent(tools=[MULTIPLY], llm=gemini(model), system_prompt="You calculate.")
    yield str(await calculator.run(PRODUCT))


def structured(model: str) -> Iterator[Any]:
    yield gemini(model).structured_predict(Album, PromptTemplate("Invent an album of {artist}."), artist="Ada")


def stopped_by_safety(model: str) -> Iterator[Any]:
    yield gemini(model).complete("Write something harmful.")


JOBS = (
    complete,
    stream_complete,
    chat,
    stream_chat,
    async_chat,
    image,
    tools,
    predict_and_call,
    agent,
    structured,
    stopped_by_safety,
)
