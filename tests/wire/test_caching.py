"""Cached contents over real gRPC."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any

import pytest

import genai_grpc as genai
from genai_grpc import errors
from genai_grpc._services.messages import Protos
from genai_grpc.caching import CachedContent
from genai_grpc.local import ScriptEngine
from tests.conftest import Api

HOUR = datetime.timedelta(hours=1)


@pytest.fixture
def cache(api: Api, client: genai.Client) -> CachedContent:
    """A cached content of six words."""
    cache: CachedContent = api.call(
        CachedContent,
        "create",
        "gemini-pro",
        display_name="the tale",
        system_instruction="Be brief.",
        contents=[{"role": "user", "parts": "A long tale."}, {"role": "model", "parts": "Yes?"}],
        client=client,
    )
    return cache


@pytest.fixture
def model_name(dialect: str) -> str:
    """The full name of the model."""
    place = "projects/my-project/locations/europe-west4/publishers/google/" if dialect == "vertex" else ""
    return f"{place}models/gemini-pro"


def test_create(cache: CachedContent, model_name: str) -> None:
    """A new cached content has a name, its token count, and expires after an hour by default."""
    assert cache.name.startswith(model_name.partition("publishers/")[0].removesuffix("models/gemini-pro"))
    assert cache.name.rpartition("/")[0].endswith("cachedContents")
    assert (cache.model, cache.display_name) == (model_name, "the tale")
    assert cache.usage_metadata.total_token_count == 6
    assert cache.update_time == cache.create_time
    assert cache.expire_time - cache.create_time == HOUR
    assert cache.create_time.tzinfo is datetime.timezone.utc


def test_repr(cache: CachedContent) -> None:
    """The repr shows the name, model, display name, token count and expiry."""
    assert str(cache) == repr(cache)
    for value in (cache.name, "models/gemini-pro", "the tale", "total_token_count=6", str(cache.expire_time)):
        assert value in repr(cache)


def test_get(api: Api, client: genai.Client, cache: CachedContent) -> None:
    """A cached content is found by its name, with and without cachedContents/; its contents are not returned."""
    for name in (cache.name, cache.name.removeprefix("cachedContents/")):
        assert api.call(CachedContent, "get", name, client=client).to_proto() == cache.to_proto()
    assert not cache.to_proto().contents
    assert CachedContent(cache.name, client=client).to_proto() == cache.to_proto()


def test_list(api: Api, client: genai.Client) -> None:
    """Every cached content is listed, in the order of creation, whatever the page size."""
    names = [
        api.call(CachedContent, "create", "gemini-pro", contents=f"Tale {n}", client=client).name for n in range(5)
    ]
    for page_size in (1, 2, 5, 50):
        caches = api.items(CachedContent, "list", page_size, client=client)
        assert [cache.name for cache in caches] == names
    api.call(caches[2], "delete")
    assert [cache.name for cache in api.items(CachedContent, "list", client=client)] == names[:2] + names[3:]


@pytest.mark.parametrize(
    "expiry",
    [{"ttl": 60}, {"ttl": datetime.timedelta(days=1)}, {"expire_time": 4_000_000_000}],
    ids=["seconds", "timedelta", "expire time"],
)
def test_update(api: Api, client: genai.Client, cache: CachedContent, expiry: dict[str, Any]) -> None:
    """An update changes the cached content on the service, and the object."""
    before = cache.expire_time
    api.call(cache, "update", **expiry)
    assert cache.expire_time != before
    assert (cache.display_name, cache.usage_metadata.total_token_count) == ("the tale", 6)
    assert api.call(CachedContent, "get", cache.name, client=client).to_proto() == cache.to_proto()


@pytest.mark.parametrize("expiry", [{}, {"ttl": 1, "expire_time": 1}], ids=["neither", "both"])
def test_invalid_update(api: Api, cache: CachedContent, expiry: dict[str, Any]) -> None:
    """An update sets either the ttl or the expire time; any other is refused before it is sent."""
    with pytest.raises(ValueError, match="ttl"):
        api.call(cache, "update", **expiry)


def test_delete(api: Api, client: genai.Client, cache: CachedContent) -> None:
    """A deleted cached content cannot be read, updated or deleted again."""
    assert api.call(cache, "delete") is None
    calls: list[Callable[[], Any]] = [
        lambda: api.call(CachedContent, "get", cache.name, client=client),
        lambda: api.call(cache, "delete"),
        lambda: api.call(cache, "update", ttl=1),
    ]
    for call in calls:
        with pytest.raises(errors.NotFound, match="no cached content"):
            call()


def test_generate(api: Api, client: genai.Client, cache: CachedContent, script: ScriptEngine, model_name: str) -> None:
    """The engine gets the cached contents before the request's, and the usage has the cached tokens."""
    for cached_content in (cache, cache.name):
        model = api.call(
            genai.GenerativeModel, "from_cached_content", cached_content, generation_config={"top_k": 3}, client=client
        )
        assert (model.model_name, model.cached_content) == (model_name, cache.name)
        script.reply("A boy", " grows up.")
        usage = api.generate(model, "What is it about?").usage_metadata
        assert (usage.prompt_token_count, usage.cached_content_token_count, usage.total_token_count) == (10, 6, 14)
        request = script.requests[-1]
        assert cache.name.endswith(request.cached_content)
        assert request.generation_config.top_k == 3
        assert request.system_instruction.parts[0].text == "Be brief."
        assert [turn.parts[0].text for turn in request.contents] == ["A long tale.", "Yes?", "What is it about?"]


