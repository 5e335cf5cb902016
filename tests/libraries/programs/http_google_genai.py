"""Calls the local server over HTTP with the published google-genai, sync and async."""

from __future__ import annotations

import asyncio
import io
import sys
import time

import pydantic
from google.genai import Client, errors, types

MODEL = "gemini-2.5-flash"
client = Client(api_key="a-key", http_options=types.HttpOptions(base_url=sys.argv[1]))
models, files, caches = client.models, client.files, client.caches


class Person(pydantic.BaseModel):
    name: str


def add(left: int, right: int) -> int:
    """Add two numbers."""
    return left + right


print(models.generate_content(model=MODEL, contents="Hi").text)
print([chunk.text for chunk in models.generate_content_stream(model=MODEL, contents="Hi")])
chat = client.chats.create(model=MODEL)
print(chat.send_message("one").text, chat.send_message("two").text, len(chat.get_history()))
print([chunk.text for chunk in chat.send_message_stream("three")])
print(client.chats.create(model=MODEL, config={"tools": [add]}).send_message("2 + 3?").text)
config = types.GenerateContentConfig(
    response_mime_type="application/json",
    response_schema=list[Person],
    temperature=0,
    max_output_tokens=50,
    system_instruction="Be brief.",
    safety_settings=[{"category": "HARM_CATEGORY_HATE_SPEECH", "threshold": "BLOCK_ONLY_HIGH"}],
    thinking_config={"thinking_budget": 0},
)
print(models.generate_content(model=MODEL, contents="Who?", config=config).parsed)
print(models.count_tokens(model=MODEL, contents="one two").total_tokens)
embedding = {"task_type": "RETRIEVAL_QUERY", "output_dimensionality": 64}
embedded = models.embed_content(model="gemini-embedding-001", contents=["a", "b"], config=embedding)
print([len(each.values) for each in embedded.embeddings])

file = files.upload(file=io.BytesIO(b"Once upon a time"), config={"mime_type": "text/plain", "display_name": "Tale"})
while file.state.name == "PROCESSING":
    time.sleep(0.05)
    file = files.get(name=file.name)
print(file.state.name, file.size_bytes, file.display_name, [each.name == file.name for each in files.list()])
print(models.generate_content(model=MODEL, contents=["Sum up", file]).text)
cached = caches.create(model=MODEL, config={"contents": ["A long tale"], "ttl": "300s", "system_instruction": "Sum up"})
print(cached.model, caches.get(name=cached.name).name == cached.name)
print(models.generate_content(model=MODEL, contents="Now", config={"cached_content": cached.name}).text)
later = caches.update(name=cached.name, config={"ttl": "600s"})
print(later.expire_time > cached.expire_time, len(list(caches.list())))
caches.delete(name=cached.name)
files.delete(name=file.name)
print([model.name for model in models.list()], models.get(model=MODEL).name)


async def main() -> None:
    print((await client.aio.models.generate_content(model=MODEL, contents="Hi")).text)
    async for chunk in await client.aio.models.generate_content_stream(model=MODEL, contents="Hi"):
        print(chunk.text)


asyncio.run(main())
try:
    models.generate_content(model="none", contents="Hi")
except errors.ClientError as error:
    print(error.code, error.status)
try:
    models.generate_content(model=MODEL, contents="Hi")
except errors.ClientError as error:
    print(error.code, error.status, error.details["error"]["details"][0]["reason"])
