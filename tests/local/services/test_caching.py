from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import grpc
import pytest

import genai_grpc as genai
from genai_grpc import local, protos
from genai_grpc.caching import CachedContent
from genai_grpc.errors import APIError, ConfigurationError, InternalServerError, InvalidArgument, NotFound
from genai_grpc.local import ScriptEngine
from genai_grpc.local.services.caching import CacheService
from genai_grpc.local.services.generative import GenerativeService, ModelRegistry
from genai_grpc.local.state.cached_contents import FILE, CacheStore, StoredContent
from genai_grpc_protos.protobuf import Duration, FieldMask, Timestamp

Out = TypeVar("Out")
START = 1_000_000


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.seconds = START

    def __call__(self) -> float:
        return self.seconds


class AbortedError(Exception):
    """How a servicer ends a call."""


class Context:
    """What a servicer uses of gRPC's context."""

    async def abort(self, code: grpc.StatusCode, message: str, *_: object) -> None:
        """End the call."""
        raise AbortedError(f"{code.name}: {message}")


class Services:
    """The services that know of cached contents, called without a wire."""

    def __init__(self, store: CacheStore, script: ScriptEngine) -> None:
        catalogue = ModelRegistry([script])
        self.store = store
        self.cache = CacheService(catalogue, store, max_request_bytes=1000)
        self.generative = GenerativeService(catalogue, store, max_request_bytes=1000)  # type: ignore[abstract]  # at run time it is not
        self.context: Any = Context()

    def create(self, **fields: Any) -> Awaitable[protos.CachedContent]:
        """Create a cached content, of a tale unless told otherwise."""
        given = {"model": "models/script", "contents": [text("A long tale.")], **fields}
        request = protos.CreateCachedContentRequest(cached_content=protos.CachedContent(**given))
        return self.cache.CreateCachedContent(request, self.context)

    def get(self, name: str) -> Awaitable[protos.CachedContent]:
        """Describe one."""
        return self.cache.GetCachedContent(protos.GetCachedContentRequest(name=name), self.context)

    def update(self, paths: list[str], **fields: Any) -> Awaitable[protos.CachedContent]:
        """Update one."""
        request = protos.UpdateCachedContentRequest(
            cached_content=protos.CachedContent(**fields), update_mask=FieldMask(paths=paths)
        )
        return self.cache.UpdateCachedContent(request, self.context)

    def page(self, **fields: Any) -> Awaitable[protos.ListCachedContentsResponse]:
        """List a page."""
        return self.cache.ListCachedContents(protos.ListCachedContentsRequest(**fields), self.context)

    def ask(self, **fields: Any) -> Awaitable[protos.GenerateContentResponse]:
        """Ask for content."""
        given = {"model": "models/script", "contents": [text("Hi")], **fields}
        return self.generative.GenerateContent(protos.GenerateContentRequest(**given), self.context)


def text(words: str, role: str = "user") -> protos.Content:
    """A turn."""
    return protos.Content(role=role, parts=[protos.Part(text=words)])


def with_services(
    body: Callable[[Services], Awaitable[Out]], now: Clock | None = None, script: ScriptEngine | None = None
) -> Out:
    """Run a body with the services, on a store in memory."""

    async def main() -> Out:
        store = CacheStore(now=now or Clock())
        await store.open()
        try:
            return await body(Services(store, script or ScriptEngine()))
        finally:
            await store.aclose()

    return asyncio.run(main())


async def refusal(call: Awaitable[object]) -> str:
    """What a call is refused with."""
    with pytest.raises(AbortedError) as refused:
        await call
    return str(refused.value)


def kept(name: str = "models/script", expires: int = START + 60) -> StoredContent:
    """Something to keep."""
    facts = protos.CachedContent(model=name, expire_time=Timestamp(seconds=expires))
    return StoredContent(facts, protos.GenerateContentRequest(model=name, contents=[text("A tale.")]))


def test_an_hour_by_default() -> None:
    """A cached content that does not say lives for an hour."""

    async def body(services: Services) -> None:
        made = await services.create()
        assert made.create_time == made.update_time == Timestamp(seconds=START)
        assert made.expire_time == Timestamp(seconds=START + 3600)

    with_services(body)


@pytest.mark.parametrize(
    "expiry", [{"ttl": Duration(seconds=60)}, {"expire_time": Timestamp(seconds=START + 60)}], ids=["ttl", "time"]
)
def test_expiry(expiry: dict[str, Any]) -> None:
    """What has expired is not found, not listed, not used, not updated and not deleted."""
    clock = Clock()

    async def body(services: Services) -> None:
        name = (await services.create(**expiry)).name
        clock.seconds = START + 59
        assert (await services.get(name)).expire_time == Timestamp(seconds=START + 60)
        assert [item.name for item in (await services.page()).cached_contents] == [name]
        clock.seconds = START + 60
        assert not (await services.page()).cached_contents
        delete = services.cache.DeleteCachedContent(protos.DeleteCachedContentRequest(name=name), services.context)
        for call in (
            services.get(name),
            services.ask(cached_content=name),
            services.update(["ttl"], name=name, ttl=Duration(seconds=1)),
            delete,
        ):
            assert (await refusal(call)).startswith("NOT_FOUND: there is no cached content")

    with_services(body, clock)


