"""The local server: gRPC over loopback, on an event loop in a thread of its own."""

from __future__ import annotations

import asyncio
import socket
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from genai_grpc.local._background_server import BackgroundServer, join, loopback

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable
    from pathlib import Path

    import grpc
    from google.protobuf.descriptor import FileDescriptor
    from google.protobuf.descriptor_pool import DescriptorPool
    from grpc_health.v1.health import aio as health_aio  # type: ignore[import-untyped]  # ships no types

    from genai_grpc.local.engines.engine import Engine
    from genai_grpc.local.services.generative import ModelRegistry
    from genai_grpc.local.state.cached_contents import CacheStore

__all__ = ["MAX_REQUEST_BYTES", "Server", "serve"]

MAX_REQUEST_BYTES: Final = 20 * 1024 * 1024
"""The limit that the Gemini API sets to a request with inline data (https://ai.google.dev/gemini-api/docs/files)."""

# Up to so many bytes over the limit a request is still read, so that the answer can name both sizes.
_ROOM: Final = 256 * 1024 * 1024
_LARGEST_INT: Final = 2**31 - 1
# Seconds for connections to close by themselves, and for those who watch the health to leave.
_LINGER: Final = 0.5
# Seconds within which a stopped server's port is free again.
_LET_GO: Final = 10.0
_SERVED: Final = tuple(
    f"google.ai.generativelanguage.v1beta.{name}" for name in ("GenerativeService", "ModelService", "CacheService")
)


def serve(
    *engines: Engine,
    host: str = "127.0.0.1",
    port: int = 0,
    api_key: str | None = None,
    max_request_bytes: int = MAX_REQUEST_BYTES,
    state_dir: Path | None = None,
    credentials: grpc.ServerCredentials | None = None,
    options: Iterable[tuple[str, Any]] = (),
) -> Server:
    """A server for the engines, which runs inside a `with` or `async with` block.

    The first engine is also served as models/gemini-pro. Without `credentials` the traffic is plaintext, so keep to a
    loopback host unless you trust the network.

    Args:
        engines: What answers; the real model on llama.cpp if none is given.
        host: The address to listen on.
        port: The port to listen on; 0 takes any free one.
        api_key: If given, calls without it in their x-goog-api-key metadata are UNAUTHENTICATED.
        max_request_bytes: The size in bytes above which a request is INVALID_ARGUMENT.
        state_dir: A directory, made if it is missing, for the file `state.sqlite3`, so that cached contents outlive the
            server; None keeps them in memory. Several servers may share one.
        credentials: What `grpc.ssl_server_credentials` makes of a key and its certificates, to speak TLS.
        options: gRPC's own for a server, e.g. `[("grpc.max_concurrent_streams", 100)]`
            (https://grpc.github.io/grpc/core/group__grpc__arg__keys.html); they go before those set here.

    >>> from genai_grpc import local
    >>> with local.serve(local.ScriptEngine()) as server:
    ...     server.endpoint.startswith("http://127.0.0.1:")
    True
    """
    return Server(_Settings(engines, host, port, max_request_bytes, state_dir, credentials, tuple(options), api_key))


@dataclass(frozen=True, slots=True)
class _Settings:
    engines: tuple[Engine, ...]
    host: str
    port: int
    max_request_bytes: int
    state_dir: Path | None
    credentials: grpc.ServerCredentials | None
    options: tuple[tuple[str, Any], ...]
    api_key: str | None = field(repr=False)


