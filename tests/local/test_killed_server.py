"""A server with a state directory, killed at random points: what it acknowledged is there, and nothing half-written."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import genai_grpc as genai
from genai_grpc import errors
from genai_grpc.caching import CachedContent
from genai_grpc.types import RetryPolicy
from tests.waiting import wait_until

KILLS = int(os.environ.get("GENAI_GRPC_TEST_KILLS", "8"))
"""Of one test; 200 for the measured run of docs/faults.md."""

SERVER = """
import sys, time
from pathlib import Path
from genai_grpc import local
with local.serve(local.ScriptEngine(), state_dir=Path(sys.argv[1])) as server:
    print(server.endpoint, flush=True)
    time.sleep(600)
"""


@contextmanager
def running(folder: Path) -> Iterator[tuple[subprocess.Popen[str], genai.Client]]:
    """A server in a process of its own, and its client."""
    with subprocess.Popen([sys.executable, "-c", SERVER, str(folder)], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            policy = RetryPolicy(max_attempts=1)
            with genai.Client(endpoint=process.stdout.readline().strip(), retry=policy, timeout=30) as client:
                yield process, client
        finally:
            process.kill()


def content_of(seed: int) -> bytes:
    """A content of some hundred kilobytes."""
    return random.Random(seed).randbytes(1000 + seed % 500_000)  # noqa: S311 -- no cryptography


def work(client: genai.Client, seed: int, files: dict[str, bytes], caches: set[str]) -> None:
    """Upload and cache until the server is gone; note what it has acknowledged."""
    while True:
        seed += 7
        try:
            data = content_of(seed)
            file = genai.upload_file(data, mime_type="a/b", client=client)
            files[file.name] = hashlib.sha256(data).digest()
            cached = CachedContent.create("gemini-pro", contents=[f"A tale of {seed}"], client=client)
            caches.add(cached.name)
        except errors.APIError:
            return


@pytest.mark.slow
def test_kill(tmp_path: Path) -> None:
    """Killed while threads upload and cache, the server starts anew with all that it acknowledged, and whole files."""
    files: dict[str, bytes] = {}
    caches: set[str] = set()
    generator = random.Random(1)  # noqa: S311 -- as above
    for round_number in range(KILLS):
        with running(tmp_path) as (process, client):
            threads = [
                threading.Thread(target=work, args=(client, round_number * 1000 + index, files, caches))
                for index in range(3)
            ]
            for thread in threads:
                thread.start()
            if round_number == 0:
                wait_until(lambda: files and caches)  # on a slow machine, no round may come so far
            time.sleep(generator.uniform(0.05, 0.3))  # the point in their work at which the server is killed
            process.kill()
            for thread in threads:
                thread.join()
    with running(tmp_path) as (_, client):
        found = {file.name: file for file in genai.list_files(client=client)}
        assert files.keys() <= found.keys()
        for name, file in found.items():
            file = genai.wait_until_active(name, client=client)
            data: Any = genai.download_file(file, client=client)  # which compares the hash
            assert len(data) == file.size_bytes
            assert files.get(name, file.sha256_hash) == file.sha256_hash
        assert caches <= {cached.name for cached in CachedContent.list(client=client)}
    assert files
    assert caches


def test_two_servers_on_one_directory(tmp_path: Path) -> None:
    """A file that one server has stored is listed, used and deleted on the other one."""
    with running(tmp_path) as (_, one), running(tmp_path) as (_, another):
        file = genai.wait_until_active(genai.upload_file(b"Once upon a time", client=one), client=another)
        assert genai.download_file(file, client=another) == b"Once upon a time"
        genai.delete_file(file, client=another)
        with pytest.raises(errors.NotFound):
            genai.get_file(file, client=one)
        names = [genai.upload_file(b"tale", name=f"tale-{number}", client=client).name
                 for number, client in enumerate((one, another, one, another))]  # fmt: skip
        assert [each.name for each in genai.list_files(client=one)] == names
        with pytest.raises(errors.AlreadyExists):
            genai.upload_file(b"tale", name="tale-1", client=one)


LIMITED = """
import resource, sys
from pathlib import Path
import genai_grpc as genai
from genai_grpc import errors, local
folder = Path(sys.argv[1])
with local.serve(local.ScriptEngine(), state_dir=folder) as server, genai.Client(endpoint=server.endpoint) as client:
    kept = genai.upload_file(b"Once upon a time", client=client)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, resource.RLIM_INFINITY))
    for size in (1, 5_000, 2 << 20):
        try:
            genai.upload_file(bytes((1 << 20) + size), mime_type="a/b", client=client)
        except errors.ResourceExhausted as error:
            print(error.message)
    print([file.name for file in genai.list_files(client=client)] == [kept.name])
    print(len(list((folder / "files").iterdir())))
"""


def test_full_disk(tmp_path: Path) -> None:
    """A content that the disk does not take is RESOURCE_EXHAUSTED; nothing of it is left, and the rest stays."""
    done = subprocess.run([sys.executable, "-c", LIMITED, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    refused = "the server cannot store the content: File too large; nothing of it is left\n"
    assert done.stdout == refused * 3 + "True\n1\n"
