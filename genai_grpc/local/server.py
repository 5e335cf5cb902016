"""The local server: gRPC over loopback, on an event loop in a thread of its own."""

from __future__ import annotations

import asyncio
import atexit
import logging
import socket
import threading
import traceback
from concurrent.futures import Future
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path
    from types import TracebackType

    import grpc
    from google.protobuf.descriptor import FileDescriptor
    from google.protobuf.descriptor_pool import DescriptorPool
    from grpc_health.v1.health import aio as health_aio  # type: ignore[import-untyped]  # ships no types

    from genai_grpc.local._cache_store import CacheStore
    from genai_grpc.local._servicers import Catalogue
    from genai_grpc.local.engine import Engine

__all__ = ["MAX_REQUEST_BYTES", "Server", "serve"]

MAX_REQUEST_BYTES: Final = 20 * 1024 * 1024
"""The limit that the Gemini API sets to a request with inline data (https://ai.google.dev/gemini-api/docs/files)."""

# Up to so many bytes over the limit a request is still read, so that the answer can name both sizes.
_ROOM: Final = 256 * 1024 * 1024
_LARGEST_INT: Final = 2**31 - 1
# Seconds for connections to close by themselves, and for those who watch the health to leave.
_LINGER: Final = 0.5
_SERVED: Final = tuple(
    f"google.ai.generativelanguage.v1beta.{name}" for name in ("GenerativeService", "ModelService", "CacheService")
)
_LOCAL: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 -- names the wildcards, binds nothing


def serve(
    *engines: Engine,
    host: str = "127.0.0.1",
    port: int = 0,
    api_key: str | None = None,
    max_request_bytes: int = MAX_REQUEST_BYTES,
    state: Path | None = None,
) -> Server:
    """A server for the engines, which runs inside a `with` or `async with` block.

    The first engine is also served as models/gemini-pro. The traffic is plaintext, so keep to a loopback host unless
    you trust the network.

    Args:
        engines: What answers; the real model on llama.cpp if none is given.
        host: The address to listen on.
        port: The port to listen on; 0 takes any free one.
        api_key: If given, calls without it in their x-goog-api-key metadata are UNAUTHENTICATED.
        max_request_bytes: The size in bytes above which a request is INVALID_ARGUMENT.
        state: A directory, made if it is missing, for the file `state.sqlite3`, so that cached contents outlive the
            server; None keeps them in memory. Several servers may share one.

    >>> from genai_grpc import local
    >>> with local.serve(local.ScriptEngine()) as server:
    ...     server.endpoint.startswith("http://127.0.0.1:")
    True
    """
    return Server(_Settings(engines, host, port, max_request_bytes, state, api_key))


@dataclass(frozen=True, slots=True)
class _Settings:
    engines: tuple[Engine, ...]
    host: str
    port: int
    max_request_bytes: int
    state: Path | None
    api_key: str | None = field(repr=False)


class Server:
    """A server made by `serve`. It runs once: from `start`, or the beginning of a `with` block, to `stop` or the end.

    Both the block and `stop` return when no call and no engine is running any more. A block that ends without an
    exception also asks each `Verifiable` engine whether it was used as intended, and raises its AssertionError.

    >>> from genai_grpc import Client, list_models, local
    >>> server = local.serve(local.ScriptEngine(name="mine"))
    >>> server.start()
    >>> [model.name for model in list_models(client=Client(endpoint=server.endpoint))]
    ['models/mine', 'models/gemini-pro']
    >>> server.stop()
    """

    def __init__(self, settings: _Settings) -> None:
        self._settings = settings
        self._engines = settings.engines
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._ready: Future[int] = Future()
        self._stop: Future[float | None] = Future()
        self._stopped: Future[None] = Future()
        for future in self._ready, self._stopped:
            # Running, so that a cancelled `async with` that awaits it cannot cancel it under the thread that sets it.
            future.set_running_or_notify_cancel()

    def __repr__(self) -> str:
        if self._stopped.done():
            return "<Server, stopped>"
        return f"<Server at {self.endpoint}>" if self._ready.done() else "<Server, not started>"

    @property
    def address(self) -> str:
        """Where a gRPC channel of this machine finds it, e.g. "127.0.0.1:50051".

        Raises:
            RuntimeError: If the server was not started.
        """
        if not self._ready.done():
            raise RuntimeError("the server has no address before it is started; use it in a with block")
        host = self._settings.host
        return _join(_LOCAL.get(host, host), self._ready.result())

    @property
    def endpoint(self) -> str:
        """The same as a URL, for `client_options={"api_endpoint": ...}`: "http://127.0.0.1:50051"."""
        return f"http://{self.address}"

    def start(self) -> None:
        """Start the engines and listen.

        Raises:
            OSError: If it cannot listen there, e.g. since the port is taken.
            ConfigurationError: If it cannot keep its state where it is told to.
            ImportError: If a package that it needs is missing, saying how to install it.
            RuntimeError: If it was started before.
        """
        self._begin()
        try:
            self._ready.result()
        except BaseException:
            self._end(None)
            raise

    def stop(self, grace: float | None = None) -> None:
        """Stop listening, end the calls in flight, and return when all is down; harmless if it does not run.

        Args:
            grace: Seconds that calls in flight may take to end by themselves; None cancels them at once.
        """
        self._end(grace)
        if self._stopped.done():
            self._stopped.result()

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self._verify(error)

    async def __aenter__(self) -> Server:
        self._begin()
        try:
            await asyncio.wrap_future(self._ready)
        except BaseException:
            self._end(None)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ask_to_stop(None)
        await asyncio.wrap_future(self._stopped)
        self._end(None)
        self._verify(error)

    def _begin(self) -> None:
        if self._thread is not None:
            raise RuntimeError("a server runs once; make another one with serve(...)")
        self._thread = threading.Thread(target=self._run, name="genai-grpc-local", daemon=True)
        self._thread.start()
        # A daemon thread must not be inside gRPC while the interpreter is torn down.
        atexit.register(self.stop)

    def _ask_to_stop(self, grace: float | None) -> None:
        with self._lock:
            if not self._stop.done():
                self._stop.set_result(grace)

    def _end(self, grace: float | None) -> None:
        if self._thread is None:
            return
        self._ask_to_stop(grace)
        self._thread.join()
        atexit.unregister(self.stop)

    def _verify(self, error: BaseException | None) -> None:
        from genai_grpc.local.engine import Verifiable

        for engine in self._engines:
            if error is None and isinstance(engine, Verifiable):
                engine.verify()

    def _run(self) -> None:
        logging.getLogger("asyncio").addFilter(_POLLER_NOISE)
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # handed to the thread that waits
            if self._ready.done():
                self._stopped.set_exception(error)
            else:
                self._ready.set_exception(error)
        finally:
            if not self._stopped.done():
                self._stopped.set_result(None)

    async def _serve(self) -> None:
        from genai_grpc.local._cache_store import CacheStore
        from genai_grpc.local._servicers import Catalogue

        async with AsyncExitStack() as stack:
            store = CacheStore(self._settings.state)
            await store.open()
            stack.push_async_callback(store.aclose)
            self._engines = self._engines or (_real_model(),)
            for engine in self._engines:
                await engine.start()
                stack.push_async_callback(engine.aclose)
            services = _Services(Catalogue(self._engines), store, self._settings)
            self._ready.set_result(await services.start(self._settings.host, self._settings.port))
            grace = await asyncio.wrap_future(self._stop)
            await services.stop(grace)


