from __future__ import annotations

import platform
from typing import Any

import pytest

from genai_grpc import errors, protos
from genai_grpc._rpc.call import Call, reply_message
from genai_grpc._rpc.options import CallOptions, Metadata
from genai_grpc._rpc.secret import Secret
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

UPDATE = protos.UpdateCachedContentRequest(cached_content=protos.CachedContent(name="cachedContents/b c"))


def client_metadata(credentials: Any = None, **arguments: Any) -> CallMetadata:
    """The metadata of a client with these arguments."""
    options = resolve(ClientOptions(**{"endpoint": "http://127.0.0.1:1", **arguments}), {})
    return CallMetadata(options, credentials or StaticKey(options.api_key), "grpc/1")


def count_call(**options: Any) -> Call[Any, Any, Any]:
    """A call that is routed by its model."""
    return Call(COUNT_TOKENS, protos.CountTokensRequest(model="models/m"), reply_message, CallOptions(**options))


def get_call(name: str) -> Call[Any, Any, Any]:
    """A call that is routed by the name of a cached content."""
    return Call(GET_CACHED_CONTENT, protos.GetCachedContentRequest(name=name), reply_message)


def pairs(metadata: CallMetadata, call: Call[Any, Any, Any]) -> Metadata:
    """The metadata of a call whose credentials need no refresh."""
    built: Metadata | None = metadata.for_call(call)
    assert built is not None
    return built


def test_pairs() -> None:
    """A call's metadata has the client library, the routing parameter, the key, and the client's own pairs."""
    metadata = dict(pairs(client_metadata(api_key="k", metadata=[("x-goog-user-project", "p")]), count_call()))
    assert str(metadata.pop("x-goog-api-client")).startswith(f"gl-python/{platform.python_version()} grpc/")
    assert metadata == {
        "x-goog-request-params": "model=models/m",
        "x-goog-api-key": "k",
        "x-goog-user-project": "p",
    }


@pytest.mark.parametrize(
    ("call", "params"),
    [
        (
            Call(GENERATE_CONTENT, protos.GenerateContentRequest(model="tunedModels/é"), reply_message),
            "model=tunedModels/%C3%A9",
        ),
        (get_call("cachedContents/a"), "name=cachedContents/a"),
        (Call(UPDATE_CACHED_CONTENT, UPDATE, reply_message), "cached_content.name=cachedContents/b%20c"),
        (Call(LIST_MODELS, protos.ListModelsRequest(), reply_message), None),
    ],
    ids=["model", "name", "nested field", "no field"],
)
def test_routing(call: Call[Any, Any, Any], params: str | None) -> None:
    """The routing parameter is the method's routing field with its value in the request, percent-encoded."""
    assert dict(pairs(client_metadata(), call)).get("x-goog-request-params") == params


def test_cached_until_credentials_change() -> None:
    """The metadata of calls with one routing parameter is the same object, until the credentials change."""
    metadata = client_metadata(api_key="k")
    first = pairs(metadata, count_call())
    assert pairs(metadata, count_call()) is first
    metadata.credentials = StaticKey(Secret("another"))
    assert ("x-goog-api-key", "another") in pairs(metadata, count_call())


def test_cache_is_bounded() -> None:
    """A program that names thousands of resources does not cache the metadata of all."""
    metadata = client_metadata()
    first = pairs(metadata, get_call("0"))
    for number in range(CACHE_SIZE + 1):
        pairs(metadata, get_call(str(number)))
    again = pairs(metadata, get_call("0"))
    assert again == first
    assert again is not first


def test_key_function() -> None:
    """A key function is called for every call."""
    keys = iter(["a", "a", "b"])
    metadata = client_metadata(CallableKey(lambda: next(keys)))
    built = [pairs(metadata, count_call()) for _ in range(3)]
    assert [dict(each)["x-goog-api-key"] for each in built] == ["a", "a", "b"]
    assert built[0] is built[1]


@pytest.mark.parametrize(("key", "message"), [(None, "NoneType"), ("", "empty"), (b"k", "bytes"), ("k\nk", "whole")])
def test_key_function_without_key(key: Any, message: str) -> None:
    """A key function that returns no valid key is refused, and the error does not show what it returned."""
    with pytest.raises(errors.ConfigurationError, match=message):
        client_metadata(CallableKey(lambda: key)).for_call(count_call())


def test_metadata_of_call() -> None:
    """A call's own pairs come after the client's; a token among them does not go over plaintext to another machine."""
    token = (("authorization", "Bearer t"),)
    assert pairs(client_metadata(endpoint="https://example.com"), count_call(metadata=token))[-1] == token[0]
    assert pairs(client_metadata(), count_call(metadata=token))[-1] == token[0]
    with pytest.raises(errors.ConfigurationError, match="plaintext"):
        client_metadata(endpoint="http://192.0.2.1").for_call(count_call(metadata=token))
