"""The main job, on a real model: stream, chat, answer by schema, count tokens.

Runs on the embedded local server, which needs no key and no network. With DEMO_TARGET=google and GEMINI_API_KEY set
it runs against Google's endpoint (DEMO_MODEL names the model, gemini-2.5-flash unless set).
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import textwrap
import time
from contextlib import AbstractContextManager, nullcontext

import genai_grpc as genai
from genai_grpc import local

PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}, "city": {"type": "string"}},
    "required": ["name", "age", "city"],
}


class Meter:
    """How fast the model writes: tokens after the first of each answer, and the seconds that they took."""

    def __init__(self) -> None:
        self.tokens = 0
        self.seconds = 0.0

    def show(self, answer: genai.types.GenerateContentResponse) -> None:
        """Print a streamed answer as it comes. Its first chunk is here already, after the prompt was read."""
        began = time.perf_counter()
        column = indent("")
        for chunk in answer:
            for candidate in chunk.candidates:
                column = write("".join(part.text for part in candidate.content.parts if not part.thought), column)
        print("\n")
        self.seconds += time.perf_counter() - began
        self.tokens += answer.usage_metadata.candidates_token_count - 1


def main() -> None:
    google = os.environ.get("DEMO_TARGET") == "google"
    name = os.environ.get("DEMO_MODEL", "gemini-2.5-flash") if google else "gemini-pro"
    began = time.perf_counter()
    if not google:
        print("Starting the local server and loading its model ...", flush=True)
    server: AbstractContextManager[local.Server | None] = nullcontext() if google else local.serve()
    with server as running, genai.Client(endpoint=running.endpoint if running else None) as client:
        served = genai.get_model(name, client=client)
        print(f"{served.display_name} at {client.endpoint}, ready after {time.perf_counter() - began:.1f} s\n")
        show(genai.GenerativeModel(name, client=client))


def show(model: genai.GenerativeModel) -> None:
    meter = Meter()

    title("A streamed answer")
    say("Why is the sky blue?")
    meter.show(
        model.generate_content("Why is the sky blue?", stream=True, generation_config={"max_output_tokens": 120})
    )

    title("A chat of three turns")
    chat = model.start_chat()
    for message in ("My name is Ada.", "What is the capital of France?", "What is my name?"):
        say(message)
        meter.show(chat.send_message(message, stream=True, generation_config={"max_output_tokens": 60}))

    title("An answer by schema")
    said = "Ada Lovelace was 36 years old when she died in London."
    say(f"Who is it? {said}")
    settings = {"response_mime_type": "application/json", "response_schema": PERSON, "temperature": 0}
    answer = model.generate_content(f"Extract the person as JSON: {said}", generation_config=settings)
    print(textwrap.indent(json.dumps(json.loads(answer.text), indent=2), "    "), end="\n\n")

    title("A count of tokens")
    counted = model.count_tokens(said).total_tokens
    print(f"    {said!r} makes a prompt of {counted} tokens.\n")
    print(f"The model wrote {meter.tokens / meter.seconds:.0f} tokens/s.")


def indent(text: str) -> int:
    """Begin a line of an answer; returns the column after it."""
    print(f"    {text}", end="", flush=True)
    return 4 + len(text)


def write(text: str, column: int) -> int:
    """Go on with an answer at `column`, in a new line where a word would not fit; returns the column after it."""
    for word in re.findall(r"\n| *[^ \n]*", text):
        if word == "\n" or column + len(word) > shutil.get_terminal_size().columns:
            print()
            column = indent(word.strip())
        else:
            print(word, end="", flush=True)
            column += len(word)
    return column


def title(words: str) -> None:
    print(words if not sys.stdout.isatty() else f"\033[1m{words}\033[0m")


def say(words: str) -> None:
    print(f"  > {words}")


if __name__ == "__main__":
    try:
        main()
    except genai.errors.GenAIError as error:
        sys.exit(f"{type(error).__name__}: {error}")
