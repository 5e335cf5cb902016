"""Incorrect calls: each line that ends in "# wrong" is an error for both type checkers. It is checked, never run."""

from __future__ import annotations

import genai_grpc as genai
from genai_grpc import protos, types

model = genai.GenerativeModel("gemini-pro")

genai.GenerativeModel(3)  # wrong
genai.GenerativeModel("gemini-pro", clinet=None)  # wrong
genai.Client(timeout="5")  # wrong
genai.GenerationConfig(temperature="hot")  # wrong
genai.GenerationConfig(heat=1)  # wrong
model.generate_content(3)  # wrong
genai.embed_content("embedding-001", 3)  # wrong
genai.embed_content("embedding-001", "Hi", task_type=0.5)  # wrong
model.generate_content(["Hi", 3])  # wrong
model.generate_content([{"role": "user", "parts": 3}])  # wrong
model.generate_content("Hi", temperature=0.5)  # wrong
model.generate_content("Hi", stream="yes")  # wrong
model.generate_content("Hi", request_options=3)  # wrong
model.generate_content("Hi", safety_settings=0.5)  # wrong
model.generate_content("Hi").txt  # wrong
model.start_chat([])  # wrong
model.start_chat(enable_automatic_function_calling="yes")  # wrong
types.AutomaticFunctionCalling(on_error="ignore")  # wrong
types.RetryPolicy(max_attempts="3")  # wrong
protos.Content(roles="user")  # wrong
protos.Part(text=b"Hi")  # wrong


async def main() -> None:
    for chunk in await model.generate_content_async("Hi", stream=True):  # wrong
        print(chunk)
    text: str = model.generate_content_async("Hi")  # wrong
    print(text)
