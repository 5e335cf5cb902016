"""Cached contents over real gRPC."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any

import pytest

import genai_grpc as genai
from genai_grpc import errors, protos
from genai_grpc.caching import CachedContent
from genai_grpc.local import ScriptEngine

HOUR = datetime.timedelta(hours=1)


@pytest.fixture
def cache(api: Any, client: genai.Client) -> CachedContent:
    """A cached content of six words."""
    made: CachedContent = api.call(
        CachedContent,
        "create",
        "gemini-pro",
        display_name="the tale",
        system_instruction="Be brief.",
        contents=[{"role": "user", "parts": "A long tale."}, {"role": "model", "parts": "Yes?"}],
        client=client,
    )
    return made


def test_create(cache: CachedContent) -> None:
    """What is created has a name, the tokens it holds, and an hour to live."""
    assert cache.name.startswith("cachedContents/")
    assert (cache.model, cache.display_name) == ("models/gemini-pro", "the tale")
    assert cache.usage_metadata.total_token_count == 6
    assert cache.update_time == cache.create_time
    assert cache.expire_time - cache.create_time == HOUR
    assert cache.create_time.tzinfo is datetime.timezone.utc


def test_repr(cache: CachedContent) -> None:
    """What is shown says all there is to know."""
    shown = str(cache)
    assert shown == repr(cache)
    for value in (cache.name, "models/gemini-pro", "the tale", "total_token_count=6", str(cache.expire_time)):
        assert value in shown


def test_get(api: Any, client: genai.Client, cache: CachedContent) -> None:
    """What was created is found by its name, with and without cachedContents/, and its prompt is not sent back."""
    for name in (cache.name, cache.name.removeprefix("cachedContents/")):
        found = api.call(CachedContent, "get", name, client=client)
        assert found.to_proto() == cache.to_proto()
    assert not cache.to_proto().contents
    assert CachedContent(cache.name, client=client).to_proto() == cache.to_proto()


def test_list(api: Any, client: genai.Client) -> None:
    """All are listed in the order of their creation, over as many pages as it takes."""
    names = [
        api.call(CachedContent, "create", "gemini-pro", contents=f"Tale {n}", client=client).name for n in range(5)
    ]
    for size in (1, 2, 5, 50):
        found = api.items(CachedContent, "list", size, client=client)
        assert [cache.name for cache in found] == names
    api.call(found[2], "delete")
    assert [cache.name for cache in api.items(CachedContent, "list", client=client)] == names[:2] + names[3:]


@pytest.mark.parametrize(
    "expiry",
    [{"ttl": 60}, {"ttl": datetime.timedelta(days=1)}, {"expire_time": 4_000_000_000}],
    ids=["seconds", "timedelta", "moment"],
)
def test_update(api: Any, client: genai.Client, cache: CachedContent, expiry: dict[str, Any]) -> None:
    """An update takes effect on the service and on the object itself."""
    before = cache.expire_time
    api.call(cache, "update", **expiry)
    assert cache.expire_time != before
    assert (cache.display_name, cache.usage_metadata.total_token_count) == ("the tale", 6)
    assert api.call(CachedContent, "get", cache.name, client=client).to_proto() == cache.to_proto()


@pytest.mark.parametrize("expiry", [{}, {"ttl": 1, "expire_time": 1}], ids=["neither", "both"])
def test_a_wrong_update(api: Any, cache: CachedContent, expiry: dict[str, Any]) -> None:
    """An update of nothing, or of two things, is refused before it is sent."""
    with pytest.raises(ValueError, match="ttl"):
        api.call(cache, "update", **expiry)


def test_delete(api: Any, client: genai.Client, cache: CachedContent) -> None:
    """What was deleted is not found, nor deleted again."""
    assert api.call(cache, "delete") is None
    calls: list[Callable[[], Any]] = [
        lambda: api.call(CachedContent, "get", cache.name, client=client),
        lambda: api.call(cache, "delete"),
        lambda: api.call(cache, "update", ttl=1),
    ]
    for call in calls:
        with pytest.raises(errors.NotFound, match="no cached content"):
            call()


def test_a_model_of_it(api: Any, client: genai.Client, cache: CachedContent, script: ScriptEngine) -> None:
    """The engine sees the cached prompt before the request's turns, and the cached tokens are counted as such."""
    for given in (cache, cache.name):
        model = api.call(
            genai.GenerativeModel, "from_cached_content", given, generation_config={"top_k": 3}, client=client
        )
        assert (model.model_name, model.cached_content) == ("models/gemini-pro", cache.name)
        script.reply("A boy", " grows up.")
        usage = api.generate(model, "What is it about?").usage_metadata
        assert (usage.prompt_token_count, usage.cached_content_token_count, usage.total_token_count) == (10, 6, 14)
        request = script.requests[-1]
        assert request.cached_content == cache.name
        assert request.generation_config.top_k == 3
        assert request.system_instruction.parts[0].text == "Be brief."
        assert [turn.parts[0].text for turn in request.contents] == ["A long tale.", "Yes?", "What is it about?"]


