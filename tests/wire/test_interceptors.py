"""Interceptors of gRPC and of this package, over real gRPC."""

from __future__ import annotations

from typing import Any

import grpc
import grpc.aio
import pytest

import genai_grpc as genai
from genai_grpc import errors, types
from genai_grpc.local import STALL, ScriptEngine
from genai_grpc.local.server import Server
from tests.conftest import Api, Connect
from tests.recording_server import RecordingServer


class SyncRecorder(grpc.UnaryUnaryClientInterceptor, grpc.UnaryStreamClientInterceptor):
    """A gRPC interceptor that records sync calls."""

    def __init__(self, events: list[str]) -> None:
        self.events = events

    def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:
        self.events.append(method_name(details))
        return continuation(details, request)

    def intercept_unary_stream(self, continuation: Any, details: Any, request: Any) -> Any:
        return self.intercept_unary_unary(continuation, details, request)


class AsyncUnaryRecorder(grpc.aio.UnaryUnaryClientInterceptor):
    """A gRPC interceptor that records async unary calls."""

    def __init__(self, events: list[str]) -> None:
        self.events = events

    async def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:
        self.events.append(method_name(details))
        return await continuation(details, request)


class AsyncStreamRecorder(grpc.aio.UnaryStreamClientInterceptor):
    """A gRPC interceptor that records async streams."""

    def __init__(self, events: list[str]) -> None:
        self.events = events

    async def intercept_unary_stream(self, continuation: Any, details: Any, request: Any) -> Any:
        self.events.append(method_name(details))
        return await continuation(details, request)


def method_name(details: Any) -> str:
    """The name of the method called, whose path grpc.aio gives as bytes."""
    path: str = details.method.decode() if isinstance(details.method, bytes) else details.method
    return path.rpartition("/")[2]


class Recorder(types.Interceptor):
    """An interceptor of this package that records its callbacks."""

    def __init__(self, events: list[str], name: str = "") -> None:
        self.events = events
        self.name = name

    def before(self, call: types.CallInfo) -> str:
        request: Any = call.request
        self.events.append(f"{self.name}before")
        return f"{call.method.rpartition('/')[2]} {request.contents[0].parts[0].text} {call.streaming}"

    def attempt(self, state: str, number: int) -> None:
        self.events.append(f"{self.name}attempt {number}")

    def first_chunk(self, state: str) -> None:
        self.events.append(f"{self.name}first chunk")

    def after(self, state: str, error: BaseException | None, reply: Any) -> None:
        text = reply.candidates[0].content.parts[0].text if reply is not None else None
        self.events.append(f"{self.name}after {state}: {error!r} {text}")


def test_interceptors(api: Api, server: Server, script: ScriptEngine) -> None:
    """Interceptors of gRPC see each attempt; those of this package see a whole call, retries included."""
    events: list[str] = []
    interceptors = [SyncRecorder(events), AsyncUnaryRecorder(events), AsyncStreamRecorder(events), Recorder(events)]
    retry = types.RetryPolicy(initial_backoff=0)
    client = genai.Client(endpoint=server.endpoint, interceptors=interceptors, retry=retry)
    model = genai.GenerativeModel(client=client)
    script.reply(errors.ServiceUnavailable("no")).reply("Hello").reply("One,", " two")
    assert api.generate(model, "Hi").text == "Hello"
    assert events == [
        *("before", "attempt 1", "GenerateContent", "attempt 2", "GenerateContent"),
        "after GenerateContent Hi False: None Hello",
    ]
    events.clear()
    response = api.generate(model, "Hi", stream=True)
    assert events == ["before", "attempt 1", "StreamGenerateContent", "first chunk"]
    api.resolve(response)
    assert response.text == "One, two"
    assert events[4:] == ["after StreamGenerateContent Hi True: None  two"]


def test_several_interceptors(connect: Connect, api: Api, server: Server, script: ScriptEngine) -> None:
    """The first interceptor is the outermost; `after` gets the error of a failed call."""
    events: list[str] = []
    client = connect(server, interceptors=[Recorder(events, "a "), Recorder(events, "b ")])
    script.reply(errors.NotFound("no"))
    with pytest.raises(errors.NotFound):
        api.generate(genai.GenerativeModel(client=client), "Hi")
    after = "after GenerateContent Hi False: NotFound('no') None"
    assert events == ["a before", "b before", "a attempt 1", "b attempt 1", f"b {after}", f"a {after}"]