class _PollerNoise(logging.Filter):
    """Drops one harmless error that old gRPC logs when two loops of a process use it, as a server and an aio client do.

    A loop that is woken for an event which the other one took raises BlockingIOError, and no call is the worse for it.
    Seen with grpcio 1.71, not with 1.85. Once added it stays, since a loop may be woken after the server is gone.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to log a record of asyncio's."""
        if not record.exc_info or not isinstance(record.exc_info[1], BlockingIOError):
            return True
        frames = traceback.extract_tb(record.exc_info[2])
        return not (frames and frames[-1].filename.endswith("completion_queue.pyx.pxi"))


_POLLER_NOISE: Final = _PollerNoise()


class _Services:
    """The gRPC server with its five services: generation, models, cached contents, health and reflection."""

    def __init__(self, catalogue: Catalogue, store: CacheStore, settings: _Settings) -> None:
        import grpc.aio

        from genai_grpc.local import _cache, _servicers
        from genai_grpc_protos.v1beta import (
            cache_service_pb2_grpc,
            generative_service_pb2_grpc,
            model_service_pb2_grpc,
        )

        self._server = grpc.aio.server(
            interceptors=[] if settings.api_key is None else [_servicers.KeyCheck(settings.api_key)],
            options=_options(settings.max_request_bytes),
        )
        # The stubs of gRPC's base classes call every method abstract; at run time those not defined are UNIMPLEMENTED.
        self._generative = _servicers.GenerativeService(  # type: ignore[abstract]
            catalogue, store, max_request_bytes=settings.max_request_bytes
        )
        generative_service_pb2_grpc.add_GenerativeServiceServicer_to_server(self._generative, self._server)
        models = _servicers.ModelService(catalogue)  # type: ignore[abstract]  # as above
        model_service_pb2_grpc.add_ModelServiceServicer_to_server(models, self._server)
        caching = _cache.CacheService(catalogue, store, max_request_bytes=settings.max_request_bytes)
        cache_service_pb2_grpc.add_CacheServiceServicer_to_server(caching, self._server)
        self._health = _add_health_and_reflection(self._server)

    async def start(self, host: str, port: int) -> int:
        """Listen, and return the port.

        Raises:
            OSError: If that cannot be, with the system's reason, which gRPC only writes to its log.
        """
        from grpc_health.v1 import health_pb2  # type: ignore[import-untyped]  # ships no types

        where = _join(host, port)
        try:
            _try_to_bind(host, port)
        except OSError as error:
            reason = f"cannot listen on {where}: {error.strerror}; choose another host or port, 0 being any free port"
            raise OSError(error.errno, reason) from error
        bound = self._server.add_insecure_port(where)
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


def _options(max_request_bytes: int) -> list[tuple[str, int]]:
    return [
        # Two servers on one port would share its connections at random, and hide that the port is taken.
        ("grpc.so_reuseport", 0),
        ("grpc.max_receive_message_length", min(max_request_bytes + _ROOM, _LARGEST_INT)),
        ("grpc.max_send_message_length", -1),
        # gRPC's default of 300 s cuts off clients whose keepalive is more frequent (gRFC A8).
        ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
        ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
    ]


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
    from genai_grpc.local.llama import LlamaEngine

    return LlamaEngine()


def _join(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
