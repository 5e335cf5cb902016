"""Soak test: memory and file descriptors of one client over a million calls.

Half of the calls are async, 200 in flight, half are sync on 8 threads. A third of them does not come to its end: it is
cancelled, closed, dropped after the first chunk, or late. One in a thousand is a stream that is read. The loop and the
API key change ten times. Prints the resident memory after each tenth.
"""

from __future__ import annotations

import asyncio
import gc
import os
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Final

import genai_grpc as genai
from benchmarks.peers import MODEL, PROMPT
from benchmarks.serving import SCENARIOS, serve
from genai_grpc import errors

TENTHS: Final = 10
THREADS: Final = 8
IN_FLIGHT: Final = 200


def resident() -> float:
    """Resident memory of the process in MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def descriptors() -> int:
    """Number of open file descriptors of the process."""
    return len(os.listdir("/proc/self/fd"))


LATE: Final = {"timeout": 0.0003, "retry": None}


async def call_async(model: genai.GenerativeModel, calls: int) -> None:
    async def call_in_sequence() -> None:
        for number in range(calls // IN_FLIGHT):
            with suppress(errors.DeadlineExceeded):
                match number % 12:
                    case 0:
                        await model.generate_content_async(PROMPT, request_options=LATE)
                    case 1:
                        call = asyncio.ensure_future(model.generate_content_async(PROMPT))
                        await asyncio.sleep(0)
                        call.cancel()
                    case 2:
                        async for _chunk in await model.generate_content_async(PROMPT, stream=True):
                            break
                    case 3:
                        async with await model.generate_content_async(PROMPT, stream=True):
                            pass
                    case _:
                        await model.generate_content_async(PROMPT)

    await asyncio.gather(*(call_in_sequence() for _ in range(IN_FLIGHT)))
    for _ in range(calls // 1000):
        async for _chunk in await model.generate_content_async(PROMPT, stream=True):
            pass


def call(model: genai.GenerativeModel, calls: int) -> None:
    def call_in_sequence(_: int) -> None:
        for number in range(calls // THREADS):
            with suppress(errors.DeadlineExceeded):
                match number % 12:
                    case 0:
                        model.generate_content(PROMPT, request_options=LATE)
                    case 1:
                        model.start_chat().send_message(PROMPT, stream=True)
                    case 2:
                        for _chunk in model.generate_content(PROMPT, stream=True):
                            break
                    case 3:
                        with model.generate_content(PROMPT, stream=True):
                            pass
                    case _:
                        model.generate_content(PROMPT)

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(call_in_sequence, range(THREADS)))
    for _ in range(calls // 1000):
        for _chunk in model.generate_content(PROMPT, stream=True):
            pass


def soak(calls: int) -> None:
    """Make `calls` calls, and print memory and descriptors after each tenth."""
    calls = calls // TENTHS // 2
    with serve(SCENARIOS["soak"]) as endpoint, genai.Client("0", endpoint=f"http://{endpoint.grpc}") as client:
        model = genai.GenerativeModel(MODEL, client=client)
        started = time.monotonic()
        for tenth in range(1, TENTHS + 1):
            client.update_api_key(str(tenth))
            asyncio.run(call_async(model, calls))
            call(model, calls)
            gc.collect()
            print(
                f"{tenth * 2 * calls:>9,} calls, {time.monotonic() - started:5.0f} s: "
                f"{resident():6.1f} MiB, {descriptors()} descriptors",
                flush=True,
            )
