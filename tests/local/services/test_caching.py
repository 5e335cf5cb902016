from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

import genai_grpc as genai
from genai_grpc import local, protos
from genai_grpc.caching import CachedContent
from genai_grpc.errors import InvalidArgument
from genai_grpc.local.engines.script import ScriptEngine
from genai_grpc_protos.protobuf import Duration, Timestamp
from tests.local.services.cached import START, Clock, Services, error_of, turn, with_services


def test_default_ttl() -> None:
    """A cached content without an expiry expires after an hour."""

    async def body(services: Services) -> None:
        created = await services.create()
        assert created.create_time == created.update_time == Timestamp(seconds=START)
        assert created.expire_time == Timestamp(seconds=START + 3600)

    with_services(body)


@pytest.mark.parametrize(
    "expiry", [{"ttl": Duration(seconds=60)}, {"expire_time": Timestamp(seconds=START + 60)}], ids=["ttl", "time"]
)
def test_expiry(expiry: dict[str, Any]) -> None:
    """An expired cached content cannot be read, listed, used, updated or deleted."""
    clock = Clock()

    async def body(services: Services) -> None:
        name = (await services.create(**expiry)).name
        clock.seconds = START + 59
        assert (await services.get(name)).expire_time == Timestamp(seconds=START + 60)
        assert [item.name for item in (await services.page()).cached_contents] == [name]
        clock.seconds = START + 60
        assert not (await services.page()).cached_contents
        for call in (
            services.get(name),
            services.generate(cached_content=name),
            services.update(["ttl"], name=name, ttl=Duration(seconds=1)),
            services.delete(name),
        ):
            assert (await error_of(call)).startswith("NOT_FOUND: there is no cached content")

    with_services(body, clock)


def test_delete() -> None:
    """A deleted cached content is not found any more."""

    async def body(services: Services) -> None:
        name = (await services.create()).name
        await services.delete(name)
        assert (await error_of(services.get(name))).startswith("NOT_FOUND: there is no cached content")

    with_services(body)


@pytest.mark.parametrize("paths", [["ttl"], []], ids=["mask", "no mask"])
def test_update(paths: list[str]) -> None:
    """A ttl counts from the update on; the other fields stay unchanged."""
    clock = Clock()

    async def body(services: Services) -> None:
        created = await services.create(ttl=Duration(seconds=60), display_name="tale")
        clock.seconds += 30
        updated = await services.update(paths, name=created.name, ttl=Duration(seconds=60))
        assert updated == await services.get(created.name)
        assert updated.expire_time == Timestamp(seconds=START + 90)
        assert (updated.create_time, updated.update_time) == (created.create_time, Timestamp(seconds=START + 30))
        assert (updated.display_name, updated.usage_metadata.total_token_count) == ("tale", 3)

    with_services(body, clock)


@pytest.mark.parametrize(
    ("paths", "fields", "message"),
    [
        (["ttl"], {}, "the expiration given is None"),
        ([], {"display_name": "x"}, "only the expiry"),
        (["expire_time"], {"ttl": Duration(seconds=1)}, "the expiration given is ttl"),
        (["ttl", "display_name"], {"ttl": Duration(seconds=1)}, "only the expiry"),
        (["ttl"], {"ttl": Duration()}, "0 seconds from now; give a ttl above 0"),
    ],
)
def test_invalid_update(paths: list[str], fields: dict[str, Any], message: str) -> None:
    """Only the expiry can be updated, with a mask that names it, and to a time in the future."""

    async def body(services: Services) -> None:
        name = (await services.create()).name
        assert message in await error_of(services.update(paths, name=name, **fields))

    with_services(body)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"model": "models/other"}, "NOT_FOUND: models/other is not served here"),
        ({"model": "script"}, "INVALID_ARGUMENT: model is 'script'"),
        ({"contents": [turn("x" * 1000)]}, "INVALID_ARGUMENT: the request has 1,"),
        ({"contents": []}, "INVALID_ARGUMENT: there is nothing to cache"),
        ({"contents": [protos.Content(role="user")]}, "INVALID_ARGUMENT: contents[0].parts is empty"),
        ({"contents": [turn("Hi", role="me")]}, "INVALID_ARGUMENT: contents[0].role is 'me'"),
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
def test_invalid_creation(fields: dict[str, Any], message: str) -> None:
    """What cannot be cached is an error that says why."""

    async def body(services: Services) -> None:
        assert message in await error_of(services.create(**fields))

    with_services(body, script=ScriptEngine(supported_mime_types=()))


def test_system_instruction_without_contents() -> None:
    """A cached content may have a system instruction and no contents."""

    async def body(services: Services) -> None:
        created = await services.create(contents=[], system_instruction=turn("Be kind."))
        assert created.usage_metadata.total_token_count == 2

    with_services(body)


