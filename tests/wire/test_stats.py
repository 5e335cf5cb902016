"""`Client.stats`, and the gauges of OpenTelemetry that observe it, over real gRPC."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

import genai_grpc as genai
from genai_grpc import errors, types
from genai_grpc._rpc.retry_budget import RESERVE
from genai_grpc.local import STALL, ScriptEngine
from genai_grpc.local.server import Server
from genai_grpc_protos.protobuf import Duration
from genai_grpc_protos.rpc import QuotaFailure, RetryInfo
from tests.conftest import Api, Connect
from tests.telemetry_sdk import Sdk
from tests.waiting import wait_until


@pytest.fixture
def sdk() -> Iterator[Sdk]:
    """The SDK of one test."""
    with Sdk() as sdk:
        yield sdk


def test_before_first_call() -> None:
    """A client that has not called yet has the limits of its options, and connects to nothing."""
    limit = types.RateLimit(requests_per_minute=60)
    client = genai.Client("", endpoint="http://127.0.0.1:1", max_in_flight=7, rate_limit=limit)
    assert client.stats() == types.ClientStats(
        in_flight=0,
        streams=0,
        waiting=0,
        delayed=0,
        limit=7,
        requests_per_minute=60,
        tokens_per_minute=None,
        blocked_seconds=0,
        retry_budget=RESERVE,
        sync_connections=0,
        async_connections=(),
    )


def test_calls_and_connections(connect: Connect, api: Api, server: Server, script: ScriptEngine) -> None:
    """A stream is in flight until it ends; the call behind it waits; connections are counted by kind until closed."""
    client = connect(server, max_in_flight=1)
    model = genai.GenerativeModel(client=client)
    script.reply("one", STALL).reply("Hello")
    stream = api.generate(model, "Hi", stream=True)
    stats = client.stats()
    assert (stats.in_flight, stats.streams, stats.waiting, stats.limit) == (1, 1, 0, 1)
    assert (stats.sync_connections, stats.async_connections) == ((0, (1,)) if api.is_async else (1, ()))
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(model.generate_content, "Hi")
        wait_until(lambda: client.stats().waiting == 1)
        api.close(stream)
        assert waiting.result().text == "Hello"
    stats = client.stats()
    assert (stats.in_flight, stats.streams, stats.waiting) == (0, 0, 0)
    api.close_client(client)
    stats = client.stats()
    assert (stats.sync_connections, stats.async_connections) == (0, ())


def test_each_event_loop(client: genai.Client, script: ScriptEngine) -> None:
    """The connections of each event loop are counted, until the loop is closed."""
    model = genai.GenerativeModel(client=client)
    loops = [asyncio.new_event_loop() for _ in range(2)]
    for loop in loops:
        script.reply("Hello")
        loop.run_until_complete(model.generate_content_async("Hi"))
    assert client.stats().async_connections == (1, 1)
    for loop in loops:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
    assert client.stats().async_connections == ()


def exhausted() -> errors.ResourceExhausted:
    """The error of a service whose quota is 30 requests per minute, and that asks for a delay of 50 s."""
    quota = QuotaFailure.Violation(quota_metric="requests", quota_id="RequestsPerMinute", quota_value=30)
    delay = RetryInfo(retry_delay=Duration(seconds=50))
    return errors.ResourceExhausted("no", details=[QuotaFailure(violations=[quota]), delay])


def test_rate_and_retries(api: Api, server: Server, script: ScriptEngine) -> None:
    """Learned quotas, the delay that the service asked for, and the retries that are left show up."""
    client = genai.Client(
        endpoint=server.endpoint, rate_limit=types.RateLimit(), retry=types.RetryPolicy(initial_backoff=0)
    )
    model = genai.GenerativeModel(client=client)
    script.reply(errors.ServiceUnavailable("no")).reply(exhausted())
    with pytest.raises(errors.ResourceExhausted):
        api.generate(model, "Hi", request_options={"timeout": 20})
    stats = client.stats()
    assert (stats.requests_per_minute, stats.tokens_per_minute) == (30, None)
    assert 0 < stats.blocked_seconds <= 50
    assert stats.retry_budget == pytest.approx(RESERVE + 0.2 - 1)
    api.close_client(client)


def test_thread_safe(connect: Connect, server: Server, script: ScriptEngine) -> None:
    """Threads may read the state while others call, and event loops come and go."""
    client = connect(server)
    model = genai.GenerativeModel(client=client)

    def call(number: int) -> None:
        script.reply("Hello")
        asyncio.run(model.generate_content_async("Hi")) if number % 2 else model.generate_content("Hi")

    with ThreadPoolExecutor(4) as callers, ThreadPoolExecutor(2) as readers:
        calls = [callers.submit(call, number) for number in range(40)]
        reads = [readers.submit(client.stats) for _ in range(2000)]
        futures: list[Future[Any]] = [*calls, *reads]
        for future in futures:
            future.result()
    assert (client.stats().in_flight, client.stats().async_connections) == (0, ())
    client.close()


def values(sdk: Sdk, name: str) -> dict[str, Any]:
    """The values of a gauge, by kind."""
    return {str(dict(point.attributes).get("genai_grpc.kind", "")): point.value for point in sdk.points(name)}


def test_gauges(connect: Connect, api: Api, sdk: Sdk, server: Server, script: ScriptEngine) -> None:
    """The gauges observe the same numbers, with the address of the endpoint."""
    limit = types.RateLimit(requests_per_minute=60, burst_seconds=60)
    client = connect(server, max_in_flight=5, rate_limit=limit, interceptors=[sdk.interceptor()])
    script.reply("one", STALL)
    stream = api.generate(genai.GenerativeModel(client=client), "Hi", stream=True)
    assert values(sdk, "genai_grpc.client.calls") == {"in_flight": 1, "waiting": 0, "delayed": 0}
    assert values(sdk, "genai_grpc.client.call_limit") == {"": 5}
    assert values(sdk, "genai_grpc.client.streams") == {"": 1}
    assert values(sdk, "genai_grpc.client.connections") == {"sync": int(not api.is_async), "async": int(api.is_async)}
    assert values(sdk, "genai_grpc.client.rate_limit") == {"requests": 60}
    assert values(sdk, "genai_grpc.client.blocked") == {"": 0}
    assert values(sdk, "genai_grpc.client.retry_budget") == {"": pytest.approx(RESERVE + 0.2)}
    [point] = sdk.points("genai_grpc.client.streams")
    assert dict(point.attributes) == {
        "server.address": "127.0.0.1",
        "server.port": int(client.endpoint.rpartition(":")[2]),
    }
    api.close(stream)
    api.close_client(client)


def test_gauges_of_several_clients(sdk: Sdk) -> None:
    """Clients of one endpoint are summed, also those of several interceptors; one that is dropped is freed."""
    first = genai.Client("", endpoint="http://127.0.0.1:1", max_in_flight=5, interceptors=[sdk.interceptor()])
    other = genai.Client("", endpoint="http://127.0.0.1:1", max_in_flight=7, interceptors=[sdk.interceptor()])
    assert values(sdk, "genai_grpc.client.call_limit") == {"": 12}
    dropped = weakref.ref(other)
    del other
    gc.collect()
    assert dropped() is None
    assert values(sdk, "genai_grpc.client.call_limit") == {"": 5}
    assert first.stats().limit == 5


def test_client_created(connect: Connect, server: Server) -> None:
    """An interceptor learns of each client that it was given to."""
    created: list[genai.Client] = []

    class Recorder(types.Interceptor):
        def client_created(self, client: genai.Client) -> None:
            created.append(client)

    recorder = Recorder()
    clients = [connect(server, interceptors=[recorder]) for _ in range(2)]
    assert created == clients


def test_views(connect: Connect, sdk: Sdk, server: Server, script: ScriptEngine) -> None:
    """A view has the state of its client, which the gauges count once."""
    client = connect(server, max_in_flight=5, interceptors=[sdk.interceptor()])
    view = client.with_options(timeout=5)
    script.reply("Hello")
    genai.GenerativeModel(client=view).generate_content("Hi")
    assert view.stats().sync_connections == client.stats().sync_connections == 1
    assert values(sdk, "genai_grpc.client.call_limit") == {"": 5}
    client.close()


def test_closed(connect: Connect, server: Server, script: ScriptEngine) -> None:
    """A client that is closed while calls wait has none in the queue."""
    client = connect(server, max_in_flight=1)
    model = genai.GenerativeModel(client=client)
    script.reply("one", STALL)
    stream = model.generate_content("Hi", stream=True)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(model.generate_content, "Hi")
        wait_until(lambda: client.stats().waiting == 1)
        client.close()
        with pytest.raises(errors.ClientClosed):
            waiting.result()
    with pytest.raises(errors.ClientClosed):
        stream.resolve()
    stats = client.stats()
    assert (stats.in_flight, stats.streams, stats.waiting) == (0, 0, 0)
