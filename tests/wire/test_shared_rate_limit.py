"""Rate limiters that several clients share, over real gRPC."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from multiprocessing.managers import BaseManager
from pathlib import Path
from typing import Any, Final

import pytest

import genai_grpc as genai
from genai_grpc import errors, types
from genai_grpc.local import ScriptEngine
from genai_grpc.local.server import Server
from genai_grpc_protos.protobuf import Duration
from genai_grpc_protos.rpc import RetryInfo
from tests.conftest import Api, AsyncApi, Connect

ROOT: Final = Path(__file__).parents[2]
NO_BACKOFF: Final = types.RetryPolicy(initial_backoff=0)


class Limiter:
    """A limiter of a program: gives these answers in turn, then 0, and records what it was asked."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[float, float]] = []
        self.threads: set[int] = set()

    def reserve(self, tokens: float, max_wait: float) -> float | None:
        self.asked.append((tokens, max_wait))
        self.threads.add(threading.get_ident())
        answer: Any = self.answers.pop(0) if self.answers else 0.0
        if isinstance(answer, Exception):
            raise answer
        return answer  # type: ignore[no-any-return]  # of whatever a test makes it


class AsyncLimiter(Limiter):
    """The same with a coroutine function for async calls."""

    async def reserve_async(self, tokens: float, max_wait: float) -> float | None:
        return super().reserve(tokens, max_wait)

    def reserve(self, tokens: float, max_wait: float) -> float | None:
        raise AssertionError("async calls use reserve_async")


def test_each_attempt_reserves(connect: Connect, api: Api, server: Server, script: ScriptEngine) -> None:
    """Each attempt is reserved, with its estimated tokens and what the estimates before it were wrong by."""
    limiter = Limiter(0.0, 0.01)
    client = connect(server, rate_limit=limiter, retry=NO_BACKOFF, timeout=50)
    model = genai.GenerativeModel(client=client)
    script.reply(errors.ServiceUnavailable("no")).reply("two words").reply("Hello").reply("Hello")
    api.generate(model, "one two three")
    assert [tokens for tokens, _ in limiter.asked] == [0, 0]
    assert all(0 < max_wait <= 50 for _, max_wait in limiter.asked)
    api.resolve(api.generate(model, "Hi", stream=True))
    api.generate(model, "Hi")
    # The first call used 5 tokens, the second one 2 instead of the 5 of the estimate, which it lowers to 4.4.
    assert [tokens for tokens, _ in limiter.asked[2:]] == pytest.approx([5 + 5, 4.4 - 3])
    api.close_client(client)


def test_refused(connect: Connect, api: Api, server: Server, script: ScriptEngine) -> None:
    """A call that the limiter refuses fails without an attempt, and the next one reports the tokens of both."""
    limiter = Limiter(0.0, None)
    client = connect(server, rate_limit=limiter)
    model = genai.GenerativeModel(client=client)
    script.reply("two words").reply("Hello")
    api.generate(model, "one two three")
    with pytest.raises(errors.DeadlineExceeded, match=r"shared rate limit delays the call by more than \d") as caught:
        api.generate(model, "Hi")
    assert caught.value.attempts == 0
    assert len(script.requests) == 1
    api.generate(model, "Hi")
    assert [tokens for tokens, _ in limiter.asked] == [0, 10, 10]
    assert (client.stats().in_flight, client.stats().delayed) == (0, 0)
    api.close_client(client)


@pytest.mark.parametrize("wait", [float("inf"), float("nan"), 1e9])
def test_wait_beyond_the_deadline(
    connect: Connect, api: Api, server: Server, script: ScriptEngine, wait: float
) -> None:
    """A limiter that answers with more than `max_wait` does not block the call: it fails at once."""
    client = connect(server, rate_limit=Limiter(wait))
    with pytest.raises(errors.DeadlineExceeded, match="shared rate limit"):
        api.generate(genai.GenerativeModel(client=client), "Hi")
    assert not script.requests
    api.close_client(client)


def test_limiter_that_fails(connect: Connect, api: Api, server: Server, script: ScriptEngine) -> None:
    """An exception of the limiter reaches the program; nothing was sent, and the next call succeeds."""
    client = connect(server, rate_limit=Limiter(ConnectionError("no limiter")))
    model = genai.GenerativeModel(client=client)
    with pytest.raises(ConnectionError, match="no limiter"):
        api.generate(model, "Hi")
    assert not script.requests
    script.reply("Hello")
    assert api.generate(model, "Hi").text == "Hello"
    api.close_client(client)


@pytest.mark.parametrize("kind", [Limiter, AsyncLimiter], ids=["reserve", "reserve_async"])
def test_async_calls_do_not_block_the_loop(
    connect: Connect, server: Server, script: ScriptEngine, kind: type[Limiter]
) -> None:
    """Async calls await `reserve_async`; without it, `reserve` runs on a thread."""
    limiter = kind()
    api, client = AsyncApi(), connect(server, rate_limit=limiter)
    script.reply("Hello")
    api.generate(genai.GenerativeModel(client=client), "Hi")
    assert len(limiter.asked) == 1
    assert (threading.get_ident() in limiter.threads) == isinstance(limiter, AsyncLimiter)
    api.shut_down()