@pytest.mark.parametrize("callback", ["before", "attempt", "first_chunk"])
def test_callback_that_raises(
    connect: Connect, api: Api, server: Server, script: ScriptEngine, callback: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An exception of a callback fails the call, cancels its stream, and is passed to the outer interceptors."""

    def fail(*_: object) -> None:
        raise LookupError(callback)

    events: list[str] = []
    broken = types.Interceptor()
    monkeypatch.setattr(broken, callback, fail)
    client = connect(server, interceptors=[Recorder(events), broken], max_in_flight=1)
    model = genai.GenerativeModel(client=client)
    if callback == "first_chunk":
        script.reply("Hello", STALL)
    with pytest.raises(LookupError, match=callback):
        api.generate(model, "Hi", stream=True)
    assert events[-1] == f"after StreamGenerateContent Hi True: LookupError('{callback}') None"
    monkeypatch.undo()
    script.reply("Again")
    assert api.generate(model, "Hi").text == "Again"


def test_not_an_interceptor(connect: Connect, server: Server) -> None:
    """An object that is not an interceptor is refused at the first call."""
    client = connect(server, interceptors=[print])
    with pytest.raises(errors.ConfigurationError, match="got builtin_function_or_method"):
        genai.GenerativeModel(client=client).generate_content("Hi")


class Metadata(types.Interceptor):
    """An interceptor that adds metadata to each call, and records how the call ended."""

    def __init__(self, pairs: Any) -> None:
        self.pairs = pairs
        self.error: BaseException | None = None

    def before(self, call: types.CallInfo) -> str:
        return call.method

    def metadata(self, state: str) -> Any:
        return self.pairs

    def after(self, state: str, error: BaseException | None, reply: Any) -> None:
        self.error = error


@pytest.mark.parametrize("stream", [False, True])
def test_metadata(api: Api, stream: bool) -> None:
    """The metadata of interceptors goes out with each attempt, after that of the program."""
    first, second = Metadata({"X-First": "1", "x-first-bin": b"\xff"}), Metadata([("x-second", "2")])
    retry = types.RetryPolicy(initial_backoff=0)
    with RecordingServer(failures=1) as server:
        client = genai.Client(endpoint=server.endpoint, interceptors=[first, second], retry=retry)
        options = {"metadata": [("x-own", "0")]}
        api.resolve(api.generate(genai.GenerativeModel(client=client), "Hi", stream=stream, request_options=options))
        api.close_client(client)
    assert len(server.received) == 2
    for received in server.received:
        names = [name for name in received if name.startswith(("x-own", "x-first", "x-second"))]
        assert names == ["x-own", "x-first", "x-first-bin", "x-second"]
        assert received["x-first-bin"] == b"\xff"


@pytest.mark.parametrize(
    ("pairs", "error"),
    [([("x-é", "1")], ValueError), ({"x-name": "é"}, ValueError), ([("x-name", b"1")], TypeError)],
    ids=["name", "value", "bytes"],
)
def test_invalid_metadata(
    connect: Connect, api: Api, server: Server, script: ScriptEngine, pairs: Any, error: type[Exception]
) -> None:
    """Metadata that gRPC cannot carry fails the call before anything is sent, and `after` gets the error."""
    interceptor = Metadata(pairs)
    client = connect(server, interceptors=[interceptor])
    with pytest.raises(error):
        api.generate(genai.GenerativeModel(client=client), "Hi")
    assert isinstance(interceptor.error, error)
    assert not script.requests


def test_key_over_plaintext(api: Api) -> None:
    """A token that an interceptor adds is not sent over plaintext to another machine; `after` gets the error."""
    interceptor = Metadata([("authorization", "Bearer token")])
    client = genai.Client(endpoint="http://192.0.2.1", interceptors=[interceptor])
    with pytest.raises(errors.ConfigurationError, match="plaintext"):
        api.generate(genai.GenerativeModel(client=client), "Hi")
    assert isinstance(interceptor.error, errors.ConfigurationError)
