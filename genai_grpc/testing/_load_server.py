"""A server for load: bytes that were made before, from a process of its own, which leaves the client its interpreter.

Run as a program it is that process: it reads its settings from a line of JSON on stdin, prints its port, answers each
further line with its counts, and ends with its stdin, so that it never outlives its parent.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
    from types import TracebackType

    import grpc
    from google.protobuf.message import Message
    from typing_extensions import Self

__all__ = ["CallCounts", "LoadServer"]

_MANY: Final = 2**31 - 1


@dataclass(slots=True)
class CallCounts:
    """Calls so far.

    Attributes:
        begun: Taken up.
        ended: Ended again, well or by the client.
        most: The most there were at one time.
    """

    begun: int = 0
    ended: int = 0
    most: int = 0


class LoadServer:
    """Answers every call of a method with the same messages, inside a `with` block.

    Args:
        replies: By method, e.g. "/google.ai.generativelanguage.v1beta.GenerativeService/GenerateContent": the messages,
            or their bytes. Any other method is UNIMPLEMENTED.
        delay: Seconds before each message, for which calls are held open.
        options: gRPC's own for a server, e.g. `[("grpc.max_concurrent_streams", 100)]`.

    >>> from genai_grpc import testing
    >>> method = "/google.ai.generativelanguage.v1beta.GenerativeService/GenerateContent"
    >>> with testing.LoadServer({method: [testing.response("Hello")]}) as server:
    ...     server.endpoint.startswith("http://127.0.0.1:"), server.counts
    (True, Counts(begun=0, ended=0, most=0))
    """

    def __init__(
        self,
        replies: Mapping[str, Sequence[Message | bytes]],
        *,
        delay: float = 0.0,
        options: Iterable[tuple[str, int | str]] = (),
    ) -> None:
        canned = {method: [_encoded(reply) for reply in messages] for method, messages in replies.items()}
        self._settings = json.dumps({"replies": canned, "delay": delay, "options": list(options)})
        self._process: subprocess.Popen[str] | None = None
        self._port = 0

    @property
    def address(self) -> str:
        """Where a gRPC channel of this machine finds it, e.g. "127.0.0.1:50051"."""
        return f"127.0.0.1:{self._port}"

    @property
    def endpoint(self) -> str:
        """The same as a URL: "http://127.0.0.1:50051"."""
        return f"http://{self.address}"

    @property
    def pid(self) -> int:
        """Its process."""
        return self._running.pid

    @property
    def counts(self) -> CallCounts:
        """The calls so far."""
        return CallCounts(**json.loads(self._ask("counts")))

    def start(self) -> None:
        """Start the process, and return when it listens.

        Raises:
            RuntimeError: It did not start; what it said is on stderr.
        """
        path = os.pathsep.join(filter(None, sys.path))
        self._process = subprocess.Popen(  # noqa: S603 -- our own interpreter and module
            [sys.executable, "-m", __name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C is for the parent, whose end is this one's
            env={**os.environ, "PYTHONPATH": path},
        )
        try:
            self._port = int(self._ask(self._settings))
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End the process and its calls; harmless if it does not run."""
        process, self._process = self._process, None
        if process is not None:
            with process:  # which closes its stdin, and waits
                pass

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def _running(self) -> subprocess.Popen[str]:
        if self._process is None:
            raise RuntimeError("the server does not run; use it in a with block")
        return self._process

    def _ask(self, line: str) -> str:
        process = self._running
        assert process.stdin is not None and process.stdout is not None  # noqa: S101, PT018 -- both are pipes
        process.stdin.write(f"{line}\n")
        process.stdin.flush()
        answer = process.stdout.readline()
        if not answer:
            raise RuntimeError("the server's process has ended; what it said is on stderr")
        return answer


def _encoded(message: Message | bytes) -> str:
    data = message if isinstance(message, bytes) else message.SerializeToString()
    return base64.b64encode(data).decode()


class _Canned:
    """The handlers of the process."""

    def __init__(self, replies: dict[str, list[bytes]], delay: float) -> None:
        self.counts = CallCounts()
        self._delay = delay
        self._handlers = {method: self._handler(messages) for method, messages in replies.items()}

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, bytes] | None:
        """The handler of a call's method."""
        return self._handlers.get(details.method)

    def _handler(self, messages: list[bytes]) -> grpc.RpcMethodHandler[bytes, bytes]:
        import grpc

        async def one(_: bytes, __: Any) -> bytes:
            self._begin()
            try:
                if self._delay:
                    await asyncio.sleep(self._delay)
                return messages[0]
            finally:
                self.counts.ended += 1

        async def many(_: bytes, __: Any) -> AsyncIterator[bytes]:
            self._begin()
            try:
                for message in messages:
                    if self._delay:
                        await asyncio.sleep(self._delay)
                    yield message
            finally:
                self.counts.ended += 1

        if len(messages) == 1:
            return grpc.unary_unary_rpc_method_handler(one)
        return grpc.unary_stream_rpc_method_handler(many)

    def _begin(self) -> None:
        counts = self.counts
        counts.begun += 1
        counts.most = max(counts.most, counts.begun - counts.ended)


async def _main() -> None:
    import grpc

    settings = json.loads(sys.stdin.readline())
    canned = _Canned(
        {method: [base64.b64decode(data) for data in messages] for method, messages in settings["replies"].items()},
        settings["delay"],
    )

    class Handlers(grpc.GenericRpcHandler):
        def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any] | None:
            return canned.service(handler_call_details)

    limits = {
        "grpc.max_receive_message_length": -1,
        "grpc.max_send_message_length": -1,
        # Of a burst, gRPC cancels what is above 3,000 calls not yet taken up.
        "grpc.server.max_pending_requests": _MANY,
        "grpc.server.max_pending_requests_hard_limit": _MANY,
    }
    server = grpc.aio.server(options=list({**limits, **dict(settings["options"])}.items()))
    server.add_generic_rpc_handlers((Handlers(),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    _say(port)
    loop = asyncio.get_running_loop()
    while await loop.run_in_executor(None, sys.stdin.readline):
        _say(json.dumps(asdict(canned.counts)))
    await server.stop(None)


def _say(line: object) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(_main())
