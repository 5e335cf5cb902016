"""Closing a client, over real gRPC: at once, and after the calls in flight have ended."""

from __future__ import annotations

import asyncio
import copy
import pickle
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import grpc
import pytest

import genai_grpc as genai
from genai_grpc import errors, protos, testing, types
from genai_grpc._default_client import DefaultClient
from genai_grpc.caching import CachedContent
from genai_grpc.client import default_client
from genai_grpc.local import ScriptEngine, serve
from genai_grpc.local.server import Server
from tests.channels import channels_of
from tests.conftest import Api, Connect, over_grpc
from tests.waiting import wait_until
from tests.wire.test_lifecycle import start

REFUSED = "the client is closed and makes no more calls; create another"
IN_FLIGHT = "the client was closed while the call was in flight"
# Seconds that no test waits for, since all calls end before.
LONG_GRACE = 100.0


class HeldEngine(ScriptEngine):
    """Replies "One," at once, and " two" when the test sets `released`.

    Attributes:
        released: Set by the test.
        started: Calls that have arrived.
    """

    def __init__(self) -> None:
        super().__init__()
        self.released = threading.Event()
        self.started = 0

    async def generate(self, request: protos.GenerateContentRequest) -> Any:
        del request
        self.started += 1
        yield testing.response("One,", finish_reason="")
        while not self.released.is_set():  # noqa: ASYNC110 -- set by another thread
            await asyncio.sleep(0.005)
        yield testing.response(" two")


@pytest.fixture
def held() -> HeldEngine:
    """An engine whose replies end when the test says so."""
    return HeldEngine()


@pytest.fixture
def held_client(connect: Connect, held: HeldEngine) -> Iterator[genai.Client]:
    """A client of a server with this engine."""
    with serve(held) as server, connect(server) as client:
        yield client
        held.released.set()


@pytest.fixture(params=["sync", "async"])
def generate(request: pytest.FixtureRequest) -> Iterator[Callable[..., Future[str]]]:
    """Starts a call in a thread, an async one on an event loop of its own; the future has the text, or the error."""

    def generate_sync(model: genai.GenerativeModel, **arguments: Any) -> str:
        response = model.generate_content("Hi", **arguments)
        response.resolve()
        return response.text

    async def generate_async(model: genai.GenerativeModel, **arguments: Any) -> str:
        response = await model.generate_content_async("Hi", **arguments)
        await response.resolve()
        return response.text

    with ThreadPoolExecutor(8) as pool:
        if request.param == "sync":
            yield lambda model, **arguments: pool.submit(generate_sync, model, **arguments)
        else:
            yield lambda model, **arguments: pool.submit(lambda: asyncio.run(generate_async(model, **arguments)))


def close_sync(client: genai.Client, grace: float | None = None) -> None:
    client.close(grace)


def close_async(client: genai.Client, grace: float | None = None) -> None:
    asyncio.run(client.aclose(grace))


@pytest.fixture(params=[close_sync, close_async], ids=["close", "aclose"])
def close(request: pytest.FixtureRequest) -> Any:
    """Closes a client, on an event loop that has none of its calls or on none."""
    return request.param


def in_flight(client: genai.Client) -> int:
    """How many calls of a client are in flight."""
    transports = client._transports
    return 0 if transports is None else transports.admission.calls.count


def raises_closed(message: str) -> Any:
    """Expect ClientClosed with this message."""
    return pytest.raises(errors.ClientClosed, match=message)


