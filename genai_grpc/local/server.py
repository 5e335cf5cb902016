"""The local server: gRPC on loopback, on an event loop in a background thread."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import grpc.aio
from google.protobuf.descriptor_pool import DescriptorPool

from genai_grpc.local._api_key import ApiKeyInterceptor
from genai_grpc.local._background_server import BackgroundServer, join, loopback
from genai_grpc.local.engines.engine import Engine, Verifiable
from genai_grpc.local.services.caching import CacheService
from genai_grpc.local.services.generative import GenerativeService
from genai_grpc.local.services.models import ModelRegistry, ModelService
from genai_grpc.local.state import cached_contents
from genai_grpc.local.state.cached_contents import CachedContentStore
from genai_grpc.local.state.database import Database
from genai_grpc_protos.v1beta import (
    cache_service_pb2,
    cache_service_pb2_grpc,
    generative_service_pb2,
    generative_service_pb2_grpc,
    model_service_pb2,
    model_service_pb2_grpc,
)

if TYPE_CHECKING:
    from google.protobuf.descriptor import FileDescriptor
    from grpc_health.v1.health import aio as health_aio  # type: ignore[import-untyped]  # ships no types

__all__ = ["MAX_REQUEST_BYTES", "Server", "serve"]

MAX_REQUEST_BYTES: Final = 20 * 1024 * 1024
"""The limit that the Gemini API sets to a request with inline data (https://ai.google.dev/gemini-api/docs/files)."""

_OVERSIZE: Final = 256 * 1024 * 1024
"""Bytes above the limit up to which a request is still received, so that the error can name both sizes."""

_MAX_INT: Final = 2**31 - 1

_DRAIN_SECONDS: Final = 0.5
"""Time for connections to close by themselves, and for watchers of the health service to leave."""

_PORT_SECONDS: Final = 10.0
"""Time for the port of a stopped server to become free."""

_SERVICES: Final = tuple(
    service.full_name
    for module in (generative_service_pb2, model_service_pb2, cache_service_pb2)
    for service in module.DESCRIPTOR.services_by_name.values()
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
    """Create a server for the engines, which runs inside a `with` or `async with` block.

    The first engine is also served as models/gemini-pro. Without `credentials` the traffic is plaintext: keep to a
    loopback host unless the network is secure.

    Args:
        engines: The engines that generate the responses; the real model on llama.cpp if there are none.
        host: The address to listen on.
        port: The port to listen on; 0 takes any free one.
        api_key: The key that calls must carry in their x-goog-api-key metadata, or else are UNAUTHENTICATED; None
            accepts every call.
        max_request_bytes: The size of a request, in bytes, above which it is INVALID_ARGUMENT.
        state_dir: The directory of the file `state.sqlite3`, created if it is missing, in which cached contents outlive
            the server; None keeps them in memory. Several servers may share a directory.
        credentials: The result of `grpc.ssl_server_credentials`, for TLS.
        options: Channel arguments of gRPC for the server, e.g. `[("grpc.max_concurrent_streams", 100)]`
            (https://grpc.github.io/grpc/core/group__grpc__arg__keys.html); they override those set here.

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

    The block and `stop` return when all calls have ended and all engines are closed. A block that ends without an
    exception then calls `verify` of each `Verifiable` engine, which may raise AssertionError.

    `start` raises OSError if the server cannot listen, ConfigurationError if it cannot use the `state_dir`, and
    ImportError if a package that it needs is missing; the message names the command that installs it.

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
        self._cached_contents: CachedContentStore | None = None
        self._transition = asyncio.Lock()

    def __repr__(self) -> str:
        if self._stopped.done():
            return "<Server, stopped>"
        return f"<Server at {self.endpoint}>" if self._ready.done() else "<Server, not started>"

    @property
    def engines(self) -> tuple[Engine, ...]:
        """The engines; without any given, the real model from the start of the server on."""
        return self._engines

    @property
    def address(self) -> str:
        """The address for gRPC channels of this machine, e.g. "127.0.0.1:50051".

        Raises:
            RuntimeError: The server was not started.
        """
        return loopback(self._settings.host, self.port)

    @property
    def endpoint(self) -> str:
        """The address as a URL, for `Client(endpoint=...)`: "http://127.0.0.1:50051"."""
        return f"{'http' if self._settings.credentials is None else 'https'}://{self.address}"

    def restart(self, grace: float | None = None) -> None:
        """Stop and start again on the same port, as in a rolling update; the engines and the state stay.

        Connections get a GOAWAY; new ones are accepted some milliseconds later, while calls in flight go on. Returns
        when the old connections are closed. Any thread may call it, except that of an engine. A call that is just being
        sent on an old connection may fail; with grpcio 1.71 it was seen to end as CANCELLED.

        Args:
            grace: Seconds in which calls in flight may end by themselves; None ends them at once as UNAVAILABLE.

        Raises:
            OSError: Another program has taken the port; the server is down then.
            RuntimeError: The server does not run.
        """
        self._on_loop(self._restart(grace))

    def _finalize(self) -> None:
        for engine in self._engines:
            if isinstance(engine, Verifiable):
                engine.verify()

    async def _serve(self, ready: Callable[[int], None], stop: Awaitable[float | None]) -> None:
        async with AsyncExitStack() as stack:
            database = Database(self._settings.state_dir)
            await database.open(cached_contents.TABLE)
            stack.push_async_callback(database.aclose)
            self._cached_contents = CachedContentStore(database)
            self._engines = self._engines or (_default_engine(),)
            for engine in self._engines:
                await engine.start()
                stack.push_async_callback(engine.aclose)
            self._services, port = await self._start_services(self._settings.port)
            ready(port)
            grace = await stop
            async with self._transition:
                if self._services is not None:
                    await self._services.stop(grace)

    async def _start_services(self, port: int) -> tuple[_Services, int]:
        assert self._cached_contents is not None  # noqa: S101 -- set before anything listens
        services = _Services(ModelRegistry(self._engines), self._cached_contents, self._settings)
        return services, await services.start(self._settings.host, port)

    async def _restart(self, grace: float | None) -> None:
        async with self._transition:
            if self._services is None:
                raise RuntimeError("the server is down since a restart failed; make another one with serve(...)")
            old, self._services = self._services, None
            stopping = asyncio.create_task(old.stop(grace))
            try:
                await _wait_for_port(self._settings.host, self.port)
                self._services, _ = await self._start_services(self.port)
            finally:
                await stopping


async def _wait_for_port(host: str, port: int) -> None:
    """Wait until nothing listens on a port, which takes milliseconds after a stop.

    Raises:
        OSError: The port is still in use after `_PORT_SECONDS`.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _PORT_SECONDS
    while True:
        try:
            return _check_bind(host, port)
        except OSError:
            if loop.time() >= deadline:
                raise
        await asyncio.sleep(0.001)


class _Services:
    """A gRPC server with five services: generation, models, cached contents, health and reflection."""

    def __init__(self, registry: ModelRegistry, cached_contents: CachedContentStore, settings: _Settings) -> None:
        self._server = grpc.aio.server(
            interceptors=[] if settings.api_key is None else [ApiKeyInterceptor(settings.api_key)],
            options=_options(settings),
        )
        # gRPC's type stubs call every method of a servicer abstract; at run time a missing one is UNIMPLEMENTED.
        self._generative = GenerativeService(  # type: ignore[abstract]
            registry, cached_contents, max_request_bytes=settings.max_request_bytes
        )
        generative_service_pb2_grpc.add_GenerativeServiceServicer_to_server(self._generative, self._server)
        models = ModelService(registry)  # type: ignore[abstract]  # as above
        model_service_pb2_grpc.add_ModelServiceServicer_to_server(models, self._server)
        caching = CacheService(registry, cached_contents, max_request_bytes=settings.max_request_bytes)
        cache_service_pb2_grpc.add_CacheServiceServicer_to_server(caching, self._server)
        self._health = _add_health_and_reflection(self._server)
        self._credentials = settings.credentials

    async def start(self, host: str, port: int) -> int:
        """Listen, and return the port.

        Raises:
            OSError: It cannot listen there; the message has the system's reason, which gRPC only logs.
        """
        from grpc_health.v1 import health_pb2  # type: ignore[import-untyped]  # ships no types; optional

        address = join(host, port)
        try:
            _check_bind(host, port)
        except OSError as error:
            reason = f"cannot listen on {address}: {error.strerror}; choose another host or port, 0 being any free port"
            raise OSError(error.errno, reason) from error
        if self._credentials is None:
            bound_port = self._server.add_insecure_port(address)
        else:
            bound_port = self._server.add_secure_port(address, self._credentials)
        for name in _SERVICES:
            await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)
        await self._server.start()
        return bound_port

    async def stop(self, grace: float | None) -> None:
        """Set the health to NOT_SERVING, end the calls, and wait until the engines have stopped working on them."""
        grace = grace or 0.0
        await self._health.enter_graceful_shutdown()
        # gRPC's own cancellation would drop the connections, which clients log, so the calls end one by one before.
        stopping = asyncio.create_task(self._server.stop(grace + _DRAIN_SECONDS))
        await self._generative.close(grace)
        await stopping


def _options(settings: _Settings) -> list[tuple[str, Any]]:
    defaults = {
        # With SO_REUSEPORT, two servers on one port would share its connections at random, and neither would fail.
        "grpc.so_reuseport": 0,
        "grpc.max_receive_message_length": min(settings.max_request_bytes + _OVERSIZE, _MAX_INT),
        "grpc.max_send_message_length": -1,
        # By default, gRPC cancels calls of a burst above 3,000 pending ones, for no fault of the client.
        "grpc.server.max_pending_requests": _MAX_INT,
        "grpc.server.max_pending_requests_hard_limit": _MAX_INT,
        # gRPC's default of 300 s disconnects clients whose keepalive is more frequent (gRFC A8).
        "grpc.http2.min_ping_interval_without_data_ms": 10_000,
        "grpc.http2.min_recv_ping_interval_without_data_ms": 10_000,
    }
    return list({**defaults, **dict(settings.options)}.items())


def _add_health_and_reflection(server: grpc.aio.Server) -> health_aio.HealthServicer:
    # Imported here, since both are optional: without them, the error names what to install.
    try:
        from grpc_health.v1 import health, health_pb2, health_pb2_grpc
        from grpc_reflection.v1alpha import reflection, reflection_pb2  # type: ignore[import-untyped]  # ships no types
    except ImportError as error:
        packages = {"grpc_health": "grpcio-health-checking", "grpc_reflection": "grpcio-reflection"}
        missing = packages.get((error.name or "").partition(".")[0], error.name)
        raise ImportError(
            f"the local server needs {missing}: pip install 'genai-grpc[server]'", name=error.name
        ) from error
    modules = (generative_service_pb2, model_service_pb2, cache_service_pb2, health_pb2, reflection_pb2)
    names = [*_SERVICES, health.SERVICE_NAME, reflection.SERVICE_NAME]
    reflection.enable_server_reflection(names, server, pool=_descriptor_pool(module.DESCRIPTOR for module in modules))
    servicer = health.aio.HealthServicer()  # pyright: ignore[reportAttributeAccessIssue]  # defined conditionally
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    return servicer


def _descriptor_pool(files: Iterable[FileDescriptor]) -> DescriptorPool:
    """A pool of the files and their imports; ours are in a private pool, the others in the default one."""
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


def _check_bind(host: str, port: int) -> None:
    """Bind a socket to the address and close it; raises OSError with the system's reason."""
    family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(address)


def _default_engine() -> Engine:
    # Imported here, since a server of other engines needs none of it.
    from genai_grpc.local.engines.llama.engine import LlamaEngine

    return LlamaEngine()