def test_what_has_expired_is_swept(tmp_path: Path) -> None:
    """Keeping something new lets go of what has expired."""
    clock = Clock()

    async def main() -> None:
        store = CacheStore(tmp_path, now=clock)
        await store.open()
        await store.add(kept())
        clock.seconds += 60
        await store.add(kept(expires=START + 120))
        await store.aclose()

    asyncio.run(main())
    with sqlite3.connect(tmp_path / FILE) as connection:
        rows = connection.execute("SELECT expires FROM cached_contents").fetchall()
    connection.close()
    assert rows == [((START + 120) * 1_000_000,)]


@pytest.mark.parametrize("paths", [["ttl"], []], ids=["mask", "no mask"])
def test_an_update_prolongs(paths: list[str]) -> None:
    """A ttl counts from the update on, and the rest stays as it was."""
    clock = Clock()

    async def body(services: Services) -> None:
        made = await services.create(ttl=Duration(seconds=60), display_name="tale")
        clock.seconds += 30
        updated = await services.update(paths, name=made.name, ttl=Duration(seconds=60))
        assert updated == await services.get(made.name)
        assert updated.expire_time == Timestamp(seconds=START + 90)
        assert (updated.create_time, updated.update_time) == (made.create_time, Timestamp(seconds=START + 30))
        assert (updated.display_name, updated.usage_metadata.total_token_count) == ("tale", 3)

    with_services(body, clock)


@pytest.mark.parametrize(
    ("paths", "fields", "words"),
    [
        (["ttl"], {}, "the expiration given is None"),
        ([], {"display_name": "x"}, "only the expiry"),
        (["expire_time"], {"ttl": Duration(seconds=1)}, "the expiration given is ttl"),
        (["ttl", "display_name"], {"ttl": Duration(seconds=1)}, "only the expiry"),
        (["ttl"], {"ttl": Duration()}, "0 seconds from now; give a ttl above 0"),
    ],
)
def test_a_wrong_update(paths: list[str], fields: dict[str, Any], words: str) -> None:
    """Only the expiry can be updated, as the mask says, and to a time to come."""

    async def body(services: Services) -> None:
        name = (await services.create()).name
        assert words in await refusal(services.update(paths, name=name, **fields))

    with_services(body)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"model": "models/other"}, "NOT_FOUND: models/other is not served here"),
        ({"model": "script"}, "INVALID_ARGUMENT: model is 'script'"),
        ({"contents": [text("x" * 1000)]}, "INVALID_ARGUMENT: the request has 1,"),
        ({"contents": []}, "INVALID_ARGUMENT: there is nothing to cache"),
        ({"contents": [protos.Content(role="user")]}, "INVALID_ARGUMENT: contents[0].parts is empty"),
        ({"contents": [text("Hi", role="me")]}, "INVALID_ARGUMENT: contents[0].role is 'me'"),
        ({"display_name": "x" * 129}, "INVALID_ARGUMENT: display_name has 129 characters"),
        ({"ttl": Duration(seconds=-1)}, "INVALID_ARGUMENT: it would expire -1 seconds from now"),
        ({"ttl": Duration(seconds=300_000_000_000)}, "before the year 10000"),
        ({"expire_time": Timestamp(seconds=START)}, "INVALID_ARGUMENT: it would expire 0 seconds from now"),
        (
            {"contents": [protos.Content(parts=[protos.Part(inline_data=protos.Blob(mime_type="image/png"))])]},
            "INVALID_ARGUMENT: models/script cannot read image/png",
        ),
    ],
)
def test_a_wrong_creation(fields: dict[str, Any], words: str) -> None:
    """What cannot be cached is refused, saying why."""

    async def body(services: Services) -> None:
        assert words in await refusal(services.create(**fields))

    with_services(body, script=ScriptEngine(supported_mime_types=()))


def test_a_system_instruction_alone() -> None:
    """A system instruction is enough to cache."""

    async def body(services: Services) -> None:
        made = await services.create(contents=[], system_instruction=text("Be kind."))
        assert made.usage_metadata.total_token_count == 2

    with_services(body)


