"""The same program on the Gemini API and on Vertex AI: a stream, a chat with a function, tokens, and a cached prompt.

    GENAI_GRPC_ENDPOINT=http://127.0.0.1:50051 python vertex.py             # a local server, for either API
    GOOGLE_CLOUD_PROJECT=my-project python vertex.py                        # Vertex AI
    GEMINI_API_KEY=... python vertex.py --gemini                            # the Gemini API

Vertex AI needs the credentials of `gcloud auth application-default login` and `pip install 'genai-grpc[auth]'`.
"""

from __future__ import annotations

import argparse
import os

import genai_grpc as genai

MODEL = os.environ.get("MODEL", "gemini-2.5-flash")


def opening_hours(day: str) -> str:
    """The opening hours of the library.

    Args:
        day: The day of the week.
    """
    return "closed" if day.lower() == "sunday" else "9 to 17"


def run(client: genai.Client) -> None:
    """Call a model; nothing here depends on the API."""
    model = genai.GenerativeModel(MODEL, system_instruction="Answer in one sentence.", client=client)
    print(f"{model.model_name}: ", end="")
    for chunk in model.generate_content("Why is the sky blue?", stream=True):
        print(chunk.text, end="", flush=True)
    print()

    chat = genai.GenerativeModel(MODEL, tools=[opening_hours], client=client).start_chat(
        enable_automatic_function_calling=True
    )
    print(chat.send_message("Is the library open on Sunday?").text)
    print(model.count_tokens("Why is the sky blue?").total_tokens, "tokens")

    cache = genai.caching.CachedContent.create(MODEL, contents="A very long tale. " * 2000, ttl=60, client=client)
    try:
        print(genai.GenerativeModel.from_cached_content(cache).generate_content("What is it?").text)
    finally:
        cache.delete()


def main() -> None:
    parser = argparse.ArgumentParser(description="One program on two APIs.")
    parser.add_argument("--gemini", action="store_true", help="call the Gemini API in place of Vertex AI")
    arguments = parser.parse_args()
    project = os.environ.get("GOOGLE_CLOUD_PROJECT", "my-project")
    with genai.Client(vertex=False if arguments.gemini else genai.Vertex(project)) as client:
        run(client)


if __name__ == "__main__":
    main()
