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
from genai_grpc.local.services.generative import GenerativeService, ModelRegistry
from genai_grpc.local.state.cached_contents import CacheStore
from genai_grpc_protos.v1beta.generative_service_pb2_grpc import GenerativeServiceStub

REQUEST = protos.GenerateContentRequest(
    model="models/script", contents=[protos.Content(parts=[protos.Part(text="Hello there")])]
)


def text(response: protos.GenerateContentResponse) -> str:
    """What a response, or a chunk, says in its one part."""
    return response.candidates[0].content.parts[0].text


class Refusing(ScriptEngine):
    """An engine that may fail to start, and notes that it was closed."""

    def __init__(self, *, fails: bool = False) -> None:
        super().__init__(name="refusing" if fails else "script")
        self.fails, self.closed = fails, False

    async def start(self) -> None:
        """Fail, if it shall."""
        if self.fails:
            raise ZeroDivisionError("by accident")

    async def aclose(self) -> None:
        """Note it."""
        self.closed = True


def test_the_key_is_not_shown() -> None:
    """The key is in no repr of the server or of what it holds."""
    server = local.serve(ScriptEngine(), api_key="right-key")

    assert "right-key" not in repr(server) + repr(vars(server))


def test_stopping_ends_the_calls_in_flight() -> None:
    """A stop in mid-stream leaves the client the chunks before it, then UNAVAILABLE, and the engine has let go."""
    script = ScriptEngine().reply("Hello", STALL)
    with local.serve(script) as server, grpc.insecure_channel(server.address) as channel:
        stream = GenerativeServiceStub(channel).StreamGenerateContent(REQUEST)
        assert text(next(stream)) == "Hello"
        server.stop()
        assert script.cancelled_calls == 1
        with pytest.raises(grpc.RpcError) as ended:
            next(stream)
        with pytest.raises(grpc.RpcError, match="UNAVAILABLE"):
            GenerativeServiceStub(channel).GenerateContent(REQUEST)

    assert "UNAVAILABLE" in str(ended.value)
    assert "the local server is stopping" in str(ended.value)


def test_stopping_while_a_client_does_not_read(caplog: pytest.LogCaptureFixture) -> None:
    """A client that does not read cannot keep the server from stopping, nor make it log an error."""
    script = ScriptEngine().reply(*["x" * 1_000_000] * 100)
    with local.serve(script) as server, grpc.insecure_channel(server.address) as channel:
        stream = GenerativeServiceStub(channel).StreamGenerateContent(REQUEST)
        next(stream)
        server.stop()
        with pytest.raises(grpc.RpcError, match="UNAVAILABLE"):
            list(stream)

    assert script.cancelled_calls == 1
    assert not caplog.records


def test_a_stop_waits_for_a_write() -> None:
    """A call that is writing when the server stops gets its status after the write, never during it."""
    script = ScriptEngine().reply("Hello", STALL)
    service = GenerativeService(ModelRegistry([script]), CacheStore(), max_request_bytes=1000)  # type: ignore[abstract]  # at run time it is not
    events: list[str] = []

    class Context:
        """What the service uses of gRPC's context, with a write that takes its time."""

        def __init__(self) -> None:
            self.begun, self.release = asyncio.Event(), asyncio.Event()

        async def write(self, _: object) -> None:
            """Take the chunk once released."""
            self.begun.set()
            await self.release.wait()
            events.append("written")

        async def abort(self, code: grpc.StatusCode, *_: object) -> None:
            """Note the status."""
            events.append(code.name)

    async def main() -> None:
        context: Any = Context()
        call = asyncio.create_task(service.StreamGenerateContent(REQUEST, context))
        await context.begun.wait()
        closing = asyncio.create_task(service.close(0))
        await asyncio.sleep(0.01)  # the close finds the call in its write
        context.release.set()
        await asyncio.gather(call, closing)

    asyncio.run(main())

    assert events == ["written", "UNAVAILABLE"]
    assert script.cancelled_calls == 1


def test_a_stop_with_grace_lets_calls_end() -> None:
    """With a grace period, a call in flight may end by itself."""
    go_on = threading.Event()

    class Waiting(ScriptEngine):
        async def generate(self, request: protos.GenerateContentRequest) -> Any:
            async for chunk in super().generate(request):
                yield chunk
                await asyncio.to_thread(go_on.wait)

    with local.serve(Waiting().reply("Hello", " world")) as server, grpc.insecure_channel(server.address) as channel:
        stream = GenerativeServiceStub(channel).StreamGenerateContent(REQUEST)
        first = text(next(stream))
        stopping = threading.Thread(target=server.stop, args=(60,))
        stopping.start()
        go_on.set()
        assert first + "".join(map(text, stream)) == "Hello world"
        stopping.join()


def test_no_thread_is_left() -> None:
    """After a server has stopped, and its channel is closed, the threads are those from before."""
    before = set(threading.enumerate())
    with local.serve(ScriptEngine().reply("Hello")) as server, grpc.insecure_channel(server.address) as channel:
        GenerativeServiceStub(channel).GenerateContent(REQUEST)

    assert "genai-grpc-local" not in {thread.name for thread in set(threading.enumerate()) - before}


def test_servers_side_by_side() -> None:
    """Several servers run in one process, each on a port of its own."""
    one, two = ScriptEngine().reply("1"), ScriptEngine().reply("2")
    with local.serve(one) as first, local.serve(two) as second:
        for server, words in (second, "2"), (first, "1"):
            with grpc.insecure_channel(server.address) as channel:
                assert text(GenerativeServiceStub(channel).GenerateContent(REQUEST)) == words


