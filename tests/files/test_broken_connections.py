"""Uploads and downloads whose connections break, stall or are cut, through a TCP proxy."""

from __future__ import annotations

import asyncio
import hashlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import genai_grpc as genai
from genai_grpc import errors
from genai_grpc.local import Server
from genai_grpc.testing import FaultProxy
from genai_grpc.types import RetryPolicy
from tests.conftest import Api
from tests.files.contents import Stream, bytes_of

MIB = 1 << 20
SIZE = int(os.environ.get("GENAI_GRPC_TEST_UPLOAD_MIB", "48")) * MIB
"""Of the upload that is cut; 1024 for the measured one of docs/files.md."""

MEMORY = 40 * MIB
"""Above the baseline, at most."""


@pytest.fixture
def proxy(server: Server) -> Iterator[FaultProxy]:
    """A proxy in front of the HTTP port."""
    assert server.http_endpoint is not None
    with FaultProxy(server.http_endpoint) as running:
        yield running


@pytest.fixture
def client(server: Server, proxy: FaultProxy) -> Iterator[genai.Client]:
    """A client whose uploads go through the proxy, and are attempted anew at once."""
    policy = RetryPolicy(max_attempts=4, initial_backoff=0.01)
    with genai.Client(endpoint=server.endpoint, http_endpoint=proxy.endpoint, retry=policy) as connected:
        yield connected


SERVER = """
import sys
from genai_grpc import local
with local.serve(local.ScriptEngine()) as server:
    print(server.endpoint, server.http_endpoint, flush=True)
    sys.stdin.read()
"""

PROGRAM = """
import asyncio, hashlib, os, random, subprocess, sys
from pathlib import Path
import genai_grpc as genai
from genai_grpc.testing import FaultProxy
from genai_grpc.types import RetryPolicy

MIB = 1 << 20
path, size, is_async = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "True"
generator, digest = random.Random(is_async), hashlib.sha256()
with path.open("wb") as file:
    for _ in range(size // MIB):
        block = generator.randbytes(MIB)
        digest.update(block)
        file.write(block)
places = sorted(generator.randrange(size // 5) for _ in range(5))
most = [0, 0]

def resident():
    return [
        int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        for process in ("self", server.pid)
    ]

def watch(done, total):
    most[:] = map(max, most, resident())
    if places and done >= (5 - len(places)) * size // 6:
        proxy.cut_after(1 + places.pop() % (4 * MIB), "up")

async def upload_async(client):
    try:
        await genai.upload_file_async(b"warm", mime_type="a/b", client=client)
        baseline = resident()
        return baseline, await genai.upload_file_async(path, mime_type="a/b", progress=watch, client=client)
    finally:
        await client.aclose()

def upload(client):
    genai.upload_file(b"warm", mime_type="a/b", client=client)
    return resident(), genai.upload_file(path, mime_type="a/b", progress=watch, client=client)

policy = RetryPolicy(initial_backoff=0.01)
command = [sys.executable, "-c", sys.argv[4]]
with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
    endpoint, http_endpoint = server.stdout.readline().split()
    with FaultProxy(http_endpoint) as proxy:
        with genai.Client(endpoint=endpoint, http_endpoint=proxy.endpoint, retry=policy) as client:
            baseline, file = asyncio.run(upload_async(client)) if is_async else upload(client)
    server.stdin.close()
grown = [after - before for after, before in zip(most, baseline)]
print(file.size_bytes == size, file.sha256_hash == digest.digest(), proxy.connections > 6, *grown)
"""


@pytest.mark.parametrize("is_async", [False, True])
def test_cut_at_random_places(tmp_path: Path, is_async: bool) -> None:
    """A content cut at five random places arrives whole, in constant memory of client and server."""
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "content"), str(SIZE), str(is_async), SERVER]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    *right, of_client, of_server = done.stdout.split()
    assert (right, done.stderr) == (["True"] * 3, "")
    assert max(int(of_client), int(of_server)) < MEMORY


@pytest.mark.parametrize("end", ["reset", "cut"])
def test_every_kind_of_source(api: Api, client: genai.Client, proxy: FaultProxy, end: str) -> None:
    """A stream that cannot be read twice survives a broken connection, too; the chunk in progress is in memory."""
    data = bytes_of(17 * MIB)

    def break_it(done: int, total: int | None) -> None:
        if done:
            getattr(proxy, end)()

    file = api.call(genai, "upload_file", Stream(data), mime_type="a/b", progress=break_it, client=client)
    assert file.sha256_hash == hashlib.sha256(data).digest()


