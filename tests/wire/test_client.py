"""What a client does around its calls over real gRPC: timeouts, admission, keys, metadata, channels, proxies."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest

import genai_grpc as genai
from genai_grpc import errors, types
from genai_grpc.local import STALL, Delay, ScriptEngine, serve
from genai_grpc.local.server import Server
from tests.channels import channels_of
from tests.conftest import Api, Connect, over_grpc


@pytest.fixture(params=[{}], ids=[""])
def client(connect: Connect, server: Server, request: pytest.FixtureRequest) -> Iterator[genai.Client]:
    """A client of `server`, with the arguments of `with_client`."""
    with connect(server, **request.param) as connected:
        yield connected


def with_client(**arguments: Any) -> pytest.MarkDecorator:
    """Build the client of a test with these arguments."""
    return pytest.mark.parametrize("client", [arguments], indirect=True, ids=[",".join(arguments)])


@with_client(idle_timeout=0.3)
def test_idle_stream(api: Api, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """A stream whose next chunk takes longer than the idle timeout fails, after the chunks before."""
    script.reply("One,", " two", STALL)
    response = api.generate(model, "Count", stream=True)
    chunks = api.chunks(response)
    assert [api.next(chunks).text, api.next(chunks).text] == ["One,", " two"]
    with pytest.raises(errors.DeadlineExceeded, match=r"no chunk came for 0\.3 s, the idle_timeout"):
        api.next(chunks)
    script.wait_cancelled()


@with_client(idle_timeout=0.3)
def test_idle_reader(api: Api, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """The idle timeout bounds the wait for the service, not the pauses of the program that reads."""
    script.reply("One,", " two", " three")
    response = api.generate(model, "Count", stream=True)
    chunks = api.chunks(response)
    assert api.next(chunks).text == "One,"
    time.sleep(0.7)
    assert [api.next(chunks).text, api.next(chunks).text] == [" two", " three"]
    assert api.next(chunks) is None


@with_client(idle_timeout=0.2)
def test_idle_timeout_of_a_whole_reply(api: Api, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """The idle timeout is one of streams: a reply that is not streamed may take longer."""
    script.reply(Delay(0.6), "Hello")
    assert api.generate(model, "Hi").text == "Hello"


def test_idle_timeout_of_call(api: Api, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """A call may have its own idle timeout, which also bounds the wait for its first chunk."""
    script.reply(STALL)
    with pytest.raises(errors.DeadlineExceeded, match=r"no chunk came for 0\.2 s"):
        api.generate(model, "Count", stream=True, request_options={"idle_timeout": 0.2, "retry": None})


@with_client(idle_timeout=0.4)
def test_slow_stream_is_not_idle(api: Api, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """A stream may take longer than the idle timeout in all, if no chunk does."""
    script.reply("a", Delay(0.2), "b", Delay(0.2), "c", Delay(0.2), "d")
    response = api.generate(model, "Count", stream=True)
    api.resolve(response)
    assert response.text == "abcd"


class ConcurrencyCounter(ScriptEngine):
    """A script that counts its requests in flight, and their peak."""

    in_flight = peak = 0

    async def generate(self, request: Any) -> Any:
        self.in_flight += 1
        self.peak = max(self.peak, self.in_flight)
        try:
            async for chunk in super().generate(request):
                yield chunk
        finally:
            self.in_flight -= 1


def test_max_in_flight(connect: Connect) -> None:
    """Calls above the limit wait, sync and async ones together, and each gets its reply."""
    script = ConcurrencyCounter()
    for number in range(12):
        script.reply(f"{number}", Delay(0.05))

    async def generate(model: genai.GenerativeModel) -> list[str]:
        responses = await asyncio.gather(*(model.generate_content_async("Hi") for _ in range(6)))
        return [response.text for response in responses]

    with serve(script) as server, connect(server, max_in_flight=2) as client:
        model = genai.GenerativeModel(client=client)
        with ThreadPoolExecutor(7) as pool:
            sync = [pool.submit(lambda: model.generate_content("Hi").text) for _ in range(6)]
            replies = pool.submit(asyncio.run, generate(model)).result() + [future.result() for future in sync]
    assert sorted(replies, key=int) == [str(number) for number in range(12)]
    assert script.peak == 2


class SlowEngine(ScriptEngine):
    """Replies to every request after half a second."""

    async def generate(self, request: Any) -> Any:
        self.reply("Hello", Delay(0.5))
        async for chunk in super().generate(request):
            yield chunk


SHORT: Any = {"timeout": 2}


def call_in_threads(client: genai.Client, calls: int) -> list[Any]:
    """The results or errors of concurrent calls, each in a thread, after a first call."""
    model = genai.GenerativeModel(client=client)
    model.generate_content("Hi")
    with client, ThreadPoolExecutor(calls) as pool:
        futures = [pool.submit(model.generate_content, "Hi", request_options=SHORT) for _ in range(calls)]
        return [future.exception() or future.result() for future in futures]


def call_in_tasks(client: genai.Client, calls: int) -> list[Any]:
    """The results or errors of concurrent calls, each in a task, after a first call."""
    model = genai.GenerativeModel(client=client)

    async def run() -> list[Any]:
        async with client:
            await model.generate_content_async("Hi")
            tasks = [model.generate_content_async("Hi", request_options=SHORT) for _ in range(calls)]
            return await asyncio.gather(*tasks, return_exceptions=True)

    return asyncio.run(run())


@pytest.mark.parametrize("run_calls", [call_in_threads, call_in_tasks], ids=["threads", "tasks"])
def test_no_call_sent_too_late_for_reply(connect: Connect, run_calls: Callable[[genai.Client, int], list[Any]]) -> None:
    """Of more calls than the rate limit allows, only those are sent that leave time for a reply; the others fail."""
    script, calls = SlowEngine(), 40
    with serve(script) as server:
        rate_limit = types.RateLimit(requests_per_minute=600, burst_seconds=0)
        results = run_calls(connect(server, rate_limit=rate_limit), calls)
    refused = [result for result in results if isinstance(result, errors.DeadlineExceeded)]
    assert {error.attempts for error in refused} == {0}
    assert 1 + calls - len(refused) == len(script.requests)
    assert len(refused) < calls


@with_client(max_in_flight=1)
def test_stream_in_flight_to_its_end(
    client: genai.Client, api: Api, model: genai.GenerativeModel, script: ScriptEngine
) -> None:
    """A stream holds its slot until it is read to its end, closed or dropped."""
    for _ in range(3):
        script.reply("One,", " two").reply("Hello")
    for end in ("read", "close", "drop"):
        response: Any = api.generate(model, "Count", stream=True)
        if end == "read":
            with pytest.raises(errors.DeadlineExceeded, match="1 calls were in flight, the client's max_in_flight"):
                api.generate(model, "Hi", request_options={"timeout": 0.2})
            api.resolve(response)
        elif end == "close":
            api.close(response)
        else:
            del response
            gc.collect()
        assert api.generate(model, "Hi").text == "Hello"


@with_client(max_in_flight=1)
def test_cancelled_while_waiting_for_slot(
    client: genai.Client, model: genai.GenerativeModel, script: ScriptEngine
) -> None:
    """A task that is cancelled while it waits for a slot takes none."""

    async def cancel_waiting_task() -> str:
        async with client:
            stream = await model.generate_content_async("Count", stream=True)
            waiting = asyncio.create_task(model.generate_content_async("Hi"))
            await asyncio.sleep(0.05)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            await stream.resolve()
            return (await model.generate_content_async("Hi")).text

    script.reply("One,", " two").reply("Hello")
    assert asyncio.run(cancel_waiting_task()) == "Hello"


def test_key_change(connect: Connect, api: Api, script: ScriptEngine) -> None:
    """The key of a client changes by `update_api_key`, or by what its key function returns."""
    with serve(script, api_key="second") as server:
        client = connect(server, "first")
        model = genai.GenerativeModel(client=client)
        with pytest.raises(errors.Unauthenticated):
            api.generate(model, "Hi")
        client.update_api_key("second")
        script.reply("Hello").reply("Again")
        assert api.generate(model, "Hi").text == "Hello"
        keys = iter(["second", "third"])
        model = genai.GenerativeModel(client=genai.Client(lambda: next(keys), endpoint=server.endpoint))
        assert api.generate(model, "Hi").text == "Again"
        with pytest.raises(errors.Unauthenticated):
            api.generate(model, "Hi")


def test_new_key_over_plaintext() -> None:
    """A new key over plaintext to another machine is refused."""
    client = genai.Client(endpoint="http://192.0.2.1", api_key="")
    with pytest.raises(errors.ConfigurationError, match="plaintext"):
        client.update_api_key("a-key")


def test_channel_options(server: Server, script: ScriptEngine) -> None:
    """A client's channel arguments override those of this package."""
    script.reply("x" * 5000)
    options = [("grpc.max_receive_message_length", 1000)]
    client = genai.Client(endpoint=server.endpoint, channel_options=options)
    with pytest.raises(errors.ResourceExhausted, match="larger than max"):
        genai.GenerativeModel(client=client).generate_content("Hi")


