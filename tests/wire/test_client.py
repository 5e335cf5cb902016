"""What a client does around its calls: limits, keys, deadlines between chunks, interceptors, connections."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import gc
import socket
import socketserver
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import grpc
import grpc.aio
import pytest

import genai_grpc as genai
from genai_grpc import errors, types
from genai_grpc.local import STALL, Delay, ScriptEngine, serve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from genai_grpc.local.server import Server
    from tests.conftest import Api


@pytest.fixture(params=[{}], ids=[""])
def client(server: Server, request: pytest.FixtureRequest) -> Iterator[genai.Client]:
    """A client of `server`, with the arguments of the test."""
    with genai.Client(endpoint=server.endpoint, **request.param) as connected:
        yield connected


def with_client(**arguments: Any) -> pytest.MarkDecorator:
    """Give the test's client these arguments."""
    return pytest.mark.parametrize("client", [arguments], indirect=True, ids=[",".join(arguments)])


@with_client(idle_timeout=0.3)
def test_an_idle_stream(api: Api, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """A stream whose next chunk does not come fails with DeadlineExceeded; the chunks before it are there."""
    script.reply("One,", " two", STALL)
    response = api.generate(model, "Count", stream=True)
    chunks = api.chunks(response)
    assert [api.next(chunks).text, api.next(chunks).text] == ["One,", " two"]
    with pytest.raises(errors.DeadlineExceeded, match=r"no chunk came for 0\.3 s, the idle_timeout"):
        api.next(chunks)
    script.wait_cancelled()


@with_client(idle_timeout=0.3)
def test_an_idle_program(api: Api, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """It is the service that may be idle for no longer, not the program that reads."""
    script.reply("One,", " two", " three")
    response = api.generate(model, "Count", stream=True)
    chunks = api.chunks(response)
    assert api.next(chunks).text == "One,"
    time.sleep(0.7)  # a reader that takes its time
    assert [api.next(chunks).text, api.next(chunks).text] == [" two", " three"]
    assert api.next(chunks) is None


def test_an_idle_timeout_of_its_own(api: Api, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """One call may have less patience than its client, its first chunk included."""
    script.reply(STALL)
    with pytest.raises(errors.DeadlineExceeded, match=r"no chunk came for 0\.2 s"):
        api.generate(model, "Count", stream=True, request_options={"idle_timeout": 0.2, "retry": None})


@with_client(idle_timeout=0.4)
def test_a_slow_stream_is_not_idle(api: Api, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """A stream may take longer than its idle timeout, as long as no chunk does."""
    script.reply("a", Delay(0.2), "b", Delay(0.2), "c", Delay(0.2), "d")
    response = api.generate(model, "Count", stream=True)
    api.resolve(response)
    assert response.text == "abcd"


class Crowd(ScriptEngine):
    """A script that notes how many requests it answers at once."""

    now = most = 0

    async def generate(self, request: Any) -> Any:
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            async for chunk in super().generate(request):
                yield chunk
        finally:
            self.now -= 1


def test_no_more_in_flight() -> None:
    """Calls past the bound wait in line, of whichever api they are, and all get their answer."""
    script = Crowd()
    for number in range(12):
        script.reply(f"{number}", Delay(0.05))

    async def asking(model: genai.GenerativeModel) -> list[str]:
        responses = await asyncio.gather(*(model.generate_content_async("Hi") for _ in range(6)))
        return [response.text for response in responses]

    with serve(script) as server, genai.Client(endpoint=server.endpoint, max_in_flight=2) as client:
        model = genai.GenerativeModel(client=client)
        with ThreadPoolExecutor(7) as pool:
            sync = [pool.submit(lambda: model.generate_content("Hi").text) for _ in range(6)]
            answers = pool.submit(asyncio.run, asking(model)).result() + [each.result() for each in sync]
    assert sorted(answers, key=int) == [str(number) for number in range(12)]
    assert script.most == 2


class Slow(ScriptEngine):
    """Answers everything, in half a second."""

    async def generate(self, request: Any) -> Any:
        self.reply("Hello", Delay(0.5))
        async for chunk in super().generate(request):
            yield chunk


QUICK: Any = {"timeout": 2}


def burst_of_threads(client: genai.Client, calls: int) -> list[Any]:
    """What came of calls of so many threads, after a first one."""
    model = genai.GenerativeModel(client=client)
    model.generate_content("Hi")
    with client, ThreadPoolExecutor(calls) as pool:
        running = [pool.submit(model.generate_content, "Hi", request_options=QUICK) for _ in range(calls)]
        return [each.exception() or each.result() for each in running]


def burst_of_tasks(client: genai.Client, calls: int) -> list[Any]:
    """What came of calls of so many tasks, after a first one."""
    model = genai.GenerativeModel(client=client)

    async def burst() -> list[Any]:
        async with client:
            await model.generate_content_async("Hi")
            running = [model.generate_content_async("Hi", request_options=QUICK) for _ in range(calls)]
            return await asyncio.gather(*running, return_exceptions=True)

    return asyncio.run(burst())


@pytest.mark.parametrize("burst", [burst_of_threads, burst_of_tasks], ids=["threads", "tasks"])
def test_nothing_is_sent_too_late_to_be_answered(burst: Callable[[genai.Client, int], list[Any]]) -> None:
    """Of more calls than the rate has turns for, those are sent that can be answered, and the others are refused."""
    script, calls = Slow(), 40
    with serve(script) as server:
        limit = types.RateLimit(requests_per_minute=600, burst_seconds=0)
        came = burst(genai.Client(endpoint=server.endpoint, rate_limit=limit), calls)
    refused = [each for each in came if isinstance(each, errors.DeadlineExceeded)]
    assert {error.attempts for error in refused} == {0}
    assert 1 + calls - len(refused) == len(script.requests)
    assert len(refused) < calls


@with_client(max_in_flight=1)
def test_a_stream_is_in_flight_to_its_end(
    client: genai.Client, api: Api, model: genai.GenerativeModel, script: ScriptEngine
) -> None:
    """A stream keeps its place until it is read to its end, closed, or dropped; the next call waits so long."""
    for _ in range(3):
        script.reply("One,", " two").reply("Hello")
    quick = {"timeout": 0.2}
    for end in ("read", "close", "drop"):
        response: Any = api.generate(model, "Count", stream=True)
        if end == "read":
            with pytest.raises(errors.DeadlineExceeded, match="1 calls were in flight, the client's max_in_flight"):
                api.generate(model, "Hi", request_options=quick)
            api.resolve(response)
        elif end == "close":
            api.close(response)
        else:
            del response
            gc.collect()
        assert api.generate(model, "Hi").text == "Hello"


@with_client(max_in_flight=1)
def test_ctrl_c_in_line(client: genai.Client, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """A task that is cancelled while it waits in line takes nobody's place."""

    async def asking() -> str:
        async with client:
            held = await model.generate_content_async("Count", stream=True)
            waiting = asyncio.create_task(model.generate_content_async("Hi"))
            await asyncio.sleep(0.05)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            await held.resolve()
            return (await model.generate_content_async("Hi")).text

    script.reply("One,", " two").reply("Hello")
    assert asyncio.run(asking()) == "Hello"


def test_another_key(api: Api, script: ScriptEngine) -> None:
    """A client's key can be replaced while it lives, by hand or by the function that it was given."""
    with serve(script, api_key="second") as guarded:
        client = genai.Client("first", endpoint=guarded.endpoint)
        model = genai.GenerativeModel(client=client)
        with pytest.raises(errors.Unauthenticated):
            api.generate(model, "Hi")
        client.update_api_key("second")
        script.reply("Hello").reply("Again")
        assert api.generate(model, "Hi").text == "Hello"
        keys = iter(["second", "third"])
        model = genai.GenerativeModel(client=genai.Client(lambda: next(keys), endpoint=guarded.endpoint))
        assert api.generate(model, "Hi").text == "Again"
        with pytest.raises(errors.Unauthenticated):
            api.generate(model, "Hi")


def test_a_key_in_place_of_another_over_plaintext() -> None:
    """The rule for keys and plaintext holds for a new key too."""
    client = genai.Client(endpoint="http://192.0.2.1", api_key="")
    with pytest.raises(errors.ConfigurationError, match="plaintext"):
        client.update_api_key("a-key")


class Seen(grpc.UnaryUnaryClientInterceptor, grpc.UnaryStreamClientInterceptor):
    """An interceptor of gRPC's for sync calls, which notes them."""

    def __init__(self, seen: list[str]) -> None:
        self.seen = seen

    def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:
        self.seen.append(details.method.rpartition("/")[2])
        return continuation(details, request)

    def intercept_unary_stream(self, continuation: Any, details: Any, request: Any) -> Any:
        return self.intercept_unary_unary(continuation, details, request)


class SeenByAio(grpc.aio.UnaryUnaryClientInterceptor):
    """One for async unary calls."""

    def __init__(self, seen: list[str]) -> None:
        self.seen = seen

    async def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:
        method = details.method.decode() if isinstance(details.method, bytes) else details.method
        self.seen.append(method.rpartition("/")[2])
        return await continuation(details, request)


class SeenByAioStreams(grpc.aio.UnaryStreamClientInterceptor):
    """One for async streams."""

    def __init__(self, seen: list[str]) -> None:
        self.seen = seen

    async def intercept_unary_stream(self, continuation: Any, details: Any, request: Any) -> Any:
        method = details.method.decode() if isinstance(details.method, bytes) else details.method
        self.seen.append(method.rpartition("/")[2])
        return await continuation(details, request)


class Recorder(types.Interceptor):
    """An interceptor of this package's that records its callbacks."""

    def __init__(self, seen: list[str], name: str = "") -> None:
        self.seen = seen
        self.name = name

    def before(self, call: types.CallInfo) -> str:
        request: Any = call.request
        self.seen.append(f"{self.name}before")
        return f"{call.method.rpartition('/')[2]} {request.contents[0].parts[0].text} {call.streaming}"

    def attempt(self, state: str, number: int) -> None:
        self.seen.append(f"{self.name}attempt {number}")

    def first_chunk(self, state: str) -> None:
        self.seen.append(f"{self.name}first chunk")

    def after(self, state: str, error: BaseException | None, reply: Any) -> None:
        text = reply.candidates[0].content.parts[0].text if reply is not None else None
        self.seen.append(f"{self.name}after {state}: {error!r} {text}")


def test_interceptors(api: Api, server: Server, script: ScriptEngine) -> None:
    """Interceptors of gRPC see each attempt; those of this package see a whole call, retries included."""
    seen: list[str] = []
    interceptors = [Seen(seen), SeenByAio(seen), SeenByAioStreams(seen), Recorder(seen)]
    retry = types.RetryPolicy(initial_backoff=0)
    client = genai.Client(endpoint=server.endpoint, interceptors=interceptors, retry=retry)
    model = genai.GenerativeModel(client=client)
    script.reply(errors.ServiceUnavailable("no")).reply("Hello").reply("One,", " two")
    assert api.generate(model, "Hi").text == "Hello"
    assert seen == [
        *("before", "attempt 1", "GenerateContent", "attempt 2", "GenerateContent"),
        "after GenerateContent Hi False: None Hello",
    ]
    seen.clear()
    response = api.generate(model, "Hi", stream=True)
    assert seen == ["before", "attempt 1", "StreamGenerateContent", "first chunk"]
    api.resolve(response)
    assert response.text == "One, two"
    assert seen[4:] == ["after StreamGenerateContent Hi True: None  two"]


def test_several_interceptors(api: Api, server: Server, script: ScriptEngine) -> None:
    """The first interceptor is the outermost, and each learns how a call failed."""
    seen: list[str] = []
    client = genai.Client(endpoint=server.endpoint, interceptors=[Recorder(seen, "a "), Recorder(seen, "b ")])
    script.reply(errors.NotFound("no"))
    with pytest.raises(errors.NotFound):
        api.generate(genai.GenerativeModel(client=client), "Hi")
    ended = "after GenerateContent Hi False: NotFound('no') None"
    assert seen == ["a before", "b before", "a attempt 1", "b attempt 1", f"b {ended}", f"a {ended}"]


@pytest.mark.parametrize("callback", ["before", "attempt", "first_chunk"])
def test_an_interceptor_that_raises(
    api: Api, server: Server, script: ScriptEngine, callback: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An exception of a callback fails the call, ends the stream, and reaches the interceptors around it."""

    def fail(*_: object) -> None:
        raise LookupError(callback)

    seen: list[str] = []
    broken = types.Interceptor()
    monkeypatch.setattr(broken, callback, fail)
    client = genai.Client(endpoint=server.endpoint, interceptors=[Recorder(seen), broken], max_in_flight=1)
    model = genai.GenerativeModel(client=client)
    if callback == "first_chunk":
        script.reply("Hello", STALL)
    with pytest.raises(LookupError, match=callback):
        api.generate(model, "Hi", stream=True)
    assert seen[-1] == f"after StreamGenerateContent Hi True: LookupError('{callback}') None"
    monkeypatch.undo()
    script.reply("Again")
    assert api.generate(model, "Hi").text == "Again"


def test_what_is_no_interceptor(server: Server) -> None:
    """Something that is no interceptor is refused at the first call, with what is one."""
    client = genai.Client(endpoint=server.endpoint, interceptors=[print])
    with pytest.raises(errors.ConfigurationError, match="got builtin_function_or_method"):
        genai.GenerativeModel(client=client).generate_content("Hi")


def test_channel_options(server: Server, script: ScriptEngine) -> None:
    """A program's channel arguments stand over this package's."""
    script.reply("x" * 5000)
    options = [("grpc.max_receive_message_length", 1000)]
    client = genai.Client(endpoint=server.endpoint, channel_options=options)
    with pytest.raises(errors.ResourceExhausted, match="larger than max"):
        genai.GenerativeModel(client=client).generate_content("Hi")


def test_a_loops_connections_end_with_it(
    server: Server, model: genai.GenerativeModel, client: genai.Client, script: ScriptEngine
) -> None:
    """asyncio.run closes the connections of its loop, without a word from the program."""
    script.reply("Hello").reply("Hello")
    del server

    async def ask() -> Any:
        await model.generate_content_async("Hi")
        return client._connect().channels.aio().channels[0].channel

    for _ in range(2):
        channel = asyncio.run(ask())
        assert channel.get_state() is grpc.ChannelConnectivity.SHUTDOWN


def test_the_metadata_that_arrives(api: Api, script: ScriptEngine) -> None:
    """A server sees the routing parameter, the library and the user agent as Google's clients send them."""
    seen: dict[str, str] = {}

    server = grpc.server(ThreadPoolExecutor(1))

    class Handler(grpc.GenericRpcHandler):
        def service(self, handler_call_details: Any) -> Any:
            seen.update(handler_call_details.invocation_metadata)
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
    assert seen["x-goog-request-params"] == "model=models/m"
    assert seen["x-goog-api-client"].startswith("gl-python/")
    assert seen["x-goog-api-key"] == "k"
    assert seen["user-agent"].startswith(f"app/1 genai-grpc/{genai.__version__} grpc-python")


class Tunnel(socketserver.StreamRequestHandler):
    """What an HTTP proxy does with CONNECT: every name leads to the test's server."""

    target: tuple[str, int]
    asked: list[str]

    def handle(self) -> None:
        lines = list(iter(lambda: self.rfile.readline().decode().strip(), ""))
        self.asked += [line for line in lines if line.startswith(("CONNECT", "Proxy-Authorization"))]
        self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        with socket.create_connection(self.target) as up:
            back = threading.Thread(target=self._pass, args=(up, self.connection))
            back.start()
            self._pass(self.connection, up)
            back.join()

    @staticmethod
    def _pass(source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)


def test_a_proxy(api: Api, server: Server, script: ScriptEngine) -> None:
    """A client's own proxy carries its calls, and is told its password; others' calls do not go there."""
    asked: list[str] = []
    handler = type("Here", (Tunnel,), {"target": ("127.0.0.1", server.port), "asked": asked})
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) as proxy:
        proxy.daemon_threads = True
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        url = f"http://me:hunter2@127.0.0.1:{proxy.server_address[1]}"
        through = genai.Client(endpoint="http://gemini.invalid:50051", proxy=url)
        script.reply("Hello").reply("Direct")
        assert api.generate(genai.GenerativeModel(client=through), "Hi").text == "Hello"
        assert asked[0] == "CONNECT gemini.invalid:50051 HTTP/1.1"
        assert asked[1] == "Proxy-Authorization: Basic " + base64.b64encode(b"me:hunter2").decode()
        direct = genai.Client(endpoint=server.endpoint, proxy="")
        assert api.generate(genai.GenerativeModel(client=direct), "Hi").text == "Direct"
        assert len(asked) == 2
        api.close_client(through)
        api.close_client(direct)
        proxy.shutdown()


def test_closing_while_calls_begin(server: Server, script: ScriptEngine) -> None:
    """A client closed by one thread while others call ends their calls as cancelled, and never otherwise."""
    client = genai.Client(endpoint=server.endpoint, retry=types.RetryPolicy(max_attempts=1))
    model = genai.GenerativeModel(client=client)
    for _ in range(300):
        script.reply("Hello")
    stop, ends = threading.Event(), list[str]()

    def calling() -> None:
        while not stop.is_set() and len(ends) < 250:
            try:
                ends.append(model.generate_content("Hi").text)
            except errors.Cancelled:
                ends.append("cancelled")

    with ThreadPoolExecutor(4) as pool:
        threads = [pool.submit(calling) for _ in range(4)]
        for _ in range(20):
            client.close()
            time.sleep(0.005)
        stop.set()
        for thread in threads:
            thread.result()
    client.close()
    assert set(ends) <= {"Hello", "cancelled"}
    while len(script.requests) < 300:  # what is left of the script
        model.generate_content("Hi")
