"""Servers that record a real run, and that replay it."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from genai_grpc._rpc.status import DETAILS_KEY
from genai_grpc._transport.config import CREDENTIAL_HEADERS
from genai_grpc._transport.endpoint import parse_endpoint
from genai_grpc.errors import ConfigurationError
from genai_grpc.local._background_server import BackgroundServer, join
from genai_grpc.testing._cassette_file import CassetteError, End, Event, Recorded, canonical, difference, load, save

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    import grpc

    Context = grpc.aio.ServicerContext[Any, Any]

__all__ = ["CassetteServer", "record", "replay"]

_HOST: Final = "127.0.0.1"
_GOOGLE: Final = "https://generativelanguage.googleapis.com"
_UNLIMITED: Final = (("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1))
# Bytes; Google's keys have 39, and tokens more.
_SHORTEST_SECRET: Final = 12
# What gRPC says of a connection itself, which the connection to the upstream says anew.
_OF_THE_CONNECTION: Final = frozenset({"user-agent", "te", "content-type"})


def record(path: str | Path, *, upstream: str | None = None) -> CassetteServer:
    """A server that passes calls on to another one, and writes them to a cassette when its block has ended well.

    It listens on loopback, in plaintext. Metadata, keys and tokens among them, go to the upstream and are not recorded;
    should a message hold the key or token that was sent with it, nothing is written, and CassetteError says so.

    Args:
        path: The cassette, overwritten if it is there; its directory is made.
        upstream: `host[:port]` or `https://…` for TLS, `http://host:port` on loopback for plaintext; Google's if None.

    Raises:
        ConfigurationError: The upstream is plaintext on another machine, where no key must go.
        CassetteError: The path is there, and is something else than a file.

    >>> import tempfile
    >>> from genai_grpc import local, testing
    >>> with local.serve(local.ScriptEngine()) as real, tempfile.TemporaryDirectory() as directory:
    ...     with testing.record(f"{directory}/run.jsonl", upstream=real.endpoint) as server:
    ...         server.endpoint.startswith("http://127.0.0.1:")
    True
    """
    if Path(path).exists() and not Path(path).is_file():
        # It will be replaced as a whole; a device or a pipe must not be.
        raise CassetteError(f"cannot write a cassette to {path}, which is there and is no file")
    return CassetteServer(_Recorder(Path(path), upstream or _GOOGLE))


def replay(path: str | Path, *, real_time: bool = False) -> CassetteServer:
    """A server that answers from a cassette, which must be asked for all of it.

    A call is answered by the first recorded one, not replayed yet, of the same method and the same request, whatever
    the order of fields and map entries in it. Where there is none it is FAILED_PRECONDITION, whose message shows the
    difference, and the block raises AssertionError at its end. So it does for calls that were not asked for.

    Args:
        path: The cassette.
        real_time: Whether replies take the time that they took, rather than none.

    Raises:
        CassetteError: It cannot be read.
        FileNotFoundError: There is none.
    """
    return CassetteServer(_Player(Path(path), load(Path(path)), real_time))


class CassetteServer(BackgroundServer):
    """A server made by `record` or `replay`, which runs inside a `with` or `async with` block."""

    def __init__(self, tape: _Recorder | _Player) -> None:
        super().__init__("genai-grpc-cassette")
        self._tape = tape

    def __repr__(self) -> str:
        return f"<CassetteServer, {self._tape}>"

    @property
    def path(self) -> Path:
        """The cassette."""
        return self._tape.path

    @property
    def recording(self) -> bool:
        """Whether it records, rather than replays."""
        return isinstance(self._tape, _Recorder)

    @property
    def address(self) -> str:
        """Where a gRPC channel of this machine finds it, e.g. "127.0.0.1:50051"."""
        return join(_HOST, self.port)

    @property
    def endpoint(self) -> str:
        """The same as a URL: "http://127.0.0.1:50051"."""
        return f"http://{self.address}"

    def conclude(self) -> None:
        """Write what was recorded, or check that all was replayed, as the end of a block does.

        Raises:
            AssertionError: Of a replay: calls were not asked for, or did not match.
            CassetteError: Of a recording: it holds a key or token. Nothing was written.
        """
        self._tape.conclude()

    def _finalize(self) -> None:
        self.conclude()

    async def _serve(self, ready: Callable[[int], None], stop: Awaitable[float | None]) -> None:
        import grpc

        tape = self._tape

        class Everything(grpc.GenericRpcHandler):
            def service(
                self, handler_call_details: grpc.HandlerCallDetails
            ) -> grpc.RpcMethodHandler[bytes, bytes] | None:
                call = handler_call_details

                async def answer(requests: AsyncIterator[bytes], context: Context) -> None:
                    await tape.answer(call.method, call.invocation_metadata or (), requests, context)

                # For what goes over the wire, every other kind of method is a special case of this one.
                return grpc.stream_stream_rpc_method_handler(answer)

        server = grpc.aio.server(options=[("grpc.so_reuseport", 0), *_UNLIMITED])
        server.add_generic_rpc_handlers((Everything(),))
        port = server.add_insecure_port(join(_HOST, 0))
        await tape.open()
        try:
            await server.start()
            ready(port)
            await server.stop(await stop)
        finally:
            await tape.aclose()


class _Recorder:
    def __init__(self, path: Path, upstream: str) -> None:
        self.path = path
        self.calls: list[Recorded] = []
        self._upstream = parse_endpoint(upstream)
        if not (self._upstream.tls or self._upstream.loopback):
            raise ConfigurationError(
                f"refusing to pass calls on to {self._upstream.address} over plaintext, as they may carry an API key; "
                "use https:// for TLS, or a loopback address"
            )
        self._secrets: set[bytes] = set()
        self._channel: grpc.aio.Channel | None = None

    def __repr__(self) -> str:
        return f"recording {self._upstream.address} to {self.path}"

    async def open(self) -> None:
        import grpc

        target = self._upstream.address
        if self._upstream.tls:
            self._channel = grpc.aio.secure_channel(target, grpc.ssl_channel_credentials(), options=_UNLIMITED)
        else:
            self._channel = grpc.aio.insecure_channel(target, options=_UNLIMITED)

    async def aclose(self) -> None:
        if self._channel is not None:
            await self._channel.close()

    async def answer(
        self, method: str, metadata: Sequence[tuple[str, str | bytes]], requests: AsyncIterator[bytes], context: Context
    ) -> None:
        import grpc

        assert self._channel is not None  # noqa: S101 -- open before the server starts
        self._secrets.update(_secrets(metadata))
        call = Recorded(method)
        self.calls.append(call)
        begun = time.monotonic()

        def note(kind: Any, data: bytes = b"") -> None:
            call.events.append(Event(kind, data, time.monotonic() - begun))

        async def passing() -> AsyncIterator[bytes]:
            async for request in requests:
                note("request", request)
                yield request
            if any(event.kind == "reply" for event in call.events):
                note("requests_end")

        begin: grpc.aio.StreamStreamMultiCallable[bytes, bytes] = self._channel.stream_stream(method)
        upstream = begin(
            passing(), timeout=context.time_remaining(), metadata=[pair for pair in metadata if _passes(pair[0])]
        )
        try:
            async for reply in upstream:
                note("reply", reply)
                await context.write(reply)
            end = End("OK", after=time.monotonic() - begun)
        except grpc.aio.AioRpcError as error:
            details = next((value for key, value in error.trailing_metadata() or () if key == DETAILS_KEY), b"")
            end = End(error.code().name, error.details() or "", _as_bytes(details), time.monotonic() - begun)
        except asyncio.CancelledError:
            call.end = End(None, after=time.monotonic() - begun)
            raise
        finally:
            upstream.cancel()
        call.end = end
        await _finish(context, end)

    def conclude(self) -> None:
        for call in self.calls:
            held = b"\n".join([*(event.data for event in call.events), call.end.message.encode(), call.end.details])
            if any(secret in held for secret in self._secrets):
                raise CassetteError(
                    f"a call of {call.method} holds the key or token that it was sent with; not written"
                )
        save(self.path, self.calls)


class _Player:
    def __init__(self, path: Path, calls: list[Recorded], real_time: bool) -> None:
        self.path = path
        self._left = [(_key(call.method, call.request), call) for call in calls]
        self._recorded = Counter(key for key, _ in self._left)
        self._real_time = real_time
        self._unmatched: list[str] = []

    def __repr__(self) -> str:
        return f"replaying {self.path}"

    async def open(self) -> None:
        """Nothing to open."""

    async def aclose(self) -> None:
        """Nothing to close."""

    async def answer(
        self, method: str, metadata: Sequence[tuple[str, str | bytes]], requests: AsyncIterator[bytes], context: Context
    ) -> None:
        del metadata  # not recorded
        loop = asyncio.get_running_loop()
        begun = loop.time()

        async def pace(after: float) -> None:
            if self._real_time:
                await asyncio.sleep(begun + after - loop.time())

        request = await anext(requests, b"")
        call = self._take(method, request)
        if call is None:
            await self._refuse(method, request, self._left_of(method), context)
            return
        first = True
        for event in call.events:
            if event.kind == "reply":
                await pace(event.after)
                await context.write(event.data)
            elif not first:
                came = await anext(requests, None)
                wanted = event.data if event.kind == "request" else None
                if _canonical(method, came) != _canonical(method, wanted):
                    await self._refuse(method, came or b"", [wanted or b""], context)
                    return
            first = first and event.kind != "request"
        if call.end.code is None:
            await loop.create_future()  # until the client ends it, as it did
        await pace(call.end.after)
        await _finish(context, call.end)

    def conclude(self) -> None:
        complaints = list(self._unmatched)
        if self._left:
            complaints.append(f"{len(self._left)} recorded calls were not asked for:")
            complaints += [f"  {call.method}" for _, call in self._left]
        if complaints:
            raise AssertionError("\n".join([f"{self.path} does not match what came:", *complaints]))

    def _take(self, method: str, request: bytes) -> Recorded | None:
        key = _key(method, request)
        for index, (recorded, call) in enumerate(self._left):
            if recorded == key:
                del self._left[index]
                return call
        return None

    def _left_of(self, method: str) -> list[bytes]:
        return [call.request for _, call in self._left if call.method == method]

    async def _refuse(self, method: str, request: bytes, wanted: Sequence[bytes], context: Context) -> None:
        if count := self._recorded[_key(method, request)]:
            reason = f"this request was recorded {count} times, and all of them were replayed"
        elif wanted:
            reason = f"the most similar one that is left differs:\n{difference(method, request, wanted)}"
        else:
            reason = "none of its method is left"
        complaint = f"no recorded call matches one of {method}: {reason}"
        self._unmatched.append(complaint)
        await _finish(context, End("FAILED_PRECONDITION", f"{self.path.name}: {complaint}"))


def _key(method: str, request: bytes) -> tuple[str, bytes]:
    return method, canonical(method, request)


def _canonical(method: str, request: bytes | None) -> bytes | None:
    return None if request is None else canonical(method, request)


async def _finish(context: Context, end: End) -> None:
    """End a call as recorded: an error's message and details arrive as they came, other trailing metadata does not."""
    import grpc

    if end.code != "OK":
        trailing = ((DETAILS_KEY, end.details),) if end.details else ()
        await context.abort(grpc.StatusCode[str(end.code)], end.message, trailing)


def _passes(key: str) -> bool:
    return key not in _OF_THE_CONNECTION and not key.startswith(("grpc-", ":"))


def _secrets(metadata: Sequence[tuple[str, str | bytes]]) -> set[bytes]:
    """The keys and tokens in metadata, without the "Bearer" before them; a test's made-up key may be a common word."""
    found = (_as_bytes(value).rpartition(b" ")[2] for key, value in metadata if key in CREDENTIAL_HEADERS)
    return {secret for secret in found if len(secret) >= _SHORTEST_SECRET}


def _as_bytes(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else value
