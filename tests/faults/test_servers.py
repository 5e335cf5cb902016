"""Status codes and server faults."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

import genai_grpc as genai
from genai_grpc import errors, types
from genai_grpc._transport.grpc.channel_pool import MAX_STREAMS_PER_CHANNEL
from genai_grpc.local import ScriptEngine, Server, serve
from genai_grpc.testing import FaultProxy
from genai_grpc_protos.rpc import ErrorInfo, RequestInfo
from tests.channels import channels_of
from tests.conftest import Api
from tests.faults.conftest import AddRow, Echo, stopwatch

ERRORS = sorted(errors.APIError.__subclasses__(), key=lambda error_class: error_class.number)
CALLS = 1000


@pytest.mark.parametrize("error_class", ERRORS, ids=[error_class.status for error_class in ERRORS])
@pytest.mark.parametrize("when", ["unary", "before the first chunk", "after the first chunk"])
def test_every_status(
    error_class: type[errors.APIError],
    when: str,
    api: Api,
    model: genai.GenerativeModel,
    script: ScriptEngine,
    add_row: AddRow,
) -> None:
    """Each of the 16 status codes raises its class, with the details and the number of attempts."""
    details = [ErrorInfo(reason="BROKEN", domain="example.com"), RequestInfo(request_id="r-1")]
    transient = error_class in (errors.ServiceUnavailable, errors.Cancelled)
    attempts = 3 if transient and when != "after the first chunk" else 1
    for _ in range(attempts):
        script.reply(*(["One,"] if when == "after the first chunk" else []), error_class("failed", details=details))
    options = {"retry": types.RetryPolicy(max_attempts=3, initial_backoff=0.01)}
    with pytest.raises(error_class) as caught:
        api.resolve(api.generate(model, "Hi", stream=when != "unary", request_options=options))
    error = caught.value
    assert (error.status, error.message, error.attempts) == (error_class.status, "failed", attempts)
    assert (error.reason, error.domain, error.request_id) == ("BROKEN", "example.com", "r-1")
    assert error.grpc_status_code.name == error_class.status
    if transient:
        retries = "retried before the first chunk"
    elif error_class is errors.ResourceExhausted:
        retries = "retried if RetryInfo gives a delay"
    else:
        retries = "not retried"
    add_row(f"{error_class.status}", f"{error_class.__name__} ({error_class.code}), {retries}", "")


def call_from_threads(model: genai.GenerativeModel) -> list[str]:
    """The replies to 1,000 calls from 8 threads."""
    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(lambda _: model.generate_content("Hi").text, range(CALLS)))


def call_from_tasks(model: genai.GenerativeModel) -> list[str]:
    """The replies to 1,000 calls from 8 tasks."""

    async def call_in_turn(count: int) -> list[str]:
        return [(await model.generate_content_async("Hi")).text for _ in range(count)]

    async def call_all() -> list[str]:
        replies = await asyncio.gather(*(call_in_turn(CALLS // 8) for _ in range(8)))
        return [text for texts in replies for text in texts]

    return asyncio.run(call_all())


@pytest.mark.parametrize("make_calls", [call_from_threads, call_from_tasks], ids=["threads", "tasks"])
@pytest.mark.parametrize("fault", ["crashes", "shuts down gracefully (GOAWAY)"])
@pytest.mark.slow
def test_restarts_under_load(
    make_calls: Callable[[genai.GenerativeModel], list[str]], fault: str, echo: Server, add_row: AddRow
) -> None:
    """No call fails when the server restarts repeatedly during 1,000 calls."""
    stop, restarts = threading.Event(), 0

    def crash(proxy: FaultProxy) -> None:
        proxy.refuse()
        proxy.reset()
        stop.wait(0.05)
        proxy.accept()

    def restart(proxy: FaultProxy) -> None:
        nonlocal restarts
        while not stop.wait(0.2):
            crash(proxy) if fault == "crashes" else echo.restart(grace=30)
            restarts += 1

    # The server is down so often that the default retry budget of 1,000 calls would not suffice.
    policy = types.RetryPolicy(max_attempts=30, initial_backoff=0.1, max_backoff=1, budget_ratio=None)
    with FaultProxy(echo.endpoint) as proxy, genai.Client(endpoint=proxy.endpoint, retry=policy) as client:
        restarting = threading.Thread(target=restart, args=(proxy,))
        restarting.start()
        try:
            replies = make_calls(genai.GenerativeModel(client=client))
        finally:
            stop.set()
            restarting.join()
    assert replies == ["Hello"] * len(replies)
    assert len(replies) == CALLS
    assert restarts
    add_row(f"server {fault} and restarts, repeatedly during 1,000 calls", "all calls succeed", f"{restarts} restarts")


@pytest.mark.parametrize(("calls", "max_in_flight"), [(2_000, 90), (10_000, None)])
@pytest.mark.slow
def test_burst_of_calls(calls: int, max_in_flight: int | None, add_row: AddRow) -> None:
    """Thousands of concurrent calls to a server with 100 streams per connection all succeed."""
    options = [
        ("grpc.max_concurrent_streams", 100),
        # A Python server accepts calls slowly, and by default gRPC rejects calls once 3,000 wait.
        ("grpc.server.max_pending_requests", 100_000),
        ("grpc.server.max_pending_requests_hard_limit", 100_000),
    ]
    with serve(Echo(), options=options) as server:
        client = genai.Client(
            endpoint=server.endpoint, max_in_flight=max_in_flight, retry=types.RetryPolicy(max_attempts=1)
        )
        model = genai.GenerativeModel(client=client)

        async def burst() -> list[str]:
            async with client:
                responses = await asyncio.gather(*(model.generate_content_async("Hi") for _ in range(calls)))
                assert len(channels_of(client).channels) == -(-(max_in_flight or calls) // MAX_STREAMS_PER_CHANNEL)
                return [response.text for response in responses]

        with stopwatch() as seconds:
            assert asyncio.run(burst()) == ["Hello"] * calls
    limit = "default max_in_flight" if max_in_flight is None else f"max_in_flight={max_in_flight}"
    add_row(
        f"{calls:,} concurrent calls, 100 streams per connection, {limit}",
        "all calls succeed, without retries",
        f"{seconds():.1f} s",
    )
