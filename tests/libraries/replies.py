"""What the server replies to the jobs, in order: a reply, or a tuple of the chunks of one."""

from __future__ import annotations

import json
from typing import Any, Final, TypeAlias

from genai_grpc import protos
from genai_grpc.testing import function_call, response

__all__ = ["REPLIES", "Reply"]

Reply: TypeAlias = "str | protos.GenerateContentResponse | tuple[str | protos.GenerateContentResponse, ...]"


def call(function: str, **arguments: Any) -> protos.GenerateContentResponse:
    """A reply that calls a function."""
    return response(function_call(function, **arguments), usage=(9, 5))


def stopped_by_safety() -> protos.GenerateContentResponse:
    """A reply that ended early, with the rating that ended it."""
    stopped = response("Harm", finish_reason="SAFETY", usage=(4, 1))
    stopped.candidates[0].safety_ratings.add(category="HARM_CATEGORY_HARASSMENT", probability="HIGH", blocked=True)
    return stopped


PRODUCT: Final = call("multiply", a=6, b=7)
# Calls whose arguments end up in text have one: protobuf orders those of a map differently in each process.
DOUBLE: Final = call("double", number=21)
FIRST: Final = {"title": "First", "seconds": 61}
SECOND: Final = {"title": "Second", "seconds": 120, "mood": "sad"}
ALBUM: Final = {"artist": "Ada", "songs": [FIRST, SECOND]}
ALBUM_CHUNKS: Final = ('{"artist": "A', 'da", "songs": [{"title": "First", ', '"seconds": 61}]}')

REPLIES: Final[dict[str, dict[str, list[Reply]]]] = {
    "llama_index_llms_gemini": {
        "complete": ["It holds the sky."],
        "stream_complete": [("It holds", " the sky.")],
        "chat": ["The Pequod."],
        "stream_chat": [("Call me", " Ishmael.")],
        "async_chat": ["Ishmael.", ("The", " Pequod."), "Sea."],
        "image": ["Red."],
        "tools": [PRODUCT, "It is 42."],
        "predict_and_call": [PRODUCT],
        "agent": [PRODUCT, "It is 42."],
        "structured": [call("Album", name="Notes", artist="Ada", songs=[FIRST])],
        "stopped_by_safety": [stopped_by_safety()],
    },
    "mem0ai": {
        "chat": ["The Pequod."],
        "structured": ['{"facts": ["Name is Ada"]}'],
        "tools": [call("add_memory", data="Name is Ada"), "Done."],
        "memory": ['{"facts": ["Name is Ada"]}', '{"memory": [{"id": "0", "text": "Name is Ada", "event": "ADD"}]}'],
    },
    "phidata": {
        "chat": ["Ishmael.", "The Pequod."],
        "stream": [("Call me", " Ishmael.")],
        "image": ["Red."],
        "tools": [DOUBLE, "It is 42."],
        "stream_tools": [DOUBLE, ("It is", " 42.")],
        "structured": [json.dumps(FIRST)],
        "llm": ["Ishmael.", ("The", " Pequod.")],
        "llm_tools": [DOUBLE, "It is 42."],
        "embedder": [],
    },
    "google_ai_haystack": {
        "chat": ["Ishmael.", "The Pequod."],
        "stream": [("Call me", " Ishmael.")],
        "tools": [DOUBLE, "It is 42."],
        "stream_tools": [(response("So", finish_reason=""), DOUBLE)],
        "async_chat": ["Ishmael.", ("Call me", " Ishmael.")],
        "serialized": ["They sing."],
        "generate": ["Red."],
        "stream_generate": [("Call me", " Ishmael.")],
    },
    "instructor_from_gemini": {
        "text": ["Call me Ishmael."],
        "structured": [json.dumps(ALBUM)],
        # The rejected reply is sent back as text, so it has no field that the predecessor does not know.
        "retry": [response('{"seconds": 0}'), '{"seconds": 61}'],
        "partial": [ALBUM_CHUNKS],
        "iterable": [(json.dumps({"tasks": [FIRST, SECOND]}),)],
        "async_structured": [json.dumps(FIRST)],
        "tools": [call("Song", **FIRST), call("Album", **ALBUM)],
        "retry_tools": [call("Length", seconds=0), call("Length", seconds=61)],
        "stream_tools": [call("IterableSong", tasks=[FIRST, SECOND])],
        "async_tools": [call("Song", **FIRST)],
    },
}