def test_a_defect_in_counting() -> None:
    """A defect of the engine's count is INTERNAL, and nothing is kept."""

    class Broken(ScriptEngine):
        async def count_tokens(self, request: protos.GenerateContentRequest) -> protos.CountTokensResponse:
            raise ZeroDivisionError("by accident")

    async def body(services: Services) -> None:
        assert "INTERNAL: the engine Broken (models/script) failed" in await refusal(services.create())
        assert not (await services.page()).cached_contents

    with_services(body, script=Broken())


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"model": "models/gemini-pro"}, "is for models/script; model is 'models/gemini-pro'"),
        ({"model": "models/other"}, "NOT_FOUND: models/other is not served here"),
        ({"system_instruction": text("Be kind.")}, "INVALID_ARGUMENT: system_instruction cannot stand beside"),
        (
            {"tools": [protos.Tool()], "tool_config": protos.ToolConfig()},
            "INVALID_ARGUMENT: tools and tool_config cannot stand beside",
        ),
        ({"cached_content": "cachedContents/other"}, "NOT_FOUND: there is no cached content 'cachedContents/other'"),
    ],
)
def test_a_wrong_use(fields: dict[str, Any], words: str) -> None:
    """A cached content is used with its own model, and with nothing beside it that it holds itself."""

    async def body(services: Services) -> None:
        name = (await services.create()).name
        assert words in await refusal(services.ask(**{"cached_content": name, **fields}))

    with_services(body)


def test_tools_are_cached_too() -> None:
    """The engine gets the tools and the tool config of a cached content."""
    script = ScriptEngine().reply("Yes")
    tool = protos.Tool(function_declarations=[protos.FunctionDeclaration(name="add")])
    calling = protos.FunctionCallingConfig(mode=protos.FunctionCallingConfig.ANY)

    async def body(services: Services) -> None:
        config = protos.ToolConfig(function_calling_config=calling)
        name = (await services.create(tools=[tool], tool_config=config)).name
        await services.ask(cached_content=name)

    with_services(body, script=script)
    (request,) = script.requests
    assert list(request.tools) == [tool]
    assert request.tool_config.function_calling_config == calling
    assert [turn.parts[0].text for turn in request.contents] == ["A long tale.", "Hi"]


def test_usage_is_of_what_the_engine_says() -> None:
    """A chunk without usage stays so, and no more tokens are cached than the prompt has."""
    bare = protos.GenerateContentResponse(candidates=[protos.Candidate()])
    few = protos.GenerateContentResponse(
        usage_metadata=protos.GenerateContentResponse.UsageMetadata(prompt_token_count=2, total_token_count=5)
    )
    script = ScriptEngine().reply(bare).reply(few)

    async def body(services: Services) -> None:
        name = (await services.create()).name
        assert not (await services.ask(cached_content=name)).HasField("usage_metadata")
        usage = (await services.ask(cached_content=name)).usage_metadata
        assert (usage.cached_content_token_count, usage.prompt_token_count, usage.total_token_count) == (2, 2, 5)

    with_services(body, script=script)


def test_pages() -> None:
    """Pages hold as many as asked for; what is created or deleted between them neither repeats nor skips others."""

    async def body(services: Services) -> None:
        names = [(await services.create()).name for _ in range(5)]
        first = await services.page(page_size=2)
        await services.store.delete(names[1])
        names.append((await services.create()).name)
        second = await services.page(page_size=2, page_token=first.next_page_token)
        third = await services.page(page_size=2, page_token=second.next_page_token)
        found = [[item.name for item in page.cached_contents] for page in (first, second, third)]
        assert found == [names[:2], names[2:4], names[4:]]
        assert third.next_page_token == ""
        assert len((await services.page()).cached_contents) == 5

    with_services(body)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"page_size": -1}, "page_size is -1"),
        ({"page_token": "made up"}, "page_token is not one"),
        ({"page_token": "LTE="}, "page_token is not one"),
        ({"page_token": "!"}, "page_token is not one"),
    ],
)
def test_a_wrong_page(fields: dict[str, Any], words: str) -> None:
    """A wrong page size or token is refused."""

    async def body(services: Services) -> None:
        assert words in await refusal(services.page(**fields))

    with_services(body)


def test_models_say_that_they_cache() -> None:
    """Every model that generates can cache, by its alias too, and the engine's own description stays as it was."""
    script = ScriptEngine()
    catalogue = ModelRegistry([script])
    for name in "models/script", "models/gemini-pro":
        assert list(catalogue.model(name).supported_generation_methods) == [
            "generateContent",
            "countTokens",
            "createCachedContent",
        ]
    assert "createCachedContent" not in script.model.supported_generation_methods


