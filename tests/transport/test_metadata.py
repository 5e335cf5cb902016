from __future__ import annotations

import platform
from typing import Any

import pytest

from genai_grpc import errors, protos
from genai_grpc._rpc.call import Call, identity
from genai_grpc._rpc.options import CallOptions, Metadata
from genai_grpc._services.generative_language import (
    COUNT_TOKENS,
    GENERATE_CONTENT,
    GET_CACHED_CONTENT,
    LIST_MODELS,
    UPDATE_CACHED_CONTENT,
)
from genai_grpc._transport.config import ClientOptions, resolve
from genai_grpc._transport.credentials import CallableKey, StaticKey
from genai_grpc._transport.metadata import CACHE_SIZE, CallMetadata

GET = protos.GetCachedContentRequest
UPDATE = protos.UpdateCachedContentRequest(cached_content=protos.CachedContent(name="cachedContents/b c"))


def headers(identity: Any = None, **arguments: Any) -> CallMetadata:
    """The metadata of a client of these arguments."""
    options = resolve(ClientOptions(**{"endpoint": "http://127.0.0.1:1", **arguments}), {})
    return CallMetadata(options, identity or StaticKey(options.api_key))  # type: ignore[arg-type] # a str here, not a function


def counting(**options: Any) -> Call[Any, Any, Any]:
    """A call about a model."""
    return Call(COUNT_TOKENS, protos.CountTokensRequest(model="models/m"), identity, CallOptions(**options))


def of(made: CallMetadata, call: Call[Any, Any, Any]) -> Metadata:
    """The metadata of a call of somebody."""
    metadata: Metadata | None = made.for_call(call)
    assert metadata is not None
    return metadata


def test_who_and_what() -> None:
    """The metadata says which client calls, for which resource, as whom, and what the client adds."""
    found = dict(of(headers(api_key="k", metadata=[("x-goog-user-project", "p")]), counting()))
    assert found.pop("x-goog-api-client").startswith(f"gl-python/{platform.python_version()} grpc/")
    assert found == {
        "x-goog-request-params": "model=models/m",
        "x-goog-api-key": "k",
        "x-goog-user-project": "p",
    }


@pytest.mark.parametrize(
    ("method", "request_", "params"),
    [
        (GENERATE_CONTENT, protos.GenerateContentRequest(model="tunedModels/é"), "model=tunedModels/%C3%A9"),
        (GET_CACHED_CONTENT, GET(name="cachedContents/a"), "name=cachedContents/a"),
        (UPDATE_CACHED_CONTENT, UPDATE, "cached_content.name=cachedContents/b%20c"),
        (LIST_MODELS, protos.ListModelsRequest(), None),
    ],
    ids=["model", "name", "nested", "none"],
)
def test_routing(method: Any, request_: Any, params: str | None) -> None:
    """What a request is about is told for routing, quoted, as the method's path has it."""
    assert dict(of(headers(), Call(method, request_, identity))).get("x-goog-request-params") == params


def test_made_once() -> None:
    """The metadata of calls about one resource is one object, until another key is used."""
    made = headers(api_key="k")
    first = of(made, counting())
    assert of(made, counting()) is first
    made.credentials = StaticKey("another")
    assert ("x-goog-api-key", "another") in of(made, counting())


def test_not_kept_for_ever() -> None:
    """A program that names thousands of resources does not keep the metadata of all."""
    made = headers()
    first = of(made, Call(GET_CACHED_CONTENT, GET(name="0"), identity))
    for number in range(CACHE_SIZE + 1):
        of(made, Call(GET_CACHED_CONTENT, GET(name=str(number)), identity))
    again = of(made, Call(GET_CACHED_CONTENT, GET(name="0"), identity))
    assert again == first
    assert again is not first


def test_a_source_of_keys() -> None:
    """A function is asked for the key at every call."""
    keys = iter(["a", "a", "b"])
    made = headers(CallableKey(lambda: next(keys)))
    found = [of(made, counting()) for _ in range(3)]
    assert [dict(each)["x-goog-api-key"] for each in found] == ["a", "a", "b"]
    assert found[0] is found[1]


@pytest.mark.parametrize(("key", "said"), [(None, "NoneType"), ("", "got str"), (b"k", "bytes"), ("k\n", "whole")])
def test_a_source_of_something_else(key: Any, said: str) -> None:
    """What a function returns instead of a key is refused without being shown."""
    with pytest.raises(errors.ConfigurationError, match=said):
        headers(CallableKey(lambda: key)).for_call(counting())


def test_a_calls_own() -> None:
    """A call's own pairs come after the client's, and none that tells who calls goes over plaintext."""
    token = (("authorization", "Bearer t"),)
    assert of(headers(endpoint="https://example.com"), counting(metadata=token))[-1] == token[0]
    assert of(headers(), counting(metadata=token))[-1] == token[0]
    with pytest.raises(errors.ConfigurationError, match="plaintext"):
        headers(endpoint="http://192.0.2.1").for_call(counting(metadata=token))