class Server(BackgroundServer):
    """A server made by `serve`. It runs once: from `start`, or the beginning of a `with` block, to `stop` or the end.

    Both the block and `stop` return when no call and no engine is running any more. A block that ends without an
    exception also asks each `Verifiable` engine whether it was used as intended, and raises its AssertionError.

    Beside what listening may raise, `start` raises ConfigurationError if the server cannot keep its state where it is
    told to, and ImportError if a package that it needs is missing, saying how to install it.

    >>> from genai_grpc import Client, list_models, local
    >>> server = local.serve(local.ScriptEngine(name="mine"))
    >>> server.start()
    >>> with Client(endpoint=server.endpoint) as client:
    ...     [model.name for model in list_models(client=client)]
    ['models/mine', 'models/gemini-pro']
    >>> server.stop()
    """

    def __init__(self, settings: _Settings) -> None:
        super().__init__("genai-grpc-local")
        self._settings = settings
        self._engines = settings.engines
        self._services: _Services | None = None
        self._store: CacheStore | None = None
        self._changing = asyncio.Lock()

    def __repr__(self) -> str:
        if self._stopped.done():
            return "<Server, stopped>"
        return f"<Server at {self.endpoint}>" if self._ready.done() else "<Server, not started>"

    @property
    def engines(self) -> tuple[Engine, ...]:
        """What answers; once it is started, the real model too where none was given."""
        return self._engines

    @property
    def address(self) -> str:
        """Where a gRPC channel of this machine finds it, e.g. "127.0.0.1:50051".

        Raises:
            RuntimeError: If the server was not started.
        """
        return loopback(self._settings.host, self.port)

    @property
    def endpoint(self) -> str:
        """The same as a URL, for `client_options={"api_endpoint": ...}`: "http://127.0.0.1:50051"."""
        return f"{'http' if self._settings.credentials is None else 'https'}://{self.address}"

    def restart(self, grace: float | None = None) -> None:
        """Go down and come up again on the same port, as in a rolling update; the engines and the state stay.

        Connections are told to go (GOAWAY); new ones are taken some milliseconds later, while calls in flight go on.
        Returns when the old connections are gone. Any thread may call it, save that of an engine. A call that was on
        its way to an old connection may fail; with grpcio 1.71 it was seen to end as CANCELLED.

        Args:
            grace: Seconds that calls in flight may take to end by themselves; None ends them at once as UNAVAILABLE.

        Raises:
            OSError: If the port was taken meanwhile; the server is down then.
            RuntimeError: If the server does not run.
        """
        self._on_loop(self._restart(grace))

    def _conclude(self) -> None:
        from genai_grpc.local.engines.engine import Verifiable

        for engine in self._engines:
            if isinstance(engine, Verifiable):
                engine.verify()

    async def _serve(self, ready: Callable[[int], None], stop: Awaitable[float | None]) -> None:
        from genai_grpc.local.state.cached_contents import CacheStore

        async with AsyncExitStack() as stack:
            self._store = CacheStore(self._settings.state_dir)
            await self._store.open()
            stack.push_async_callback(self._store.aclose)
            self._engines = self._engines or (_real_model(),)
            for engine in self._engines:
                await engine.start()
                stack.push_async_callback(engine.aclose)
            self._services, port = await self._come_up(self._settings.port)
            ready(port)
            grace = await stop
            async with self._changing:
                if self._services is not None:
                    await self._services.stop(grace)

    async def _come_up(self, port: int) -> tuple[_Services, int]:
        from genai_grpc.local.services.generative import ModelRegistry

        assert self._store is not None  # noqa: S101 -- opened before anything listens
        services = _Services(ModelRegistry(self._engines), self._store, self._settings)
        return services, await services.start(self._settings.host, port)

    async def _restart(self, grace: float | None) -> None:
        async with self._changing:
            if self._services is None:
                raise RuntimeError("the server is down since a restart failed; make another one with serve(...)")
            old, self._services = self._services, None
            down = asyncio.create_task(old.stop(grace))
            try:
                await _until_free(self._settings.host, self.port)
                self._services, _ = await self._come_up(self.port)
            finally:
                await down


