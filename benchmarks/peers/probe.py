"""What a transport keeps of gRPC's promises, asked of it in an environment of its own, with `fitness`'s servers.

python -m benchmarks.peers.probe TRANSPORT ADDRESS AGING NARROW

Prints a JSON object: what was probed, and what came of it.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import TYPE_CHECKING, Any, Final

from benchmarks.peers import Endpoint, connect

if TYPE_CHECKING:
    from benchmarks.peers.frames import Transport

EMPTY: Final = b"\0\0\0\0\0"
WAIT: Final = 2.0
"""Seconds that the server has to learn of something, before the next call."""


async def main(name: str, address: str, aging: str, narrow: str) -> dict[str, str]:
    peer, old, full = (_connect(name, each) for each in (address, aging, narrow))
    return {
        "a status without a reply, and one after a message": await _statuses(peer),
        "deadline of 0.3 s": await _deadline(peer),
        "a call's task is cancelled": await _cancelled(peer),
        "a stream is left": await _left(peer, 0.0),
        "a stream is left that its reader let wait": await _left(peer, 1.0),
        "sent to a reader that waits": await _window(peer),
        "GOAWAY each second": await _one_by_one(old),
        "400 calls where 100 may be open": await _at_once(full),
    }


def _connect(name: str, address: str) -> Transport:
    peer: Any = connect(name, Endpoint(address, "", ""))
    return peer  # type: ignore[no-any-return]


async def _statuses(peer: Transport) -> str:
    said = []
    for method in ("Refuse", "Break"):
        try:
            await peer.post_async(f"/fitness.Server/{method}", EMPTY)
        except RuntimeError as error:
            said.append(str(error))
    return "both seen" if "8" in said[0] and "14" in said[1] else f"seen: {said}"


async def _deadline(peer: Transport) -> str:
    peer.timeout, began = 0.3, time.monotonic()
    try:
        await peer.post_async("/fitness.Server/Wait", EMPTY)
    except Exception as error:
        kind = type(error).__name__
    else:
        kind = "none"
    finally:
        peer.timeout = 60.0
    ended = time.monotonic()
    return f"{kind} after {ended - began:.1f} s; {await _told(peer, ended)}"


async def _cancelled(peer: Transport) -> str:
    async def call() -> None:
        await peer.post_async("/fitness.Server/Wait", EMPTY)

    task = asyncio.create_task(call())
    await asyncio.sleep(0.3)
    task.cancel()
    await asyncio.wait([task])
    return await _told(peer, time.monotonic())


async def _left(peer: Transport, pause: float) -> str:
    stream: Any = peer.pieces_async("/fitness.Server/Flood", EMPTY)
    await stream.__anext__()
    await asyncio.sleep(pause)
    await stream.aclose()
    return await _told(peer, time.monotonic())


async def _told(peer: Transport, since: float) -> str:
    """When the server knew that the last call had ended, on a connection that is left alone until it is asked."""
    await asyncio.sleep(WAIT)
    ended = (await _seen(peer))["ended"]
    if ended is None:
        return "**server never told**"
    late = ended - since
    return "server told at once" if late < WAIT / 4 else "**server told with the next call**"


async def _window(peer: Transport) -> str:
    stream: Any = peer.pieces_async("/fitness.Server/Flood", EMPTY)
    await stream.__anext__()
    await asyncio.sleep(WAIT)
    sent = (await _seen(peer))["sent"] / 1e6
    taken = 0
    async for piece in stream:
        taken += len(piece)
        if taken > 50e6:
            break
    await stream.aclose()
    return f"{sent:.1f} MB, and the rest when it reads on"


async def _one_by_one(peer: Transport) -> str:
    failures, calls, began = 0, 0, time.monotonic()
    while time.monotonic() - began < 4:
        calls += 1
        failures += await _fails(peer)
    return f"{failures} of {calls} calls fail"


async def _at_once(peer: Transport) -> str:
    failures = sum(await asyncio.gather(*(_fails(peer) for _ in range(400))))
    return f"**{failures} fail**" if failures else "0 fail"


async def _fails(peer: Transport) -> bool:
    try:
        await peer.post_async("/fitness.Server/Pause", EMPTY)
    except Exception:
        return True
    return False


async def _seen(peer: Transport) -> Any:
    return json.loads(bytes(await peer.post_async("/fitness.Server/Tell", EMPTY))[5:])


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(*sys.argv[1:]))))