@pytest.mark.parametrize("used", [True, False], ids=["used", "unused"])
def test_refused(connect: Connect, api: Api, server: Server, script: ScriptEngine, used: bool) -> None:
    """A closed client refuses every call, those of its models, chats, cached contents and views, and sends nothing."""
    client = connect(server)
    model = genai.GenerativeModel(client=client)
    view, chat = client.with_options(timeout=5), model.start_chat()
    cache = CachedContent.from_proto(protos.CachedContent(name="cachedContents/a"), client=client)
    if used:
        script.reply("Hello").reply("Hello")
        api.send(chat, "Hi")
        api.generate(genai.GenerativeModel(client=view), "Hi")
    sent = len(script.requests)
    for _ in range(2):  # the second time changes nothing
        api.close_client(client)
    calls: list[Callable[[], Any]] = [
        lambda: api.generate(model, "Hi"),
        lambda: api.generate(model, "Hi", stream=True),
        lambda: api.count(model, "Hi"),
        lambda: api.send(chat, "Hi"),
        lambda: api.get_model("gemini-pro", client=client),
        lambda: api.list_models(client=client),
        lambda: api.call(cache, "update", ttl=60),
        lambda: api.generate(genai.GenerativeModel(client=view), "Hi"),
        lambda: api.call(client, "connect"),
        client.__enter__,
        lambda: asyncio.run(client.__aenter__()),
    ]
    for call in calls:
        with raises_closed(REFUSED) as caught:
            call()
        assert caught.value.attempts == 0
    assert (client.closed, client.ready(), len(script.requests), len(chat.history)) == (True, False, sent, 2 * used)


def test_closed_by_block(connect: Connect, server: Server, script: ScriptEngine) -> None:
    """The end of a `with` or `async with` block closes the client."""

    async def leave_block() -> genai.Client:
        async with connect(server) as client:
            return client

    with connect(server) as client:
        script.reply("Hello")
        assert genai.GenerativeModel(client=client).generate_content("Hi").text == "Hello"
    for closed in (client, asyncio.run(leave_block())):
        with raises_closed(REFUSED):
            genai.get_model("gemini-pro", client=closed)


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "unary"])
def test_in_flight(held: HeldEngine, held_client: genai.Client, generate: Any, close: Any, stream: bool) -> None:
    """A call in flight, and a stream that is being read, end with ClientClosed when any thread closes the client."""
    future = generate(genai.GenerativeModel(client=held_client), stream=stream)
    wait_until(lambda: held.started)
    close(held_client)
    with raises_closed(IN_FLIGHT):
        future.result()
    wait_until(lambda: not in_flight(held_client))


def test_stream_at_rest(api: Api, held_client: genai.Client) -> None:
    """A stream that nobody reads while the client is closed ends with ClientClosed when it is read."""
    chunks = api.chunks(api.generate(genai.GenerativeModel(client=held_client), "Count", stream=True))
    assert api.next(chunks).text == "One,"
    api.close_client(held_client)
    with raises_closed(IN_FLIGHT):
        api.next(chunks)


WAITS: dict[str, dict[str, Any]] = {
    "for a slot": {"max_in_flight": 1},
    "for the rate limit": {"rate_limit": types.RateLimit(requests_per_minute=0.5, burst_seconds=0)},
}


@pytest.mark.parametrize("wait", WAITS)
@pytest.mark.parametrize("grace", [None, 0.1], ids=["at once", "after grace"])
def test_waiting(connect: Connect, held: HeldEngine, generate: Any, close: Any, wait: str, grace: float | None) -> None:
    """A call that waits for admission ends with ClientClosed, unsent, when the client is closed or its grace over."""
    with serve(held) as server, connect(server, **WAITS[wait]) as client:
        model = genai.GenerativeModel(client=client)
        first = generate(model)
        wait_until(lambda: held.started)
        second = generate(model)
        wait_until(lambda: in_flight(client) == 2)
        close(client, grace)
        for future in first, second:
            with raises_closed(IN_FLIGHT) as caught:
                future.result()
        assert (caught.value.attempts, held.started) == (0, 1)


def test_backoff(connect: Connect, server: Server, script: ScriptEngine, generate: Any, close: Any) -> None:
    """A call that waits for its next attempt ends with ClientClosed, and the error of its last attempt as the cause."""
    script.reply(testing.api_error("UNAVAILABLE", retry_after=LONG_GRACE))
    client = connect(server)
    future = generate(genai.GenerativeModel(client=client))
    wait_until(lambda: script.requests and client._connect().admission.limiter.in_flight == 0)
    close(client)
    with raises_closed(IN_FLIGHT) as caught:
        future.result()
    assert caught.value.attempts == 1
    assert isinstance(caught.value.__cause__, errors.ServiceUnavailable)


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "unary"])
def test_drain(connect: Connect, held: HeldEngine, generate: Any, close: Any, stream: bool) -> None:
    """With a grace, new calls are refused at once, and calls in flight or in the queue end by themselves."""
    with (
        serve(held) as server,
        connect(server, max_in_flight=2) as client,
        ThreadPoolExecutor(1) as pool,
    ):
        model = genai.GenerativeModel(client=client)
        futures = [generate(model, stream=stream) for _ in range(3)]
        wait_until(lambda: held.started == 2 and in_flight(client) == 3)
        closing = pool.submit(close, client, LONG_GRACE)
        wait_until(lambda: client.closed)
        with raises_closed(REFUSED):
            model.generate_content("Hi")
        assert not closing.done()
        held.released.set()
        assert [future.result() for future in futures] == ["One, two"] * 3
        closing.result()
    assert held.started == 3