def test_a_restart(tmp_path: Path) -> None:
    """With a state directory, which is made, cached contents outlive the server; without one they do not."""
    state = tmp_path / "deep" / "state"

    def serving(script: ScriptEngine, where: Path | None) -> Any:
        return local.serve(script, state_dir=where)

    for where in state, None:
        with serving(ScriptEngine(), where) as server, genai.Client(endpoint=server.endpoint) as client:
            cache = CachedContent.create("gemini-pro", contents="A long tale.", client=client)
        script = ScriptEngine()
        with serving(script, where) as server, genai.Client(endpoint=server.endpoint) as client:
            found = list(CachedContent.list(client=client))
            if where is None:
                assert found == []
                continue
            assert [item.to_proto() for item in found] == [cache.to_proto()]
            script.reply("Yes")
            genai.GenerativeModel.from_cached_content(cache.name, client=client).generate_content("Hi")
            assert script.requests[0].contents[0].parts[0].text == "A long tale."


def test_two_servers_on_one_directory(tmp_path: Path) -> None:
    """Two servers that write to one directory at once lose nothing, and each sees what the other keeps."""
    with (
        local.serve(ScriptEngine(), state_dir=tmp_path) as one,
        local.serve(ScriptEngine(), state_dir=tmp_path) as two,
        genai.Client(endpoint=one.endpoint) as first,
        genai.Client(endpoint=two.endpoint) as second,
        ThreadPoolExecutor(8) as pool,
    ):

        def create(number: int) -> str:
            client = (first, second)[number % 2]
            cache = CachedContent.create("gemini-pro", contents=f"Tale {number}", client=client)
            cache.update(ttl=100 + number)
            return cache.name

        names = set(pool.map(create, range(40)))
        for client in first, second:
            assert {cache.name for cache in CachedContent.list(client=client)} == names
    with sqlite3.connect(tmp_path / FILE) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()


def test_a_directory_that_cannot_be_used(tmp_path: Path) -> None:
    """A server does not start where it cannot keep its state, and says where that is."""
    file = tmp_path / "file"
    file.write_text("not a directory")
    with (
        pytest.raises(ConfigurationError, match=f"cannot keep the server's state in {file}"),
        local.serve(state_dir=file),
    ):
        pass
    (tmp_path / FILE).write_text("not a database, but long enough to look like one " * 20)
    with pytest.raises(ConfigurationError, match="file is not a database"), local.serve(state_dir=tmp_path):
        pass


def test_a_newer_state(tmp_path: Path) -> None:
    """A state that a newer version wrote is left alone."""
    with sqlite3.connect(tmp_path / FILE) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(ConfigurationError, match="version 99"), local.serve(state_dir=tmp_path):
        pass


def test_a_database_that_fails(tmp_path: Path) -> None:
    """What goes wrong in the database is INTERNAL for the caller."""

    async def main() -> APIError:
        store = CacheStore(tmp_path)
        await store.open()
        with sqlite3.connect(tmp_path / FILE) as connection:
            connection.execute("DROP TABLE cached_contents")
        connection.close()
        with pytest.raises(InternalServerError, match="no such table") as failed:
            await store.get("cachedContents/abc")
        await store.aclose()
        return failed.value

    assert asyncio.run(main()).status == "INTERNAL"


def test_a_store_that_is_not_open() -> None:
    """A store is opened before it is used, and closing it twice is harmless."""

    async def main() -> None:
        store = CacheStore()
        with pytest.raises(RuntimeError, match="not open"):
            await store.get("cachedContents/abc")
        await store.open()
        with pytest.raises(NotFound):
            await store.get("cachedContents/abc")
        await store.aclose()
        await store.aclose()

    asyncio.run(main())


@pytest.mark.llama
def test_the_real_model(tmp_path: Path) -> None:
    """The real model counts a prompt that is only begun, refuses a tool that it cannot run, and answers with it."""
    pytest.importorskip("xllamacpp")
    engine = local.LlamaEngine()
    with local.serve(engine, state_dir=tmp_path) as server, genai.Client(endpoint=server.endpoint) as client:
        cache = CachedContent.create("gemini-pro", system_instruction="You are Ada.", client=client)
        assert cache.usage_metadata.total_token_count > 3
        chatted = CachedContent.create(
            "gemini-pro",
            contents=[{"role": "user", "parts": "My name is Ada."}, {"role": "model", "parts": "Hello, Ada!"}],
            client=client,
        )
        model = genai.GenerativeModel.from_cached_content(chatted, generation_config={"max_output_tokens": 8})
        usage = model.generate_content("What is my name?").usage_metadata
        assert 0 < usage.cached_content_token_count <= usage.prompt_token_count
        assert usage.total_token_count == usage.prompt_token_count + usage.candidates_token_count
        with pytest.raises(InvalidArgument, match="code_execution, which this server cannot run"):
            CachedContent.create("gemini-pro", contents="Hi", tools="code_execution", client=client)