def test_defect_in_count_tokens() -> None:
    """A defect in the engine's count of tokens is INTERNAL, and nothing is stored."""

    class Broken(ScriptEngine):
        async def count_tokens(self, request: protos.GenerateContentRequest) -> protos.CountTokensResponse:
            raise ZeroDivisionError("by accident")

    async def body(services: Services) -> None:
        assert "INTERNAL: the engine Broken (models/script) failed" in await error_of(services.create())
        assert not (await services.page()).cached_contents

    with_services(body, script=Broken())


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"model": "models/gemini-pro"}, "is for models/script; model is 'models/gemini-pro'"),
        ({"model": "models/other"}, "NOT_FOUND: models/other is not served here"),
        ({"system_instruction": turn("Be kind.")}, "INVALID_ARGUMENT: system_instruction cannot be combined with"),
        (
            {"tools": [protos.Tool()], "tool_config": protos.ToolConfig()},
            "INVALID_ARGUMENT: tools and tool_config cannot be combined with",
        ),
        ({"cached_content": "cachedContents/other"}, "NOT_FOUND: there is no cached content 'cachedContents/other'"),
    ],
)
def test_invalid_use(fields: dict[str, Any], message: str) -> None:
    """A cached content is used with its own model, and without the fields that belong to it."""

    async def body(services: Services) -> None:
        name = (await services.create()).name
        assert message in await error_of(services.generate(**{"cached_content": name, **fields}))

    with_services(body)


def test_tools_reach_engine() -> None:
    """The engine gets the tools and the tool config of a cached content."""
    script = ScriptEngine().reply("Yes")
    tool = protos.Tool(function_declarations=[protos.FunctionDeclaration(name="add")])
    function_calling = protos.FunctionCallingConfig(mode=protos.FunctionCallingConfig.ANY)

    async def body(services: Services) -> None:
        config = protos.ToolConfig(function_calling_config=function_calling)
        name = (await services.create(tools=[tool], tool_config=config)).name
        await services.generate(cached_content=name)

    with_services(body, script=script)
    (request,) = script.requests
    assert list(request.tools) == [tool]
    assert request.tool_config.function_calling_config == function_calling
    assert [content.parts[0].text for content in request.contents] == ["A long tale.", "Hi"]


def test_cached_token_count() -> None:
    """A chunk without usage stays without it, and the cached tokens are at most those of the prompt."""
    without_usage = protos.GenerateContentResponse(candidates=[protos.Candidate()])
    short = protos.GenerateContentResponse(
        usage_metadata=protos.GenerateContentResponse.UsageMetadata(prompt_token_count=2, total_token_count=5)
    )
    script = ScriptEngine().reply(without_usage).reply(short)

    async def body(services: Services) -> None:
        name = (await services.create()).name
        assert not (await services.generate(cached_content=name)).HasField("usage_metadata")
        usage = (await services.generate(cached_content=name)).usage_metadata
        assert (usage.cached_content_token_count, usage.prompt_token_count, usage.total_token_count) == (2, 2, 5)

    with_services(body, script=script)


def test_pages() -> None:
    """Creating and deleting between two pages neither repeats nor skips other cached contents."""

    async def body(services: Services) -> None:
        names = [(await services.create()).name for _ in range(5)]
        first = await services.page(page_size=2)
        await services.delete(names[1])
        names.append((await services.create()).name)
        second = await services.page(page_size=2, page_token=first.next_page_token)
        third = await services.page(page_size=2, page_token=second.next_page_token)
        pages = [[item.name for item in page.cached_contents] for page in (first, second, third)]
        assert pages == [names[:2], names[2:4], names[4:]]
        assert third.next_page_token == ""
        assert len((await services.page()).cached_contents) == 5

    with_services(body)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"page_size": -1}, "page_size is -1"),
        ({"page_token": "made up"}, "page_token is not one"),
        ({"page_token": base64.urlsafe_b64encode(b"ListCachedContents:-1").decode()}, "page_token is not one"),
        ({"page_token": "!"}, "page_token is not one"),
    ],
    ids=["negative size", "invented", "negative position", "no base64"],
)
def test_invalid_page(fields: dict[str, Any], message: str) -> None:
    """A negative page size or an invented token is INVALID_ARGUMENT."""

    async def body(services: Services) -> None:
        assert f"INVALID_ARGUMENT: {message}" in await error_of(services.page(**fields))

    with_services(body)


@pytest.mark.llama
def test_real_model(tmp_path: Path) -> None:
    """The real model counts a prompt without a user turn, uses it, and rejects a tool that it cannot run."""
    pytest.importorskip("xllamacpp")
    engine = local.LlamaEngine()
    with local.serve(engine, state_dir=tmp_path) as server, genai.Client(endpoint=server.endpoint) as client:
        instruction = CachedContent.create("gemini-pro", system_instruction="You are Ada.", client=client)
        assert instruction.usage_metadata.total_token_count > 3
        chat = CachedContent.create(
            "gemini-pro",
            contents=[{"role": "user", "parts": "My name is Ada."}, {"role": "model", "parts": "Hello, Ada!"}],
            client=client,
        )
        model = genai.GenerativeModel.from_cached_content(chat, generation_config={"max_output_tokens": 8})
        usage = model.generate_content("What is my name?").usage_metadata
        assert 0 < usage.cached_content_token_count <= usage.prompt_token_count
        assert usage.total_token_count == usage.prompt_token_count + usage.candidates_token_count
        with pytest.raises(InvalidArgument, match="code_execution, which this server cannot run"):
            CachedContent.create("gemini-pro", contents="Hi", tools="code_execution", client=client)
