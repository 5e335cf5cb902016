"""A server for load tests: fixed replies, from a process of its own so that it does not compete for the client's GIL.

Run as a program, the module is that process. It reads its settings as a line of JSON from stdin, prints its port,
answers each later line with its counts, and exits at the end of stdin, so it never outlives its parent.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import grpc

from genai_grpc.local._background_server import BackgroundServer, join

if TYPE_CHECKING:
    from google.protobuf.message import Message

__all__ = ["CallCounts", "LoadServer"]

_HOST: Final = "127.0.0.1"
_MAX_INT: Final = 2**31 - 1


@dataclass(slots=True)
class CallCounts:
    """Numbers of calls so far.

    Attributes:
        started: Calls received.
        finished: Calls that ended, completed or cancelled.
        peak: The most calls in flight at one time.
    """

    started: int = 0
    finished: int = 0
    peak: int = 0


class LoadServer(BackgroundServer):
    """Answers every call of a method with the same messages, in a process of its own.

    `start` raises RuntimeError if the process fails; its output is on stderr. `stop` cancels the calls in flight.

    Args:
        replies: The messages of each method, or their bytes, by a name such as
            "/google.ai.generativelanguage.v1beta.GenerativeService/GenerateContent". Other methods are UNIMPLEMENTED.
        delay: Seconds to wait before each message.
        options: gRPC's server options, e.g. `[("grpc.max_concurrent_streams", 100)]`.

    >>> from genai_grpc import testing
    >>> method = "/google.ai.generativelanguage.v1beta.GenerativeService/GenerateContent"
    >>> with testing.LoadServer({method: [testing.response("Hello")]}) as server:
    ...     server.endpoint.startswith("http://127.0.0.1:"), server.counts
    (True, CallCounts(started=0, finished=0, peak=0))
    """

    def __init__(
        self,
        replies: Mapping[str, Sequence[Message | bytes]],
        *,
        delay: float = 0.0,
        options: Iterable[tuple[str, int | str]] = (),
    ) -> None:
        super().__init__("genai-grpc-load")
        encoded = {method: [_encode(message) for message in messages] for method, messages in replies.items()}
        self._settings = json.dumps({"replies": encoded, "delay": delay, "options": list(options)})
        self._process: Process | None = None
        self._asking = asyncio.Lock()

    def __repr__(self) -> str:
        state = "stopped" if self._stopped.done() else self.endpoint if self._ready.done() else "not started"
        return f"<LoadServer, {state}>"

    @property
    def address(self) -> str:
        """The address for a gRPC channel, e.g. "127.0.0.1:50051"."""
        return join(_HOST, self.port)

    @property
    def endpoint(self) -> str:
        """The address as a URL: "http://127.0.0.1:50051"."""
        return f"http://{self.address}"

    @property
    def pid(self) -> int:
        """The id of its process."""
        return self._running.pid

    @property
    def counts(self) -> CallCounts:
        """The calls so far."""
        return CallCounts(**json.loads(self._on_loop(self._ask("counts"))))

    async def _serve(self, ready: Callable[[int], None], stop: Awaitable[float | None]) -> None:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", __name__),
            stdin=PIPE,
            stdout=PIPE,
            start_new_session=True,  # Ctrl-C is for the parent, at whose exit the process ends too
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        self._process = process
        try:
            ready(int(await self._ask(self._settings)))
            await stop
        finally:
            self._process = None
            await process.communicate(b"")  # closes its stdin, which ends it, and waits

    async def _ask(self, line: str) -> str:
        process = self._running
        assert process.stdin is not None and process.stdout is not None  # noqa: S101, PT018 -- both are pipes
        async with self._asking:
            process.stdin.write(f"{line}\n".encode())
            answer = await process.stdout.readline()
        if not answer:
            raise RuntimeError("the server's process has ended; its output is on stderr")
        return answer.decode()

    @property
    def _running(self) -> Process:
        if self._process is None:
            raise RuntimeError(f"{self!r} does not run; use it in a with block")
        return self._process


def _encode(message: Message | bytes) -> str:
    data = message if isinstance(message, bytes) else message.SerializeToString()
    return base64.b64encode(data).decode()


class _FixedReplies(grpc.GenericRpcHandler):
    """The handlers of the server process."""

    def __init__(self, replies: Mapping[str, Sequence[bytes]], delay: float) -> None:
        self.counts = CallCounts()
        self._delay = delay
        self._handlers = {method: self._handler(messages) for method, messages in replies.items()}

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, bytes] | None:
        return self._handlers.get(handler_call_details.method)

    def _handler(self, messages: Sequence[bytes]) -> grpc.RpcMethodHandler[bytes, bytes]:
        async def unary(_: bytes, __: Any) -> bytes:
            with self._counted():
                await self._wait()
                return messages[0]

        async def stream(_: bytes, __: Any) -> AsyncIterator[bytes]:
            with self._counted():
                for message in messages:
                    await self._wait()
                    yield message

        if len(messages) == 1:
            return grpc.unary_unary_rpc_method_handler(unary)
        return grpc.unary_stream_rpc_method_handler(stream)

    async def _wait(self) -> None:
        if self._delay:
            await asyncio.sleep(self._delay)

    @contextmanager
    def _counted(self) -> Iterator[None]:
        counts = self.counts
        counts.started += 1
        counts.peak = max(counts.peak, counts.started - counts.finished)
        try:
            yield
        finally:
            counts.finished += 1


async def _main() -> None:
    settings = json.loads(sys.stdin.readline())
    replies = {
        method: [base64.b64decode(data) for data in messages] for method, messages in settings["replies"].items()
    }
    handlers = _FixedReplies(replies, settings["delay"])
    options = {
        "grpc.max_receive_message_length": -1,
        "grpc.max_send_message_length": -1,
        # By default gRPC cancels calls of a burst once 3,000 wait to be accepted.
        "grpc.server.max_pending_requests": _MAX_INT,
        "grpc.server.max_pending_requests_hard_limit": _MAX_INT,
        **dict(settings["options"]),
    }
    server = grpc.aio.server(options=list(options.items()))
    server.add_generic_rpc_handlers((handlers,))
    port = server.add_insecure_port(join(_HOST, 0))
    await server.start()
    _print(port)
    loop = asyncio.get_running_loop()
    while await loop.run_in_executor(None, sys.stdin.readline):
        _print(json.dumps(asdict(handlers.counts)))
    await server.stop(None)


def _print(line: object) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(_main())