def test_reply_is_lost(api: Api, client: genai.Client, proxy: FaultProxy) -> None:
    """If the reply to the last chunk is lost, the service is asked, and the file is stored once."""
    data = bytes_of(8 * MIB)

    def lose_the_reply(done: int, total: int | None) -> None:
        if done == 0:
            proxy.cut_after(1, "down")

    file = api.call(genai, "upload_file", data, mime_type="a/b", progress=lose_the_reply, client=client)
    assert [each.name for each in api.items(genai, "list_files", client=client)] == [file.name]
    assert file.sha256_hash == hashlib.sha256(data).digest()


def test_service_stays_away(api: Api, client: genai.Client, proxy: FaultProxy) -> None:
    """An upload ends with ServiceUnavailable after the policy's attempts without progress, and leaves no file."""

    def refuse(done: int, total: int | None) -> None:
        if done:
            proxy.refuse()
            proxy.reset()

    with pytest.raises(errors.ServiceUnavailable, match="the HTTP connection to .* failed") as caught:
        api.call(genai, "upload_file", bytes_of(17 * MIB), mime_type="a/b", progress=refuse, client=client)
    assert caught.value.attempts == 4
    assert api.items(genai, "list_files", client=client) == []


def test_server_that_lost_the_upload(api: Api, client: genai.Client, server: Any, proxy: FaultProxy) -> None:
    """What the service has forgotten is sent anew if it can be read again; of a stream it is an error."""

    def forget(done: int, total: int | None) -> None:
        if done == 8 * MIB and not forgotten:
            forgotten.append(done)
            for upload in _uploads_of(server).values():
                upload.discard()
            _uploads_of(server).clear()
            proxy.reset()

    data = bytes_of(17 * MIB)
    forgotten: list[int] = []
    file = api.call(genai, "upload_file", data, mime_type="a/b", progress=forget, client=client)
    assert file.sha256_hash == hashlib.sha256(data).digest()
    forgotten.clear()
    with pytest.raises(errors.DataLoss, match="the service has lost the upload, and the content cannot be read again"):
        api.call(genai, "upload_file", Stream(data), mime_type="a/b", progress=forget, client=client)


def _uploads_of(server: Any) -> dict[str, Any]:
    """The uploads in progress of a server."""
    app = server._http._config.app
    [route, *_] = app.routes
    uploads: dict[str, Any] = app.state.uploads._uploads
    assert route.path.startswith("/upload")
    return uploads


def test_download_that_breaks(api: Api, client: genai.Client, proxy: FaultProxy, tmp_path: Path) -> None:
    """A download begins anew after a broken connection, and replaces the path when it is complete."""
    data = bytes_of(17 * MIB)
    file = api.call(genai, "upload_file", data, mime_type="a/b", client=client)
    proxy.cut_after(5 * MIB, "down")
    api.call(genai, "download_file", file, tmp_path / "copy", client=client)
    assert (tmp_path / "copy").read_bytes() == data
    assert [each.name for each in tmp_path.iterdir()] == ["copy"]


def test_cancelled_upload(client: genai.Client, proxy: FaultProxy) -> None:
    """The cancellation of the task ends an upload at once, and closes its connection."""

    async def main() -> None:
        stalled = asyncio.Event()
        loop = asyncio.get_running_loop()

        def stall(done: int, total: int | None) -> None:
            if done == 0:
                proxy.stall()
                loop.call_soon_threadsafe(stalled.set)

        upload = genai.upload_file_async(bytes_of(9 * MIB), mime_type="a/b", progress=stall, client=client)
        task = asyncio.create_task(upload)
        await stalled.wait()
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert client.stats().in_flight == 0
        proxy.restore()
        await client.aclose()

    asyncio.run(main())


def test_several_uploads_at_once(client: genai.Client) -> None:
    """Threads and tasks upload at the same time."""
    contents = [bytes_of(MIB, seed) for seed in range(8)]
    digests = {hashlib.sha256(content).digest() for content in contents}
    files: list[Any] = []
    threads = [
        threading.Thread(target=lambda each=each: files.append(genai.upload_file(each, mime_type="a/b", client=client)))
        for each in contents
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {file.sha256_hash for file in files} == digests

    async def main() -> list[Any]:
        uploads = (genai.upload_file_async(each, mime_type="a/b", client=client) for each in contents)
        try:
            return await asyncio.gather(*uploads)
        finally:
            await client.aclose()

    assert {file.sha256_hash for file in asyncio.run(main())} == digests
