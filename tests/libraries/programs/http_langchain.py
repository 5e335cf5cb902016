"""Calls the local server over HTTP with the published langchain-google-genai."""

from __future__ import annotations

import sys

import pydantic
from langchain_google_genai import ChatGoogleGenerativeAI, GoogleGenerativeAIEmbeddings

endpoint = {"api_key": "a-key", "base_url": sys.argv[1]}


class Person(pydantic.BaseModel):
    """A person."""

    name: str


def text_of(message) -> str:
    content = message.content
    return content if isinstance(content, str) else "".join(part["text"] for part in content)


model = ChatGoogleGenerativeAI(model="gemini-2.5-flash", **endpoint)
print(text_of(model.invoke("Hi")))
print([text_of(chunk) for chunk in model.stream("Hi") if text_of(chunk)])


def add(left: int, right: int) -> int:
    """Add two numbers."""
    return left + right


print(sorted(model.bind_tools([add]).invoke("2 + 3?").tool_calls[0]["args"].items()))
print(model.with_structured_output(Person).invoke("Who?"))
embeddings = GoogleGenerativeAIEmbeddings(model="gemini-embedding-001", **endpoint)
print(len(embeddings.embed_query("Hi")), len(embeddings.embed_documents(["a", "b"])))
