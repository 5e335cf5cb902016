"""A million calls of one client: does its memory stay where it was, and are its descriptors let go?

Half of them async, 200 in flight, half sync on 8 threads, with a stream of 1,000 chunks among every thousand, and a new
event loop and key ten times. Prints the resident memory after each tenth.
"""

from __future__ import annotations

import asyncio
import gc
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import genai_grpc as genai
from benchmarks.peers import MODEL, PROMPT
from benchmarks.serving import SCENARIOS, serve

TENTHS: Final = 10
THREADS: Final = 8
IN_FLIGHT: Final = 200


def resident() -> float:
    """MiB that the process holds."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def descriptors() -> int:
    """Files and sockets that the process holds open."""
    return len(os.listdir("/proc/self/fd"))


async def asking(model: genai.GenerativeModel, calls: int) -> None:
    async def some() -> None:
        for _ in range(calls // IN_FLIGHT):
            await model.generate_content_async(PROMPT)

    await asyncio.gather(*(some() for _ in range(IN_FLIGHT)))
    for _ in range(calls // 1000):
        async for _chunk in await model.generate_content_async(PROMPT, stream=True):
            pass


def ask(model: genai.GenerativeModel, calls: int) -> None:
    def some(_: int) -> None:
        for _ in range(calls // THREADS):
            model.generate_content(PROMPT)

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(some, range(THREADS)))
    for _ in range(calls // 1000):
        for _chunk in model.generate_content(PROMPT, stream=True):
            pass


def soak(calls: int) -> None:
    """Make so many calls, and print what the process holds after each tenth of them."""
    calls = calls // TENTHS // 2
    with serve(SCENARIOS["short"]) as endpoint, genai.Client("0", endpoint=f"http://{endpoint.grpc}") as client:
        model = genai.GenerativeModel(MODEL, client=client)
        began = time.monotonic()
        for tenth in range(1, TENTHS + 1):
            client.update_api_key(str(tenth))
            asyncio.run(asking(model, calls))
            ask(model, calls)
            gc.collect()
            print(
                f"{tenth * 2 * calls:>9,} calls, {time.monotonic() - began:5.0f} s: "
                f"{resident():6.1f} MiB, {descriptors()} descriptors",
                flush=True,
            )