@over_grpc
def test_channels_closed_with_loop(
    server: Server, model: genai.GenerativeModel, client: genai.Client, script: ScriptEngine
) -> None:
    """asyncio.run closes the channels of its event loop at its end."""
    script.reply("Hello").reply("Hello")
    del server

    async def call() -> Any:
        await model.generate_content_async("Hi")
        return channels_of(client).channels[0].channel

    for _ in range(2):
        channel = asyncio.run(call())
        assert channel.get_state() is grpc.ChannelConnectivity.SHUTDOWN


def test_metadata(api: Api, script: ScriptEngine) -> None:
    """A server gets the key, the routing parameter, the client library and the user agent."""
    metadata: dict[str, str] = {}
    server = grpc.server(ThreadPoolExecutor(1))

    class Handler(grpc.GenericRpcHandler):
        def service(self, handler_call_details: Any) -> Any:
            metadata.update(handler_call_details.invocation_metadata)
            return None

    server.add_generic_rpc_handlers((Handler(),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        client = genai.Client("k", endpoint=f"http://127.0.0.1:{port}", user_agent="app/1")
        with pytest.raises(errors.MethodNotImplemented):
            api.generate(genai.GenerativeModel("m", client=client), "Hi")
        client.close()
    finally:
        server.stop(None).wait()
    assert metadata["x-goog-request-params"] == "model=models/m"
    assert metadata["x-goog-api-client"].startswith("gl-python/")
    assert metadata["x-goog-api-key"] == "k"
    assert metadata["user-agent"].startswith(f"app/1 genai-grpc/{genai.__version__} grpc-python")