def test_request(client: genai.Client, cache: CachedContent, model_name: str, messages: Protos) -> None:
    """A request has the name of the cached content, and only the contents after it."""
    request = genai.GenerativeModel.from_cached_content(cache).build_request("Hi")
    assert request == messages.GenerateContentRequest(
        model=model_name,
        cached_content=cache.name,
        contents=[messages.Content(role="user", parts=[messages.Part(text="Hi")])],
    )


def test_client_of_model(client: genai.Client, cache: CachedContent) -> None:
    """The model of a cached content uses its client, unless another one is given."""
    assert genai.GenerativeModel.from_cached_content(cache).client is client
    other = genai.Client(endpoint="http://127.0.0.1:1")
    assert genai.GenerativeModel.from_cached_content(cache, client=other).client is other


@pytest.mark.gemini_only
def test_count_tokens(api: Api, client: genai.Client, cache: CachedContent) -> None:
    """The tokens of the cached content are counted, with and without contents of the request."""
    model = genai.GenerativeModel.from_cached_content(cache)
    count = api.count(model, "What is it about?")
    assert (count.total_tokens, count.cached_content_token_count) == (10, 6)
    count = api.count(model)
    assert (count.total_tokens, count.cached_content_token_count) == (6, 6)


def test_streamed_chat(api: Api, cache: CachedContent, script: ScriptEngine) -> None:
    """A streamed chat uses the cached contents, which do not enter its history."""
    chat = genai.GenerativeModel.from_cached_content(cache).start_chat()
    script.reply("One,", " two")
    response = api.send(chat, "Count", stream=True)
    api.resolve(response)
    assert response.usage_metadata.cached_content_token_count == 6
    assert [turn.parts[0].text for turn in chat.history] == ["Count", "One, two"]
    assert len(script.requests[0].contents) == 3


@pytest.mark.parametrize(
    "arguments", [{"tools": [{"name": "add"}]}, {"tool_config": {"function_calling_config": "any"}}], ids=str
)
def test_tools_with_cached_content(api: Api, cache: CachedContent, arguments: dict[str, Any]) -> None:
    """Tools and tool config belong to the cached content; a call with its own is refused."""
    model = genai.GenerativeModel.from_cached_content(cache)
    for call in api.generate, api.count:
        with pytest.raises(ValueError, match="give them to CachedContent.create"):
            call(model, "Hi", **arguments)


def test_missing_cached_content(api: Api, client: genai.Client, cache: CachedContent) -> None:
    """A model cannot be made from a cached content that does not exist, nor called after that was deleted."""
    with pytest.raises(errors.NotFound):
        api.call(genai.GenerativeModel, "from_cached_content", "none", client=client)
    with pytest.raises(TypeError, match="a CachedContent or its name; got int"):
        api.call(genai.GenerativeModel, "from_cached_content", 3, client=client)
    model = genai.GenerativeModel.from_cached_content(cache)
    api.call(cache, "delete")
    with pytest.raises(errors.NotFound):
        api.generate(model, "Hi")
