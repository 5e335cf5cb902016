"""Servers that record calls to a cassette, and that replay them."""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

import grpc

from genai_grpc._rpc.secret import hide
from genai_grpc._rpc.status import DETAILS_KEY
from genai_grpc._transport.config import CREDENTIAL_HEADERS
from genai_grpc._transport.endpoint import parse_endpoint
from genai_grpc._transport.proxy import environment_proxy, proxy_arguments
from genai_grpc.errors import ConfigurationError
from genai_grpc.local._background_server import BackgroundServer, join
from genai_grpc.testing._cassette_file import (
    CallEnd,
    CassetteError,
    Event,
    Kind,
    RecordedCall,
    canonical_bytes,
    load,
    request_diff,
    save,
)

__all__ = ["CassetteServer", "record", "replay"]

_HOST: Final = "127.0.0.1"
_DEFAULT_UPSTREAM: Final = "https://generativelanguage.googleapis.com"
_UNLIMITED: Final = (("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1))
# Bytes. Google's keys have 39, tokens more; a shorter value is a test's made-up key, which may be a common word.
_MIN_SECRET_LENGTH: Final = 12
# Metadata of the connection itself; the connection to the upstream sends its own.
_CONNECTION_METADATA: Final = frozenset({"user-agent", "te", "content-type"})

_Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
_Metadata: TypeAlias = Sequence[tuple[str, str | bytes]]


def record(path: str | Path, *, upstream: str | None = None) -> CassetteServer:
    """A server that forwards calls to an upstream, and writes a cassette if its block ends without an exception.

    It listens on loopback, in plaintext. Metadata, API keys and tokens included, is forwarded and not recorded. If a
    message contains the key or token that was sent with it, CassetteError is raised and nothing is written.

    Args:
        path: The cassette. An existing one is overwritten; missing parent directories are created.
        upstream: An `endpoint` of `Client`; in plaintext on loopback only. None for Google's.

    Raises:
        ConfigurationError: The upstream is plaintext on another machine, where a key must not be sent.
        CassetteError: The path exists and is not a regular file.

    >>> import tempfile
    >>> from genai_grpc import local, testing
    >>> with local.serve(local.ScriptEngine()) as real, tempfile.TemporaryDirectory() as directory:
    ...     with testing.record(f"{directory}/run.jsonl", upstream=real.endpoint) as server:
    ...         server.endpoint.startswith("http://127.0.0.1:")
    True
    """
    if Path(path).exists() and not Path(path).is_file():
        # The file is replaced as a whole, which would remove a device or a pipe.
        raise CassetteError(f"cannot write a cassette to {path}: it exists and is not a regular file")
    return CassetteServer(_Recorder(Path(path), upstream or _DEFAULT_UPSTREAM))


def replay(path: str | Path, *, real_time: bool = False) -> CassetteServer:
    """A server that answers from a cassette, all of whose calls must be made.

    A call is answered by the first recorded call, not replayed yet, of the same method and the same request, whatever
    the order of its fields and map entries. A call without a match fails with FAILED_PRECONDITION, whose message shows
    the difference. At the end of the block AssertionError lists the calls without a match and those not replayed.

    Args:
        path: The cassette.
        real_time: Whether to delay replies as long as they took when they were recorded.

    Raises:
        CassetteError: The file cannot be read as a cassette.
        FileNotFoundError: There is no such file.
    """
    return CassetteServer(_Replayer(Path(path), load(Path(path)), real_time))


class CassetteServer(BackgroundServer):
    """A server made by `record` or `replay`, for one `with` or `async with` block."""

    def __init__(self, backend: _Recorder | _Replayer) -> None:
        super().__init__("genai-grpc-cassette")
        self._backend = backend

    def __repr__(self) -> str:
        return f"<CassetteServer, {self._backend}>"

    @property
    def recording(self) -> bool:
        """Whether it records, rather than replays."""
        return isinstance(self._backend, _Recorder)

    @property
    def address(self) -> str:
        """The address for a gRPC channel, e.g. "127.0.0.1:50051"."""
        return join(_HOST, self.port)

    @property
    def endpoint(self) -> str:
        """The address as a URL: "http://127.0.0.1:50051"."""
        return f"http://{self.address}"

    def finalize(self) -> None:
        """Write the recording, or verify the replay. The end of a block calls it.

        Raises:
            AssertionError: A replay had calls without a match, or recorded calls were not made.
            CassetteError: A recording contains a key or token. Nothing was written.
        """
        self._backend.finalize()

    def _finalize(self) -> None:
        self.finalize()

    async def _serve(self, ready: Callable[[int], None], stop: Awaitable[float | None]) -> None:
        server = grpc.aio.server(options=[("grpc.so_reuseport", 0), *_UNLIMITED])
        server.add_generic_rpc_handlers((_AnyMethod(self._backend),))
        port = server.add_insecure_port(join(_HOST, 0))
        await self._backend.open()
        try:
            await server.start()
            ready(port)
            await server.stop(await stop)
        finally:
            await self._backend.aclose()


class _AnyMethod(grpc.GenericRpcHandler):
    """Handles every method as bidirectional streaming of bytes, of which the other three kinds are special cases."""

    def __init__(self, backend: _Recorder | _Replayer) -> None:
        self._backend = backend

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, bytes]:
        method, metadata = handler_call_details.method, handler_call_details.invocation_metadata or ()

        async def handle(requests: AsyncIterator[bytes], context: _Context) -> None:
            await self._backend.handle(method, metadata, requests, context)

        return grpc.stream_stream_rpc_method_handler(handle)


class _Recorder:
    def __init__(self, path: Path, upstream: str) -> None:
        self.path = path
        self.calls: list[RecordedCall] = []
        self._upstream = parse_endpoint(upstream)
        if not (self._upstream.tls or self._upstream.loopback):
            raise ConfigurationError(
                f"refusing to forward calls to {self._upstream.address} in plaintext, as they may carry an API key; "
                "use https:// for TLS, or a loopback address"
            )
        self._secrets: set[bytes] = set()
        self._channel: grpc.aio.Channel | None = None

    def __repr__(self) -> str:
        return f"recording {self._upstream.address} to {self.path}"

    async def open(self) -> None:
        address = self._upstream.address
        options = [*_UNLIMITED, *proxy_arguments(hide(environment_proxy(self._upstream, os.getenv))).items()]
        if self._upstream.tls:
            self._channel = grpc.aio.secure_channel(address, grpc.ssl_channel_credentials(), options=options)
        else:
            self._channel = grpc.aio.insecure_channel(address, options=options)

    async def aclose(self) -> None:
        if self._channel is not None:
            await self._channel.close()

    async def handle(self, method: str, metadata: _Metadata, requests: AsyncIterator[bytes], context: _Context) -> None:
        assert self._channel is not None  # noqa: S101 -- opened before the server starts
        self._secrets.update(_secrets(metadata))
        call = RecordedCall(method)
        self.calls.append(call)
        started = time.monotonic()

        def add_event(kind: Kind, data: bytes = b"") -> None:
            call.events.append(Event(kind, data, time.monotonic() - started))

        async def recorded_requests() -> AsyncIterator[bytes]:
            async for request in requests:
                add_event("request", request)
                yield request
            if any(event.kind == "reply" for event in call.events):
                add_event("requests_end")

        forward: grpc.aio.StreamStreamMultiCallable[bytes, bytes] = self._channel.stream_stream(method)
        upstream = forward(
            recorded_requests(),
            timeout=context.time_remaining(),
            metadata=[pair for pair in metadata if _is_forwarded(pair[0])],
        )
        try:
            async for reply in upstream:
                add_event("reply", reply)
                await context.write(reply)
            end = CallEnd("OK", after=time.monotonic() - started)
        except grpc.aio.AioRpcError as error:
            details = next((value for key, value in error.trailing_metadata() or () if key == DETAILS_KEY), b"")
            after = time.monotonic() - started
            end = CallEnd(error.code().name, error.details() or "", _to_bytes(details), after)
        except asyncio.CancelledError:
            call.end = CallEnd(None, after=time.monotonic() - started)
            raise
        finally:
            upstream.cancel()
        call.end = end
        await _end_call(context, end)

    def finalize(self) -> None:
        for call in self.calls:
            content = b"\n".join([*(event.data for event in call.events), call.end.message.encode(), call.end.details])
            if any(secret in content for secret in self._secrets):
                raise CassetteError(
                    f"the cassette was not written: a call of {call.method} contains the key or token sent with it"
                )
        save(self.path, self.calls)


class _Replayer:
    def __init__(self, path: Path, calls: list[RecordedCall], real_time: bool) -> None:
        self.path = path
        self._remaining = [(_match_key(call.method, call.request), call) for call in calls]
        self._recorded_counts = Counter(key for key, _ in self._remaining)
        self._real_time = real_time
        self._mismatches: list[str] = []

    def __repr__(self) -> str:
        return f"replaying {self.path}"

    async def open(self) -> None:
        """Nothing to open."""

    async def aclose(self) -> None:
        """Nothing to close."""

    async def handle(self, method: str, metadata: _Metadata, requests: AsyncIterator[bytes], context: _Context) -> None:
        del metadata  # not recorded
        loop = asyncio.get_running_loop()
        started = loop.time()

        async def sleep_until(after: float) -> None:
            if self._real_time:
                await asyncio.sleep(started + after - loop.time())

        request = await anext(requests, b"")
        call = self._take(method, request)
        if call is None:
            await self._reject(method, request, self._remaining_requests(method), context)
            return
        first_request = True
        for event in call.events:
            if event.kind == "reply":
                await sleep_until(event.after)
                await context.write(event.data)
            elif not first_request:
                received = await anext(requests, None)
                expected = event.data if event.kind == "request" else None
                if _canonical(method, received) != _canonical(method, expected):
                    await self._reject(method, received or b"", [expected or b""], context)
                    return
            first_request = first_request and event.kind != "request"
        if call.end.code is None:
            await loop.create_future()  # until the client cancels, as it did when this was recorded
        await sleep_until(call.end.after)
        await _end_call(context, call.end)

    def finalize(self) -> None:
        problems = list(self._mismatches)
        if self._remaining:
            problems.append(f"{len(self._remaining)} recorded calls were not made:")
            problems += [f"  {call.method}" for _, call in self._remaining]
        if problems:
            raise AssertionError("\n".join([f"the calls differ from those recorded in {self.path}:", *problems]))

    def _take(self, method: str, request: bytes) -> RecordedCall | None:
        wanted = _match_key(method, request)
        for index, (key, call) in enumerate(self._remaining):
            if key == wanted:
                del self._remaining[index]
                return call
        return None

    def _remaining_requests(self, method: str) -> list[bytes]:
        return [call.request for _, call in self._remaining if call.method == method]

    async def _reject(self, method: str, request: bytes, recorded: Sequence[bytes], context: _Context) -> None:
        if count := self._recorded_counts[_match_key(method, request)]:
            reason = f"this request was recorded {count} times, and all of them were replayed"
        elif recorded:
            reason = f"the most similar remaining request differs:\n{request_diff(method, request, recorded)}"
        else:
            reason = "no recorded call of this method remains"
        mismatch = f"no recorded call matches a call of {method}: {reason}"
        self._mismatches.append(mismatch)
        await _end_call(context, CallEnd("FAILED_PRECONDITION", f"{self.path.name}: {mismatch}"))


def _match_key(method: str, request: bytes) -> tuple[str, bytes]:
    return method, canonical_bytes(method, request)


def _canonical(method: str, request: bytes | None) -> bytes | None:
    return None if request is None else canonical_bytes(method, request)


async def _end_call(context: _Context, end: CallEnd) -> None:
    """End a call with the recorded status, message and details; other trailing metadata is not recorded."""
    if end.code != "OK":
        trailing = ((DETAILS_KEY, end.details),) if end.details else ()
        await context.abort(grpc.StatusCode[str(end.code)], end.message, trailing)


def _is_forwarded(key: str) -> bool:
    return key not in _CONNECTION_METADATA and not key.startswith(("grpc-", ":"))


def _secrets(metadata: _Metadata) -> set[bytes]:
    """The keys and tokens in the metadata, without their "Bearer" prefix."""
    values = (_to_bytes(value).rpartition(b" ")[2] for key, value in metadata if key in CREDENTIAL_HEADERS)
    return {secret for secret in values if len(secret) >= _MIN_SECRET_LENGTH}


def _to_bytes(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else value