def test_drain_retries(connect: Connect, server: Server, script: ScriptEngine, generate: Any, close: Any) -> None:
    """A call in flight may be attempted again within the grace."""
    script.reply(testing.api_error("UNAVAILABLE", retry_after=0.3)).reply("Hello")
    client = connect(server)
    future = generate(genai.GenerativeModel(client=client))
    wait_until(lambda: script.requests)
    close(client, LONG_GRACE)
    assert future.result() == "Hello"


def test_drain_without_calls(api: Api, client: genai.Client, script: ScriptEngine) -> None:
    """Closing with a grace returns at once if no call is in flight."""
    script.reply("Hello")
    api.generate(genai.GenerativeModel(client=client), "Hi")
    api.close_client(client, grace=LONG_GRACE)
    assert client.closed


def test_grace_passes(held: HeldEngine, held_client: genai.Client, generate: Any, close: Any) -> None:
    """Calls that are in flight when the grace is over end with ClientClosed."""
    futures = [generate(genai.GenerativeModel(client=held_client), stream=stream) for stream in (True, False)]
    wait_until(lambda: held.started == 2)
    close(held_client, 0.1)
    for future in futures:
        with raises_closed(IN_FLIGHT):
            future.result()


def test_second_close(held: HeldEngine, held_client: genai.Client, generate: Any, close: Any) -> None:
    """A close without a grace ends the calls that an earlier one waits for, and so the earlier one."""
    future = generate(genai.GenerativeModel(client=held_client))
    wait_until(lambda: held.started)
    with ThreadPoolExecutor(2) as pool:
        earlier = [pool.submit(each, held_client, LONG_GRACE) for each in (close_sync, close_async)]
        wait_until(lambda: held_client.closed)
        close(held_client)
        with raises_closed(IN_FLIGHT):
            future.result()
        for each in earlier:
            each.result()


@over_grpc
@pytest.mark.parametrize("grace", [None, LONG_GRACE], ids=["at once", "drain"])
def test_same_loop(held: HeldEngine, held_client: genai.Client, grace: float | None) -> None:
    """`aclose` ends or drains the calls of its own event loop, whose channels are closed when it returns."""

    async def main() -> tuple[list[Any], Any]:
        model = genai.GenerativeModel(client=held_client)
        tasks = [asyncio.create_task(model.generate_content_async("Hi")) for _ in range(2)]
        while held.started < 2:  # noqa: ASYNC110 -- in the thread of the server
            await asyncio.sleep(0.005)
        channel = channels_of(held_client).channels[0].channel
        asyncio.get_running_loop().call_later(0.05, held.released.set)
        await held_client.aclose(grace)
        return await asyncio.gather(*tasks, return_exceptions=True), channel.get_state()

    results, state = asyncio.run(main())
    assert state is grpc.ChannelConnectivity.SHUTDOWN
    if grace is None:
        assert [type(result) for result in results] == [errors.ClientClosed] * 2
    else:
        assert [result.text for result in results] == ["One, two"] * 2


@over_grpc
def test_sync_close_in_loop(held: HeldEngine, held_client: genai.Client) -> None:
    """`close` ends the async calls of the event loop that calls it, too, and closes their channels."""

    async def main() -> Any:
        task = asyncio.create_task(genai.GenerativeModel(client=held_client).generate_content_async("Hi"))
        while not held.started:  # noqa: ASYNC110 -- as above
            await asyncio.sleep(0.005)
        channel = channels_of(held_client).channels[0].channel
        held_client.close()
        with raises_closed(IN_FLIGHT):
            await task
        return channel.get_state()

    assert asyncio.run(main()) is grpc.ChannelConnectivity.SHUTDOWN


