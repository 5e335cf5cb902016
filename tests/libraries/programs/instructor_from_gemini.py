"""Jobs of instructor's `from_gemini`: objects from JSON and from tool calls, asked again, in streams and async."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any, Literal

import google.generativeai as genai
import instructor
from inputs import KEY
from instructor import Mode
from pydantic import BaseModel, Field, field_validator


class Song(BaseModel):
    """A song of an album."""

    title: str = Field(description="Its title.")
    seconds: int
    mood: Literal["glad", "sad"] | None = None


class Album(BaseModel):
    """An album of an artist."""

    artist: str
    songs: list[Song]


class Length(BaseModel):
    """The length of a song."""

    seconds: int

    @field_validator("seconds")
    @classmethod
    def is_positive(cls, seconds: int) -> int:
        """Refuse a length of nothing."""
        if seconds <= 0:
            raise ValueError("a song takes time")
        return seconds


SYSTEM = {"role": "system", "content": "You know music."}
SONG = [{"role": "user", "content": "Invent a song."}]
ALBUM = [SYSTEM, {"role": "user", "content": "Invent an album."}]


def client(model: str, mode: Mode, **options: Any) -> Any:
    genai.configure(api_key=KEY)
    return instructor.from_gemini(genai.GenerativeModel(model, generation_config={"top_k": 3}), mode=mode, **options)


def text(model: str) -> Iterator[Any]:
    yield client(model, Mode.GEMINI_JSON).create(messages=[SYSTEM, *SONG], response_model=None).text


def structured(model: str) -> Iterator[Any]:
    gemini = client(model, Mode.GEMINI_JSON)
    config = {"temperature": 0.5, "max_tokens": 100}
    yield gemini.chat.completions.create(messages=[*ALBUM], response_model=Album, generation_config=config)


def retry(model: str) -> Iterator[Any]:
    yield client(model, Mode.GEMINI_JSON).create(messages=[*SONG], response_model=Length, max_retries=2)


def partial(model: str) -> Iterator[Any]:
    yield from client(model, Mode.GEMINI_JSON).create_partial(messages=[*ALBUM], response_model=Album)


def iterable(model: str) -> Iterator[Any]:
    yield from client(model, Mode.GEMINI_JSON).create_iterable(messages=[*SONG], response_model=Song)


async def async_structured(model: str) -> AsyncIterator[Any]:
    yield await client(model, Mode.GEMINI_JSON, use_async=True).create(messages=[*SONG], response_model=Song)


def tools(model: str) -> Iterator[Any]:
    gemini = client(model, Mode.GEMINI_TOOLS)
    song, completion = gemini.create_with_completion(messages=[*SONG], response_model=Song)
    yield song
    yield completion.usage_metadata.total_token_count
    yield gemini.create(messages=[*ALBUM], response_model=Album)


def retry_tools(model: str) -> Iterator[Any]:
    yield client(model, Mode.GEMINI_TOOLS).create(messages=[*SONG], response_model=Length, max_retries=2)


def stream_tools(model: str) -> Iterator[Any]:
    gemini = client(model, Mode.GEMINI_TOOLS)
    yield from gemini.create(messages=[*SONG], response_model=Iterable[Song], stream=True)


async def async_tools(model: str) -> AsyncIterator[Any]:
    yield await client(model, Mode.GEMINI_TOOLS, use_async=True).create(messages=[*SONG], response_model=Song)


JOBS = (
    text,
    structured,
    retry,
    partial,
    iterable,
    async_structured,
    tools,
    retry_tools,
    stream_tools,
    async_tools,
)
