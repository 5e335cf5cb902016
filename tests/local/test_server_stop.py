"""Stops of a server whose engine does not end its work."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc  # type: ignore[import-untyped]  # ships no types

from genai_grpc import local, protos
from genai_grpc.local.engines.script import STALL, ScriptEngine
from genai_grpc.local.server import Server
from genai_grpc_protos.v1beta.generative_service_pb2_grpc import GenerativeServiceStub
from tests.local.services.wire import to_request


class Stuck(ScriptEngine):
    """An engine that is stuck in one of its methods until it is released."""

    def __init__(self) -> None:
        super().__init__()
        self.released, self.entered = threading.Event(), threading.Event()
        self.channel: Any = None
        self.call: Any = None

    def release(self) -> None:
        """Let the method return."""
        self.released.set()
        self.channel.close()


class BlocksAThread(Stuck):
    async def generate(self, request: protos.GenerateContentRequest) -> Any:
        self.entered.set()
        await asyncio.to_thread(self.released.wait)
        yield protos.GenerateContentResponse()


class BlocksTheLoop(Stuck):
    async def generate(self, request: protos.GenerateContentRequest) -> Any:
        self.entered.set()
        self.released.wait()
        yield protos.GenerateContentResponse()


class IgnoresCancellation(Stuck):
    async def generate(self, request: protos.GenerateContentRequest) -> Any:
        self.entered.set()
        while not self.released.is_set():
            try:  # noqa: SIM105 -- this is what it stands for
                await asyncio.sleep(0.05)
            except asyncio.CancelledError:
                pass
        yield protos.GenerateContentResponse()


class NeverCloses(Stuck):
    async def generate(self, request: protos.GenerateContentRequest) -> Any:
        self.entered.set()
        await asyncio.sleep(3600)
        yield protos.GenerateContentResponse()

    async def aclose(self) -> None:
        await asyncio.sleep(3600)


def _stop(server: Server) -> None:
    with server:
        _call(server)


def _stop_async(server: Server) -> None:
    async def main() -> None:
        async with server:
            await asyncio.to_thread(_call, server)

    asyncio.run(main())


def _call(server: Server) -> None:
    """Begin a call, and wait until the engine is in it."""
    (engine,) = server.engines
    assert isinstance(engine, Stuck)
    engine.channel = grpc.insecure_channel(server.address)
    engine.call = GenerativeServiceStub(engine.channel).StreamGenerateContent(to_request())
    assert engine.entered.wait(30)


@pytest.fixture(params=[_stop, _stop_async])
def stop(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Server], None]]:
    """Run a `with` block, sync or async, that ends while a call is in its engine."""
    monkeypatch.setattr("genai_grpc.local.server._STOP_SECONDS", 3.0)
    monkeypatch.setattr("genai_grpc.local.server._CLOSE_SECONDS", 0.3)
    yield request.param
    for thread in threading.enumerate():
        if thread.name == "genai-grpc-local":
            thread.join(60)  # so that no other test meets it


def test_thread_that_blocks(stop: Callable[[Server], None]) -> None:
    """An engine that waits for a thread for ever does not delay the stop: its call ends, and the thread is a daemon."""
    engine = BlocksAThread()
    stop(local.serve(engine))
    engine.release()


@pytest.mark.parametrize(
    ("engine_type", "message"),
    [
        (BlocksTheLoop, r"genai-grpc-local did not stop; it is abandoned in .*threading\.py:\d+, wait"),
        (IgnoresCancellation, r"1 calls did not end within 1\.5 s of their cancellation; .* must let CancelledError"),
        (NeverCloses, r"the engine NeverCloses \(models/script\) did not close within 0\.3 s"),
    ],
)
def test_engine_that_never_returns(stop: Callable[[Server], None], engine_type: type[Stuck], message: str) -> None:
    """A stop gives up an engine that never returns, with a TimeoutError that says what is at work."""
    engine = engine_type()
    try:
        with pytest.raises(TimeoutError, match=message):
            stop(local.serve(engine))
    finally:
        engine.release()


def test_grace_of_other_calls() -> None:
    """A call of another service, here a health watch, may last as long as the grace; it is no engine that hangs."""
    with local.serve(ScriptEngine()) as server, grpc.insecure_channel(server.address) as channel:
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
        next(watch)
        server.stop(grace=2.0)
        assert next(watch).status == health_pb2.HealthCheckResponse.NOT_SERVING
        with pytest.raises(grpc.RpcError, match="UNAVAILABLE"):
            next(watch)


def test_stop_during_the_start() -> None:
    """A stop while an engine starts ends the start with an error, and closes the engines before it."""
    entered = threading.Event()

    class Slow(ScriptEngine):
        async def start(self) -> None:
            entered.set()
            await asyncio.sleep(3600)

    closed = threading.Event()

    class First(ScriptEngine):
        async def aclose(self) -> None:
            closed.set()

    server = local.serve(First(), Slow(name="slow"))
    errors: list[BaseException] = []

    def start() -> None:
        try:
            server.start()
        except RuntimeError as error:
            errors.append(error)

    starting = threading.Thread(target=start)
    starting.start()
    assert entered.wait(30)
    server.stop()
    starting.join(30)
    assert [str(error) for error in errors] == ["the server was stopped before it listened"]
    assert closed.is_set()


def test_exit_of_a_program() -> None:
    """A program whose engine blocks a thread for ever exits when its server has stopped."""
    program = """if True:
        import asyncio, threading
        import grpc
        from genai_grpc import local, protos
        from genai_grpc_protos.v1beta.generative_service_pb2_grpc import GenerativeServiceStub
        entered = threading.Event()
        class Engine(local.ScriptEngine):
            async def generate(self, request):
                await asyncio.to_thread(lambda: (entered.set(), threading.Event().wait()))
                yield
        with local.serve(Engine()) as server:
            channel = grpc.insecure_channel(server.address)
            contents = [protos.Content(parts=[protos.Part(text="Hi")])]
            request = protos.GenerateContentRequest(model="models/script", contents=contents)
            call = GenerativeServiceStub(channel).GenerateContent.future(request)
            entered.wait()
        print(call.code().name)
    """
    process = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert (process.returncode, process.stdout, process.stderr) == (0, "UNAVAILABLE\n", "")


def test_abandoned_stream_leaves_nothing() -> None:
    """A client that goes away in mid-stream ends its call in the engine, and a stop has nothing to wait for."""
    script = ScriptEngine().reply("Hello", STALL)
    with local.serve(script) as server, grpc.insecure_channel(server.address) as channel:
        stream = GenerativeServiceStub(channel).StreamGenerateContent(to_request())
        next(stream)
        stream.cancel()
        script.wait_cancelled()
    assert script.cancelled_calls == 1