def test_stopped_loop(connect: Connect, server: Server, script: ScriptEngine) -> None:
    """A client may be closed while an event loop that it was used in does not run, and after it was closed."""
    script.reply("Hello").reply("Hello")
    client = connect(server)
    model = genai.GenerativeModel(client=client)
    stopped, ended = asyncio.new_event_loop(), asyncio.new_event_loop()
    for loop in stopped, ended:
        assert loop.run_until_complete(model.generate_content_async("Hi")).text == "Hello"
    ended.run_until_complete(ended.shutdown_asyncgens())
    ended.close()
    client.close()
    with raises_closed(REFUSED):
        stopped.run_until_complete(model.generate_content_async("Hi"))
    stopped.run_until_complete(stopped.shutdown_asyncgens())
    stopped.close()


def test_cancelled_drain(held: HeldEngine, held_client: genai.Client, generate: Any) -> None:
    """An `aclose` that is cancelled while it waits ends the calls in flight."""
    future = generate(genai.GenerativeModel(client=held_client))
    wait_until(lambda: held.started)

    async def cancel_aclose() -> None:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(held_client.aclose(LONG_GRACE), 0.1)

    asyncio.run(cancel_aclose())
    with raises_closed(IN_FLIGHT):
        future.result()


def test_closed_while_built(server: Server) -> None:
    """A client that is closed while its first call builds its transports, as by a signal handler, refuses this call."""
    clients: list[genai.Client] = []

    class Closing(types.Interceptor):
        """Closes the client when it is looked at."""

        @property  # type: ignore[misc]  # read by isinstance
        def __class__(self) -> Any:
            for client in clients:
                client.close()
            return types.Interceptor

    clients.append(genai.Client(endpoint=server.endpoint, interceptors=[Closing()]))
    with raises_closed(REFUSED):
        genai.get_model("gemini-pro", client=clients[0])


