"""The HTTP server: an ASGI application on a port, on the event loop of the gRPC server."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from starlette.types import ASGIApp

__all__ = ["HttpServer"]

_CANCEL_SECONDS: Final = 1.0
"""Time for a request to end after its cancellation."""

_MAX_HEADERS: Final = 65_536
"""Bytes of the headers of a request, at most."""


class HttpServer:
    """Serves an application with the protocol of uvicorn, whose own server would end the process on signals.

    Args:
        build_app: Builds the application, at the first connection: neither it nor uvicorn is imported before.
        tls: The files of the certificate chain and of its private key, in PEM; None for plaintext.
    """

    def __init__(self, build_app: Callable[[], ASGIApp], tls: tuple[Path, Path] | None = None) -> None:
        self._build_app = build_app
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._config: Any = None
        self._state: Any = None

    async def start(self, host: str, port: int) -> int:
        """Listen, and return the port.

        Raises:
            OSError: It cannot listen there, or the files of TLS cannot be used.
        """
        context = None
        if self._tls is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*self._tls)
        self._server = await asyncio.get_running_loop().create_server(
            self._protocol, host, port, ssl=context, family=_family(host, port)
        )
        bound_port: int = self._server.sockets[0].getsockname()[1]
        return bound_port

    async def stop(self, grace: float) -> None:
        """Stop listening, wait up to `grace` seconds for the requests in progress, and end the others."""
        if self._server is None:
            return
        self._server.close()
        if self._state is None:
            return
        for connection in list(self._state.connections):
            connection.shutdown()
        if tasks := set(self._state.tasks):
            _, late = await asyncio.wait(tasks, timeout=grace)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late, timeout=_CANCEL_SECONDS)
        for connection in list(self._state.connections):
            with suppress(AttributeError):  # it has no transport yet, or none any more
                connection.transport.abort()

    def _protocol(self) -> asyncio.Protocol:
        if self._config is None:
            self._load()
        create: Any = self._config.http_protocol_class  # pyright: ignore[reportOptionalMemberAccess] # see above
        protocol: asyncio.Protocol = create(config=self._config, server_state=self._state, app_state={})
        return protocol

    def _load(self) -> None:
        import uvicorn  # with its parts 60 ms, which a server without HTTP requests shall not take
        from uvicorn.server import ServerState

        config = uvicorn.Config(
            self._build_app(),
            http="h11",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            h11_max_incomplete_event_size=_MAX_HEADERS,
        )
        config.load()
        self._config, self._state = config, ServerState()


def _family(host: str, port: int) -> int:
    """One family of addresses, so that `localhost` with port 0 is one port."""
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