async def _until_free(host: str, port: int) -> None:
    """Wait until nothing listens on a port any more, which follows a stop within milliseconds."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _LET_GO
    while True:
        try:
            return _try_to_bind(host, port)
        except OSError:
            if loop.time() >= deadline:
                raise
        await asyncio.sleep(0.001)


class _Services:
    """The gRPC server with its five services: generation, models, cached contents, health and reflection."""

    def __init__(self, catalogue: ModelRegistry, store: CacheStore, settings: _Settings) -> None:
        import grpc.aio

        from genai_grpc.local.services import caching, generative
        from genai_grpc_protos.v1beta import (
            cache_service_pb2_grpc,
            generative_service_pb2_grpc,
            model_service_pb2_grpc,
        )

        self._server = grpc.aio.server(
            interceptors=[] if settings.api_key is None else [generative.KeyCheck(settings.api_key)],
            options=_options(settings),
        )
        # The stubs of gRPC's base classes call every method abstract; at run time those not defined are UNIMPLEMENTED.
        self._generative = generative.GenerativeService(  # type: ignore[abstract]
            catalogue, store, max_request_bytes=settings.max_request_bytes
        )
        generative_service_pb2_grpc.add_GenerativeServiceServicer_to_server(self._generative, self._server)
        models = generative.ModelService(catalogue)  # type: ignore[abstract]  # as above
        model_service_pb2_grpc.add_ModelServiceServicer_to_server(models, self._server)
        cache_service = caching.CacheService(catalogue, store, max_request_bytes=settings.max_request_bytes)
        cache_service_pb2_grpc.add_CacheServiceServicer_to_server(cache_service, self._server)
        self._health = _add_health_and_reflection(self._server)
        self._credentials = settings.credentials

    async def start(self, host: str, port: int) -> int:
        """Listen, and return the port.

        Raises:
            OSError: If that cannot be, with the system's reason, which gRPC only writes to its log.
        """
        from grpc_health.v1 import health_pb2  # type: ignore[import-untyped]  # ships no types

        where = join(host, port)
        try:
            _try_to_bind(host, port)
        except OSError as error:
            reason = f"cannot listen on {where}: {error.strerror}; choose another host or port, 0 being any free port"
            raise OSError(error.errno, reason) from error
        if self._credentials is None:
            bound = self._server.add_insecure_port(where)
        else:
            bound = self._server.add_secure_port(where, self._credentials)
        for name in _SERVED:
            await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)
        await self._server.start()
        return bound

    async def stop(self, grace: float | None) -> None:
        """Tell those who watch the health, end the calls, and wait until the engines have let go of them."""
        grace = grace or 0.0
        await self._health.enter_graceful_shutdown()
        # Cancelling through gRPC would drop the connections, which clients log; so the calls end first, as calls.
        down = asyncio.create_task(self._server.stop(grace + _LINGER))
        await self._generative.close(grace)
        await down


def _options(settings: _Settings) -> list[tuple[str, Any]]:
    ours = {
        # Two servers on one port would share its connections at random, and hide that the port is taken.
        "grpc.so_reuseport": 0,
        "grpc.max_receive_message_length": min(settings.max_request_bytes + _ROOM, _LARGEST_INT),
        "grpc.max_send_message_length": -1,
        # Of a burst, gRPC cancels what is above 3,000 calls not yet taken up, which no client is to blame for.
        "grpc.server.max_pending_requests": _LARGEST_INT,
        "grpc.server.max_pending_requests_hard_limit": _LARGEST_INT,
        # gRPC's default of 300 s cuts off clients whose keepalive is more frequent (gRFC A8).
        "grpc.http2.min_ping_interval_without_data_ms": 10_000,
        "grpc.http2.min_recv_ping_interval_without_data_ms": 10_000,
    }
    return list({**ours, **dict(settings.options)}.items())


def _add_health_and_reflection(server: grpc.aio.Server) -> health_aio.HealthServicer:
    try:
        from grpc_health.v1 import health, health_pb2, health_pb2_grpc
        from grpc_reflection.v1alpha import reflection, reflection_pb2  # type: ignore[import-untyped]  # ships no types
    except ImportError as error:
        packages = {"grpc_health": "grpcio-health-checking", "grpc_reflection": "grpcio-reflection"}
        missing = packages.get((error.name or "").partition(".")[0], error.name)
        raise ImportError(
            f"the local server needs {missing}: pip install 'genai-grpc[server]'", name=error.name
        ) from error
    from genai_grpc_protos.v1beta import cache_service_pb2, generative_service_pb2, model_service_pb2

    ours = (generative_service_pb2, model_service_pb2, cache_service_pb2)
    files = [module.DESCRIPTOR for module in (*ours, health_pb2, reflection_pb2)]
    names = [*_SERVED, health.SERVICE_NAME, reflection.SERVICE_NAME]
    reflection.enable_server_reflection(names, server, pool=_one_pool(files))
    servicer = health.aio.HealthServicer()  # pyright: ignore[reportAttributeAccessIssue]  # defined conditionally
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    return servicer


def _one_pool(files: Iterable[FileDescriptor]) -> DescriptorPool:
    """A pool of these files and what they import; ours are in a private pool, the others in the default one."""
    from google.protobuf.descriptor_pool import DescriptorPool

    pool = DescriptorPool()
    added: set[str] = set()

    def add(file: FileDescriptor) -> None:
        if file.name not in added:
            added.add(file.name)
            for imported in file.dependencies:
                add(imported)
            pool.AddSerializedFile(file.serialized_pb)

    for file in files:
        add(file)
    return pool


def _try_to_bind(host: str, port: int) -> None:
    family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(address)


def _real_model() -> Engine:
    from genai_grpc.local.engines.llama.engine import LlamaEngine

    return LlamaEngine()
