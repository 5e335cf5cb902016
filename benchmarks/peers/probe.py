"""Probes of a transport's conformance with gRPC, run in the transport's environment against `conformance`'s servers.

python -m benchmarks.peers.probe TRANSPORT ADDRESS MAX_AGE_ADDRESS MAX_STREAMS_ADDRESS

Prints a JSON object of the probes and their results.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any, Final

from benchmarks.peers import Endpoint, connect
from benchmarks.peers.frames import Transport

EMPTY: Final = b"\0\0\0\0\0"
WAIT: Final = 2.0
"""Seconds in which the server should observe an event, before the next call."""


async def main(name: str, address: str, max_age: str, max_streams: str) -> dict[str, str]:
    peer, aging, limited = (_connect(name, each) for each in (address, max_age, max_streams))
    return {
        "status without a reply, and after a message": await _statuses(peer),
        "deadline of 0.3 s": await _deadline(peer),
        "task of a call cancelled": await _cancelled_call(peer),
        "stream closed early": await _closed_stream(peer, 0.0),
        "stream closed early, under backpressure": await _closed_stream(peer, 1.0),
        "sent to a reader that does not read": await _window(peer),
        "GOAWAY every second": await _sequential(aging),
        "400 calls, at most 100 concurrent streams": await _concurrent(limited),
    }


def _connect(name: str, address: str) -> Transport:
    peer: Any = connect(name, Endpoint(address, "", ""))
    return peer  # type: ignore[no-any-return]


async def _statuses(peer: Transport) -> str:
    messages = []
    for method in ("Refuse", "Break"):
        try:
            await peer.post_async(f"/conformance.Server/{method}", EMPTY)
        except RuntimeError as error:
            messages.append(str(error))
    return "both received" if "8" in messages[0] and "14" in messages[1] else f"received: {messages}"


async def _deadline(peer: Transport) -> str:
    peer.timeout, started = 0.3, time.monotonic()
    try:
        await peer.post_async("/conformance.Server/Wait", EMPTY)
    except Exception as error:
        kind = type(error).__name__
    else:
        kind = "none"
    finally:
        peer.timeout = 60.0
    ended = time.monotonic()
    return f"{kind} after {ended - started:.1f} s; {await _notification(peer, ended)}"


async def _cancelled_call(peer: Transport) -> str:
    async def call() -> None:
        await peer.post_async("/conformance.Server/Wait", EMPTY)

    task = asyncio.create_task(call())
    await asyncio.sleep(0.3)
    task.cancel()
    await asyncio.wait([task])
    return await _notification(peer, time.monotonic())


async def _closed_stream(peer: Transport, pause: float) -> str:
    stream: Any = peer.pieces_async("/conformance.Server/Flood", EMPTY)
    await stream.__anext__()
    await asyncio.sleep(pause)
    await stream.aclose()
    return await _notification(peer, time.monotonic())


async def _notification(peer: Transport, since: float) -> str:
    """When the server was notified of the end of the last call, on a connection that is otherwise idle."""
    await asyncio.sleep(WAIT)
    ended = (await _report(peer))["ended"]
    if ended is None:
        return "**server never notified**"
    delay = ended - since
    return "server notified at once" if delay < WAIT / 4 else "**server notified with the next call**"


async def _window(peer: Transport) -> str:
    stream: Any = peer.pieces_async("/conformance.Server/Flood", EMPTY)
    await stream.__anext__()
    await asyncio.sleep(WAIT)
    sent = (await _report(peer))["sent"] / 1e6
    received = 0
    async for piece in stream:
        received += len(piece)
        if received > 50e6:
            break
    await stream.aclose()
    return f"{sent:.1f} MB, the rest once it reads"


async def _sequential(peer: Transport) -> str:
    failures, calls, started = 0, 0, time.monotonic()
    while time.monotonic() - started < 4:
        calls += 1
        failures += await _fails(peer)
    return f"{failures} of {calls} calls fail"


async def _concurrent(peer: Transport) -> str:
    failures = sum(await asyncio.gather(*(_fails(peer) for _ in range(400))))
    return f"**{failures} fail**" if failures else "0 fail"


async def _fails(peer: Transport) -> bool:
    try:
        await peer.post_async("/conformance.Server/Pause", EMPTY)
    except Exception:
        return True
    return False


async def _report(peer: Transport) -> Any:
    return json.loads(bytes(await peer.post_async("/conformance.Server/Report", EMPTY))[5:])


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(*sys.argv[1:]))))
