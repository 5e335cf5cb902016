from __future__ import annotations

import asyncio
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

import genai_grpc as genai
from genai_grpc import local, protos
from genai_grpc.caching import CachedContent
from genai_grpc.errors import DataLoss, NotFound
from genai_grpc.local.engines.script import ScriptEngine
from genai_grpc.local.state.cached_contents import CACHED_CONTENTS, CachedContentStore, StoredContent
from genai_grpc.local.state.database import Database
from genai_grpc.local.state.state_file import FILE
from genai_grpc_protos.protobuf import Timestamp

START = 1_000_000
PROMPT = protos.GenerateContentRequest(
    model="models/script", contents=[protos.Content(parts=[protos.Part(text="A tale.")])]
)


def stored(expires: int) -> StoredContent:
    """A cached content that expires at that time, in seconds."""
    return StoredContent(protos.CachedContent(model="models/script", expire_time=Timestamp(seconds=expires)), PROMPT)


def test_add_and_get() -> None:
    """A cached content gets a name, and is read back with its prompt; under another name it is not found."""

    async def main() -> None:
        database = Database(clock=lambda: START)
        await database.open(CACHED_CONTENTS.table)
        store = CachedContentStore(database)
        summary = await store.add(stored(START + 60))
        assert summary.name.startswith("cachedContents/")
        assert await store.get(summary.name) == StoredContent(summary, PROMPT)
        assert await store.summary(summary.name) == summary
        with pytest.raises(NotFound, match="there is no cached content 'cachedContents/abc', or it has expired"):
            await store.get("cachedContents/abc")
        await database.aclose()

    asyncio.run(main())


def test_expired_contents_are_deleted(tmp_path: Path) -> None:
    """Adding a cached content deletes those that have expired."""
    seconds = START

    async def main() -> None:
        nonlocal seconds
        database = Database(tmp_path, clock=lambda: seconds)
        await database.open(CACHED_CONTENTS.table)
        store = CachedContentStore(database)
        await store.add(stored(START + 60))
        seconds += 60
        await store.add(stored(START + 120))
        await database.aclose()

    asyncio.run(main())
    with sqlite3.connect(tmp_path / FILE) as connection:
        rows = connection.execute("SELECT expires FROM cached_contents").fetchall()
    connection.close()
    assert rows == [((START + 120) * 1_000_000,)]


@pytest.mark.parametrize("persistent", [True, False])
def test_restart(tmp_path: Path, persistent: bool) -> None:
    """With a state directory, which is created, cached contents outlive the server; without one they do not."""
    state_dir = tmp_path / "deep" / "state" if persistent else None
    with local.serve(ScriptEngine(), state_dir=state_dir) as server, genai.Client(endpoint=server.endpoint) as client:
        created = CachedContent.create("gemini-pro", contents="A long tale.", client=client)
    script = ScriptEngine()
    with local.serve(script, state_dir=state_dir) as server, genai.Client(endpoint=server.endpoint) as client:
        listed = list(CachedContent.list(client=client))
        assert [item.to_proto() for item in listed] == ([created.to_proto()] if persistent else [])
        if persistent:
            script.reply("Yes")
            genai.GenerativeModel.from_cached_content(created.name, client=client).generate_content("Hi")
            assert script.requests[0].contents[0].parts[0].text == "A long tale."


def test_two_servers_on_one_directory(tmp_path: Path) -> None:
    """Two servers that write to one directory at the same time lose nothing, and each reads what the other wrote."""
    with (
        local.serve(ScriptEngine(), state_dir=tmp_path) as one,
        local.serve(ScriptEngine(), state_dir=tmp_path) as two,
        genai.Client(endpoint=one.endpoint) as first,
        genai.Client(endpoint=two.endpoint) as second,
        ThreadPoolExecutor(8) as pool,
    ):

        def create(number: int) -> str:
            client = (first, second)[number % 2]
            content = CachedContent.create("gemini-pro", contents=f"Tale {number}", client=client)
            content.update(ttl=100 + number)
            return content.name

        names = set(pool.map(create, range(40)))
        for client in first, second:
            assert {content.name for content in CachedContent.list(client=client)} == names
    with sqlite3.connect(tmp_path / FILE) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()


@pytest.mark.parametrize("garbage", ["x'ffff'", "'text'", "7"])
def test_damaged_content(tmp_path: Path, garbage: str) -> None:
    """A cached content whose stored bytes are damaged is DATA_LOSS that names it and the file, until it is deleted."""
    with local.serve(ScriptEngine(), state_dir=tmp_path) as server, genai.Client(endpoint=server.endpoint) as client:
        damaged, whole = (
            CachedContent.create(model="models/script", contents=["A tale."], client=client) for _ in range(2)
        )
        with closing(sqlite3.connect(tmp_path / FILE)) as connection, connection:
            statement = f"UPDATE cached_contents SET summary = {garbage}, prompt = {garbage} WHERE name = ?"  # noqa: S608
            connection.execute(statement, (damaged.name,))
        model = genai.GenerativeModel.from_cached_content(damaged, client=client)
        for call in (
            lambda: CachedContent.get(damaged.name, client=client),
            lambda: list(CachedContent.list(client=client)),
            lambda: damaged.update(ttl=60),
            lambda: model.generate_content("Go on."),
        ):
            with pytest.raises(DataLoss, match=rf"{damaged.name}' is damaged in {tmp_path / FILE}; delete it"):
                call()
        damaged.delete()
        assert [content.name for content in CachedContent.list(client=client)] == [whole.name]