def test_the_wire(client: genai.Client, cache: CachedContent) -> None:
    """A request names the cached content, and holds only what stands after it."""
    request = genai.GenerativeModel.from_cached_content(cache).build_request("Hi")
    assert request == protos.GenerateContentRequest(
        model="models/gemini-pro",
        cached_content=cache.name,
        contents=[protos.Content(role="user", parts=[protos.Part(text="Hi")])],
    )


def test_its_client(client: genai.Client, cache: CachedContent) -> None:
    """The model of a cached content asks where that came from, unless told otherwise."""
    assert genai.GenerativeModel.from_cached_content(cache).client is client
    other = genai.Client(endpoint="http://127.0.0.1:1")
    assert genai.GenerativeModel.from_cached_content(cache, client=other).client is other


def test_count_tokens(api: Any, client: genai.Client, cache: CachedContent) -> None:
    """Cached tokens are counted too, with and without contents of the request's own."""
    model = genai.GenerativeModel.from_cached_content(cache)
    counted = api.count(model, "What is it about?")
    assert (counted.total_tokens, counted.cached_content_token_count) == (10, 6)
    counted = api.count(model)
    assert (counted.total_tokens, counted.cached_content_token_count) == (6, 6)


def test_a_stream_and_a_chat(api: Any, cache: CachedContent, script: ScriptEngine) -> None:
    """Streams and chats stand on the cached prompt, which does not enter their history."""
    chat = genai.GenerativeModel.from_cached_content(cache).start_chat()
    script.reply("One,", " two")
    response = api.send(chat, "Count", stream=True)
    api.resolve(response)
    assert response.usage_metadata.cached_content_token_count == 6
    assert [turn.parts[0].text for turn in chat.history] == ["Count", "One, two"]
    assert len(script.requests[0].contents) == 3


@pytest.mark.parametrize(
    "beside", [{"tools": [{"name": "add"}]}, {"tool_config": {"function_calling_config": "any"}}], ids=str
)
def test_what_cannot_stand_beside_it(api: Any, cache: CachedContent, beside: dict[str, Any]) -> None:
    """Tools and their config belong to the cached content; a call that brings its own is refused."""
    model = genai.GenerativeModel.from_cached_content(cache)
    for call in api.generate, api.count:
        with pytest.raises(ValueError, match="give them to CachedContent.create"):
            call(model, "Hi", **beside)


def test_one_that_is_not_there(api: Any, client: genai.Client, cache: CachedContent) -> None:
    """A model cannot be made of a cached content that is not there, nor asked when it has gone."""
    with pytest.raises(errors.NotFound):
        api.call(genai.GenerativeModel, "from_cached_content", "none", client=client)
    with pytest.raises(TypeError, match="a CachedContent or its name; got int"):
        api.call(genai.GenerativeModel, "from_cached_content", 3, client=client)
    model = genai.GenerativeModel.from_cached_content(cache)
    api.call(cache, "delete")
    with pytest.raises(errors.NotFound):
        api.generate(model, "Hi")