def test_delay_of_the_service(connect: Connect, api: Api, server: Server, script: ScriptEngine) -> None:
    """A client with a shared limiter waits as RetryInfo asks, too, before it reserves."""
    limiter = Limiter()
    client = connect(server, rate_limit=limiter, timeout=20)
    delay = RetryInfo(retry_delay=Duration(seconds=50))
    script.reply(errors.ResourceExhausted("no", details=[delay]))
    model = genai.GenerativeModel(client=client)
    for _ in range(2):
        with pytest.raises(errors.APIError):
            api.generate(model, "Hi")
    assert client.stats().blocked_seconds > 20
    assert len(limiter.asked) == 1
    api.close_client(client)


@pytest.mark.parametrize("rate_limit", [60, "60", object()])
def test_not_a_rate_limit(connect: Connect, server: Server, rate_limit: Any) -> None:
    """What is neither a RateLimit nor has `reserve` is refused."""
    with pytest.raises(TypeError, match=rf"reserve\(tokens, max_wait\).; got {type(rate_limit).__name__}"):
        connect(server, rate_limit=rate_limit)


# Ten processes with one quota: the limiter in Redis that docs/clients.md shows, and one in a process of its own.


class OneLimiter:
    """GCRA of one request per hour with a burst of six, for every process that connects to it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._arrival = 0.0

    def reserve(self, max_wait: float) -> float | None:
        with self._lock:
            wait = max(0.0, self._arrival - 5 * 3600)
            if wait > max_wait:
                return None
            self._arrival += 3600
            return wait


CONNECT_TO_PROCESS = """
from multiprocessing.managers import BaseManager

class Manager(BaseManager):
    pass

Manager.register("limiter")

class ProcessLimiter:
    def __init__(self):
        manager = Manager(("127.0.0.1", int(os.environ["LIMITER_PORT"])), authkey=b"key")
        manager.connect()
        self.limiter = manager.limiter()

    def reserve(self, tokens, max_wait):
        return self.limiter.reserve(max_wait)

limiter = ProcessLimiter()
"""
CONNECT_TO_REDIS = """
limiter = RedisRateLimiter(os.environ["REDIS_URL"], requests_per_minute=1 / 60, burst_seconds=5 * 3600)
"""
PROGRAM = """
import asyncio, os, sys
import genai_grpc as genai
from genai_grpc import errors

{connect}

answered = 0
with genai.Client(endpoint=sys.argv[1], rate_limit=limiter, timeout=30) as client:
    model = genai.GenerativeModel(client=client)
    for number in range(4):
        try:
            model.generate_content("Hi") if number % 2 else asyncio.run(model.generate_content_async("Hi"))
            answered += 1
        except errors.DeadlineExceeded as error:
            assert error.attempts == 0, error
print(answered)
"""


@pytest.fixture
def process_limiter() -> Iterator[tuple[str, dict[str, str]]]:
    """A limiter in this process, which other processes connect to."""
    limiter = OneLimiter()

    class Manager(BaseManager):
        pass

    Manager.register("limiter", callable=lambda: limiter)
    server: Any = Manager(("127.0.0.1", 0), authkey=b"key").get_server()
    thread = threading.Thread(target=_serve, args=(server,), daemon=True)
    thread.start()
    yield CONNECT_TO_PROCESS, {"LIMITER_PORT": str(server.address[1])}
    server.stop_event.set()
    thread.join()


def _serve(server: Any) -> None:
    with pytest.raises(SystemExit):
        server.serve_forever()


@pytest.fixture
def redis_limiter(redis_url: str) -> tuple[str, dict[str, str]]:
    """The limiter of docs/clients.md."""
    section = (ROOT / "docs/clients.md").read_text().partition("\n## Shared rate limit\n")[2]
    [code] = re.findall(r"```python\n(.*?)\nwith genai.Client", section.partition("\n## ")[0], re.DOTALL)
    return code + CONNECT_TO_REDIS, {"REDIS_URL": redis_url}


@pytest.mark.parametrize("limiter", ["process_limiter", pytest.param("redis_limiter", marks=pytest.mark.libraries)])
def test_ten_processes(
    limiter: str, request: pytest.FixtureRequest, server: Server, script: ScriptEngine, tmp_path: Path
) -> None:
    """Ten processes with sync and async calls together get what one quota allows, and no more."""
    connect, variables = request.getfixturevalue(limiter)
    for _ in range(6):
        script.reply("Hello")
    program = tmp_path / "program.py"
    program.write_text(PROGRAM.replace("{connect}", textwrap.dedent(connect)))
    environment = {**os.environ, **variables, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, str(program), server.endpoint]
    running = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(10)]
    answered = [int(process.communicate()[0]) for process in running]
    assert sum(answered) == len(script.requests) == 6
