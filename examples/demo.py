"""The main features on a real model: a stream, a chat, structured output, and a token count.

Runs on the embedded local server, which needs no API key and no network. With DEMO_TARGET=google and GEMINI_API_KEY it
calls Google's endpoint; DEMO_MODEL names the model (default: gemini-flash-latest).
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


class TokenRate:
    """Measures the decoding speed: the tokens after the first of each response, and the seconds they took."""

    def __init__(self) -> None:
        self.tokens = 0
        self.seconds = 0.0

    def print_stream(self, response: genai.types.GenerateContentResponse) -> None:
        """Print a streamed response as it arrives. Its first chunk is already there, so the prompt is not timed."""
        start = time.perf_counter()
        column = print_indented("")
        for chunk in response:
            for candidate in chunk.candidates:
                column = print_wrapped(
                    "".join(part.text for part in candidate.content.parts if not part.thought), column
                )
        print("\n")
        self.seconds += time.perf_counter() - start
        self.tokens += response.usage_metadata.candidates_token_count - 1


def main() -> None:
    google = os.environ.get("DEMO_TARGET") == "google"
    name = os.environ.get("DEMO_MODEL", "gemini-flash-latest") if google else "gemini-pro"
    start = time.perf_counter()
    if not google:
        print("Starting the local server and loading its model ...", flush=True)
    server: AbstractContextManager[local.Server | None] = nullcontext() if google else local.serve()
    with server as running, genai.Client(endpoint=running.endpoint if running else None) as client:
        model = genai.get_model(name, client=client)
        print(f"{model.display_name} at {client.endpoint}, ready after {time.perf_counter() - start:.1f} s\n")
        run(genai.GenerativeModel(name, client=client))


def run(model: genai.GenerativeModel) -> None:
    rate = TokenRate()

    print_title("A streamed answer")
    prompt = "Describe a sunrise in one sentence."
    print_prompt(prompt)
    rate.print_stream(model.generate_content(prompt, stream=True, generation_config={"max_output_tokens": 60}))

    print_title("A chat of three turns")
    chat = model.start_chat()
    for message in ("My name is Ada.", "What do bees make?", "What is my name?"):
        print_prompt(message)
        rate.print_stream(chat.send_message(message, stream=True, generation_config={"max_output_tokens": 60}))

    print_title("An answer by schema")
    prompt = "Extract the person as JSON: Ada Lovelace was 36 years old when she died in London."
    print_prompt(prompt)
    config = {"response_mime_type": "application/json", "response_schema": PERSON, "temperature": 0}
    response = model.generate_content(prompt, generation_config=config)
    print(textwrap.indent(json.dumps(json.loads(response.text), indent=2), "    "), end="\n\n")

    print_title("A count of tokens")
    total = model.count_tokens(prompt).total_tokens
    print(f"    This prompt has {total} tokens.\n")
    print(f"The model wrote {rate.tokens / rate.seconds:.0f} tokens/s.")


def print_indented(text: str) -> int:
    """Start a line of a response; returns the column after it."""
    print(f"    {text}", end="", flush=True)
    return 4 + len(text)


def print_wrapped(text: str, column: int) -> int:
    """Continue a response at `column`, wrapping lines at the width of the terminal; returns the column after it."""
    for word in re.findall(r"\n| *[^ \n]*", text):
        if word == "\n" or column + len(word) > shutil.get_terminal_size().columns:
            print()
            column = print_indented(word.strip())
        else:
            print(word, end="", flush=True)
            column += len(word)
    return column


def print_title(title: str) -> None:
    print(title if not sys.stdout.isatty() else f"\033[1m{title}\033[0m")


def print_prompt(prompt: str) -> None:
    print(f"  > {prompt}")


if __name__ == "__main__":
    try:
        main()
    except genai.errors.GenAIError as error:
        sys.exit(f"{type(error).__name__}: {error}")