def test_signal_handler(held: HeldEngine) -> None:
    """A signal handler that closes the client ends the call of the main thread that it interrupts."""
    with serve(held) as server:
        process = start(
            """
            import signal, sys
            import genai_grpc as genai
            client = genai.Client(endpoint=sys.argv[1])
            signal.signal(signal.SIGTERM, lambda *_: client.close())
            try:
                for chunk in genai.GenerativeModel(client=client).generate_content("Hi", stream=True):
                    print(chunk.text)
            except genai.errors.ClientClosed as error:
                print(error.message)
            """,
            server.endpoint,
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "One,\n"
        process.send_signal(signal.SIGTERM)
        stdout, stderr = process.communicate(timeout=60)
        held.released.set()
    assert (stdout, stderr) == (f"{IN_FLIGHT}\n", "")


@pytest.mark.timeout(20)
def test_default_client_closed_while_built(connect: Connect, server: Server) -> None:
    """A signal handler may close the default client at any time, also on the thread that builds it."""
    built: list[genai.Client] = []

    def build() -> genai.Client:
        if not built:
            built.append(connect(server))
            default.client().close()  # as the handler does
        return connect(server)

    default = DefaultClient(build)
    with default.client() as client:
        assert default.is_client(client)


def test_race(connect: Connect, generate: Any, close: Any) -> None:
    """Calls that other threads start while the client is closed either succeed or end with ClientClosed."""
    for grace in (None, LONG_GRACE):
        engine = HeldEngine()
        engine.released.set()
        with serve(engine) as server:
            client = connect(server)
            model = genai.GenerativeModel(client=client)
            futures = [generate(model, stream=bool(number % 2)) for number in range(60)]
            while engine.started < 10:
                time.sleep(0.001)
            close(client, grace)
            errors_seen = [future.exception() for future in futures]
        assert {type(error) for error in errors_seen} <= {type(None), errors.ClientClosed}
        assert in_flight(client) == 0
        if grace:
            assert not [error for error in errors_seen if IN_FLIGHT in str(error)]


def test_loops_end_with_their_calls(caplog: pytest.LogCaptureFixture) -> None:
    """Event loops may end as soon as their calls have: gRPC reports no end of a call to a loop that is closed."""
    method = "/google.ai.generativelanguage.v1beta.GenerativeService/GenerateContent"

    async def call_until_closed(model: genai.GenerativeModel) -> None:
        calls = [model.generate_content_async("Hi") for _ in range(20)]
        for outcome in await asyncio.gather(*calls, return_exceptions=True):
            assert isinstance(outcome, errors.ClientClosed)

    with testing.LoadServer({method: [testing.response("Hello")]}, delay=100) as server, ThreadPoolExecutor(3) as pool:
        for _ in range(25):
            client = genai.Client(endpoint=server.endpoint)
            model = genai.GenerativeModel(client=client)
            loops = [pool.submit(asyncio.run, call_until_closed(model)) for _ in range(3)]
            wait_until(lambda client=client: in_flight(client) == 60)  # type: ignore[misc]
            time.sleep(0.05)  # the calls are sent
            client.close()
            for loop in loops:
                loop.result()
    assert [record.getMessage() for record in caplog.records if record.name == "asyncio"] == []


@pytest.mark.parametrize(
    ("grace", "error", "message"),
    [
        (-1, ValueError, "grace is 0 seconds or more; got -1"),
        ("5", TypeError, "grace is a number of seconds, or None; got str"),
        (True, TypeError, "got bool"),
    ],
)
def test_wrong_grace(api: Api, client: genai.Client, grace: Any, error: type[Exception], message: str) -> None:
    """A grace that is no number of seconds is refused, and the client stays open."""
    with pytest.raises(error, match=message):
        api.close_client(client, grace=grace)
    assert not client.closed


def test_default_client(server: Server, script: ScriptEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A closed default client refuses calls; calls that name no client get a new one from the same arguments."""
    monkeypatch.setenv("GENAI_GRPC_ENDPOINT", server.endpoint)
    genai.configure()
    script.reply("Hello").reply("Again")
    model = genai.GenerativeModel()
    assert model.generate_content("Hi").text == "Hello"
    first = default_client()
    first.close()
    assert model.generate_content("Hi").text == "Again"
    assert genai.get_model("gemini-pro").name == "models/gemini-pro"
    with raises_closed(REFUSED):
        genai.get_model("gemini-pro", client=first)
    assert pickle.loads(pickle.dumps(default_client())) is default_client() is not first
    default_client().close()
    genai.configure()


def test_fork_of_closed_client(server: Server) -> None:
    """A closed client stays closed in a forked child, whether it was used before or not."""
    process = start(
        """
        import os, sys
        import genai_grpc as genai
        used, unused = (genai.Client(endpoint=sys.argv[1]) for _ in range(2))
        genai.get_model("gemini-pro", client=used)
        used.close()
        unused.close()
        child = os.fork()
        for client in used, unused:
            try:
                genai.get_model("gemini-pro", client=client)
            except genai.errors.ClientClosed as error:
                assert "closed and makes no more calls" in str(error)
                os.write(1, b"refused\\n")
        if child:
            os.waitpid(child, 0)
        """,
        server.endpoint,
    )
    stdout, stderr = process.communicate(timeout=60)
    assert (stdout, stderr) == ("refused\n" * 4, "")


def test_pickle_and_copy(connect: Connect, server: Server, script: ScriptEngine) -> None:
    """A pickle of a closed client is loaded as an open one; its copies are the closed client itself."""
    client = connect(server)
    chat = genai.GenerativeModel(client=client).start_chat()
    client.close()
    with raises_closed(REFUSED):
        copy.deepcopy(chat).send_message("Hi")
    loaded = pickle.loads(pickle.dumps(chat))
    script.reply("Hello")
    with loaded.model.client:
        assert loaded.send_message("Hi").text == "Hello"


def test_error_pickles() -> None:
    """ClientClosed is pickled as what it is, for the parents of worker processes."""
    loaded = pickle.loads(pickle.dumps(errors.ClientClosed("closed", attempts=0)))
    assert (type(loaded), loaded.message, loaded.attempts) == (errors.ClientClosed, "closed", 0)
