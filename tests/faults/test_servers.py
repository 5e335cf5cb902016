"""What a server does to calls."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

import genai_grpc as genai
from genai_grpc import errors, types
from genai_grpc._transport.grpc.channel_pool import MAX_STREAMS_PER_CHANNEL
from genai_grpc.local import ScriptEngine, serve
from genai_grpc.testing import FaultProxy
from genai_grpc_protos.rpc import ErrorInfo, RequestInfo
from tests.faults.conftest import Echo, stopwatch

if TYPE_CHECKING:
    from collections.abc import Callable

    from genai_grpc.local.server import Server
    from tests.conftest import Colour

    Row = Callable[[str, str, str], None]

CODES = sorted(errors.APIError.__subclasses__(), key=lambda kind: kind.number)


@pytest.mark.parametrize("kind", CODES, ids=[kind.status for kind in CODES])
@pytest.mark.parametrize("how", ["whole", "before the first chunk", "after it"])
def test_every_code(
    kind: type[errors.APIError],
    how: str,
    colour: Colour,
    model: genai.GenerativeModel,
    script: ScriptEngine,
    row: Row,
) -> None:
    """Each of the 16 status codes is its class, with details and tries, whenever it comes."""
    details = [ErrorInfo(reason="BROKEN", domain="example.com"), RequestInfo(request_id="r-1")]
    again = kind in (errors.ServiceUnavailable, errors.Cancelled) and how != "after it"
    for _ in range(3 if again else 1):
        script.reply(*(["One,"] if how == "after it" else []), kind("it broke", details=details))
    options = {"retry": types.RetryPolicy(max_attempts=3, initial_backoff=0.01)}
    with pytest.raises(kind) as caught:
        colour.resolve(colour.generate(model, "Hi", stream=how != "whole", request_options=options))
    error = caught.value
    assert (error.status, error.message, error.attempts) == (kind.status, "it broke", 3 if again else 1)
    assert (error.reason, error.domain, error.request_id) == ("BROKEN", "example.com", "r-1")
    assert error.grpc_status_code.name == kind.status
    tries = "one try"
    if kind in (errors.ServiceUnavailable, errors.Cancelled):
        tries = "tried again as the policy says, before the first chunk"
    elif kind is errors.ResourceExhausted:
        tries = "tried again where RetryInfo says when"
    row(f"{kind.status}", f"{kind.__name__} ({kind.code}), {tries}", "")


CALLS = 1000


def calls_of_threads(model: genai.GenerativeModel) -> list[str]:
    """What a thousand calls of 8 threads came to."""
    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(lambda _: model.generate_content("Hi").text, range(CALLS)))


def calls_of_tasks(model: genai.GenerativeModel) -> list[str]:
    """What a thousand calls of 8 tasks came to."""

    async def call_each(count: int) -> list[str]:
        return [(await model.generate_content_async("Hi")).text for _ in range(count)]

    async def call_all() -> list[str]:
        return [each for some in await asyncio.gather(*(call_each(CALLS // 8) for _ in range(8))) for each in some]

    return asyncio.run(call_all())


@pytest.mark.parametrize("colour", [calls_of_threads, calls_of_tasks], ids=["threads", "tasks"])
@pytest.mark.parametrize("how", ["crashes", "is told to go"])
def test_restarts_under_load(
    colour: Callable[[genai.GenerativeModel], list[str]], how: str, echo: Server, row: Row
) -> None:
    """A server that goes down and comes up again and again during a thousand calls makes none of them fail."""
    stop, restarts = threading.Event(), 0

    def crash(proxy: FaultProxy) -> None:
        proxy.refuse()
        proxy.reset()
        stop.wait(0.05)
        proxy.accept()

    def restart(proxy: FaultProxy) -> None:
        nonlocal restarts
        while not stop.wait(0.2):
            crash(proxy) if how == "crashes" else echo.restart(grace=30)
            restarts += 1

    # The server is down for a good part of the time, which takes more retries than so few calls pay for.
    policy = types.RetryPolicy(max_attempts=10, initial_backoff=0.1, budget_ratio=None)
    with FaultProxy(echo.endpoint) as proxy, genai.Client(endpoint=proxy.endpoint, retry=policy) as client:
        restarting = threading.Thread(target=restart, args=(proxy,))
        restarting.start()
        try:
            answers = colour(genai.GenerativeModel(client=client))
        finally:
            stop.set()
            restarting.join()
    assert answers == ["Hello"] * len(answers)
    assert len(answers) == CALLS
    assert restarts
    fault = "the server crashes" if how == "crashes" else "the server goes in good order (GOAWAY)"
    row(f"{fault} and comes back, again and again, in 1,000 calls", "every answer", f"0 failed, {restarts} times")


@pytest.mark.parametrize(("calls", "streams"), [(2_000, 90), (10_000, None)])
def test_a_burst(calls: int, streams: int | None, row: Row) -> None:
    """Thousands of calls at once, to a server of a hundred streams a connection, are all answered."""
    options = [
        ("grpc.max_concurrent_streams", 100),
        # A server in Python takes its time to accept; gRPC would have it refuse what waits.
        ("grpc.server.max_pending_requests", 100_000),
        ("grpc.server.max_pending_requests_hard_limit", 100_000),
    ]
    with serve(Echo(), options=options) as server:
        client = genai.Client(endpoint=server.endpoint, max_in_flight=streams, retry=types.RetryPolicy(max_attempts=1))
        model = genai.GenerativeModel(client=client)

        async def burst() -> list[str]:
            async with client:
                responses = await asyncio.gather(*(model.generate_content_async("Hi") for _ in range(calls)))
                assert len(client._make().channels.aio().connections) == -(
                    -(streams or calls) // MAX_STREAMS_PER_CHANNEL
                )
                return [response.text for response in responses]

        with stopwatch() as seconds:
            assert asyncio.run(burst()) == ["Hello"] * calls
    row(
        f"{calls:,} calls at once, 100 streams a connection, max_in_flight {streams or 'as it is'}",
        "every answer, no retries",
        f"{seconds():.1f} s",
    )