def test_an_aio_client_in_the_same_process(caplog: pytest.LogCaptureFixture) -> None:
    """A client on a loop of the main thread, and the server on its own loop, do not disturb each other."""
    script = ScriptEngine()

    async def main() -> list[str]:
        async with local.serve(script) as server, grpc.aio.insecure_channel(server.address) as channel:
            stub: Any = GenerativeServiceStub(channel)

            async def one() -> str:
                return "".join([text(chunk) async for chunk in stub.StreamGenerateContent(REQUEST)])

            for _ in range(50):
                script.reply(*["x"] * 20)
            return list(await asyncio.gather(*[one() for _ in range(50)]))

    assert asyncio.run(main()) == ["x" * 20] * 50
    assert not caplog.records


def test_an_aio_client_that_cancels() -> None:
    """Cancelling the task that reads a stream closes it in the engine."""
    script = ScriptEngine().reply("Hello", STALL)

    async def main() -> None:
        async with local.serve(script) as server, grpc.aio.insecure_channel(server.address) as channel:
            stub: Any = GenerativeServiceStub(channel)
            begun = asyncio.Event()

            async def read() -> None:
                async for _ in stub.StreamGenerateContent(REQUEST):
                    begun.set()

            reading = asyncio.create_task(read())
            await begun.wait()
            reading.cancel()
            with pytest.raises(asyncio.CancelledError):
                await reading
            await asyncio.to_thread(script.wait_cancelled)

    asyncio.run(main())


def test_an_async_block_verifies_too() -> None:
    """Leaving an `async with` block with a reply still queued raises AssertionError."""

    async def main() -> None:
        async with local.serve(ScriptEngine().reply("left")):
            pass

    with pytest.raises(AssertionError, match="1 queued replies"):
        asyncio.run(main())


def test_a_port_that_is_taken() -> None:
    """A port that is taken is an OSError in the caller, naming address and reason, and the engine is closed again."""
    engine = Refusing()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        server = local.serve(engine, port=port)
        with pytest.raises(OSError, match=rf"cannot listen on 127\.0\.0\.1:{port}: Address already in use"):
            server.start()

    assert engine.closed


def test_a_host_that_is_not_ours() -> None:
    """An address that this machine does not have is an OSError too."""
    with pytest.raises(OSError, match=r"cannot listen on 192\.0\.2\.1:0"):
        local.serve(ScriptEngine(), host="192.0.2.1").start()


@pytest.mark.parametrize("asynchronous", [False, True])
def test_an_engine_that_does_not_start(asynchronous: bool) -> None:
    """What an engine raises when it starts is raised in the caller, and the engines before it are closed."""
    first = Refusing()
    server = local.serve(first, Refusing(fails=True))

    async def enter() -> None:
        async with server:
            pass

    with pytest.raises(ZeroDivisionError, match="by accident"):
        asyncio.run(enter()) if asynchronous else server.start()
    assert first.closed


def test_a_server_runs_once() -> None:
    """A server that was started is not started again, and stopping it twice is harmless."""
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


def test_a_wildcard_host_has_a_loopback_endpoint() -> None:
    """A server on every interface tells this machine's programs its loopback address."""
    with local.serve(ScriptEngine(), host="0.0.0.0") as server:  # noqa: S104 -- for this test
        assert server.endpoint.startswith("http://127.0.0.1:")


def test_health_follows_the_server() -> None:
    """The health service says SERVING, and NOT_SERVING as soon as the server is asked to stop."""
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
    """Reflection lists the services, and gives each one's files with all that they import."""
    with local.serve(ScriptEngine()) as server, grpc.insecure_channel(server.address) as channel:
        call = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo

        def reflect(**fields: str) -> Any:
            (reply,) = call(iter([reflection_pb2.ServerReflectionRequest(**fields)]))
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
    """The files of a reflection reply, which come in any order, loaded into a pool of their own."""
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
    """A program in an interpreter of its own, ended."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)


def test_importing_loads_nothing() -> None:
    """Importing genai_grpc.local loads no engine, no health checking and no reflection."""
    code = """if True:
        import sys
        import genai_grpc.local
        wanted = {"genai_grpc.local.engines.script", "genai_grpc.local.engines.llama.engine", "grpc_health", "grpc_reflection", "xllamacpp"}
        print(sorted(wanted & set(sys.modules)))
    """
    assert run(code).stdout == "[]\n"


@pytest.mark.parametrize(
    ("module", "package"),
    [("grpc_health", "grpcio-health-checking"), ("grpc_reflection", "grpcio-reflection")],
)
def test_a_missing_package(module: str, package: str) -> None:
    """Without a package that the server needs, starting it says which one, and what to install."""
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


def test_a_program_that_forgets_to_stop() -> None:
    """A program that ends without stopping its server ends all the same, quietly."""
    code = """if True:
        from genai_grpc import local
        server = local.serve(local.ScriptEngine())
        server.start()
        print(server.endpoint != "")
    """
    ended = run(code)

    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "True\n", "")


def test_unknown_names_of_the_package() -> None:
    """The package has the names that it lists, and no others."""
    assert {"serve", "ScriptEngine", "STALL"} <= set(dir(local))
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = local.nothing
