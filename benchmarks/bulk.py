"""Throughput of bulk runs on the local server, over that of a bare event loop with the plain stub."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from benchmarks.rounds import spread

__all__ = ["bulk_table"]

METHOD: Final = "/google.ai.generativelanguage.v1beta.GenerativeService/GenerateContent"
ROUNDS: Final = 7
CONCURRENCY: Final = 100
SERVER: Final = """
import sys
from genai_grpc import local

script = local.ScriptEngine()
for _ in range(int(sys.argv[1])):
    script.reply("Once upon a time.")
with local.serve(script) as server:
    print(server.endpoint, flush=True)
    sys.stdin.read()
"""


def bulk_table(rows: int) -> str:
    """Rows per second of both in interleaved rounds, as a Markdown table."""
    bulk_rates, bare_rates, ratios = [], [], []
    with local_server(replies=2 * ROUNDS * rows) as endpoint:
        for _ in range(ROUNDS):
            bare_rates.append(bare(endpoint, rows))
            bulk_rates.append(run(endpoint, rows))
            ratios.append(bulk_rates[-1] / bare_rates[-1])
    ratio = spread(ratios)
    cells = [f"{spread(bare_rates).median:,.0f}", f"{spread(bulk_rates).median:,.0f}"]
    cells += [f"**{ratio.median:.2f}** ({ratio.low:.2f} to {ratio.high:.2f})"]
    heads = ["rows", "bare loop, rows/s", "`bulk.generate`, rows/s", "ratio"]
    return f"| {' | '.join(heads)} |\n|---:|---:|---:|---:|\n| {rows:,} | {' | '.join(cells)} |"


@contextmanager
def local_server(replies: int) -> Iterator[str]:
    """The local server with scripted replies, in a process of its own; its endpoint."""
    command = [sys.executable, "-c", SERVER, str(replies)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        assert process.stdout is not None  # noqa: S101 -- it is a pipe
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()


def run(endpoint: str, rows: int) -> float:
    """Rows per second of a bulk run into a file."""
    import genai_grpc as genai
    from genai_grpc import bulk

    with tempfile.TemporaryDirectory() as folder, genai.Client(endpoint=endpoint) as client:
        model = genai.GenerativeModel(client=client)
        started = time.perf_counter()
        source = ({"prompt": f"Row {number}."} for number in range(rows))
        bulk.generate(model, source, out=Path(folder, "out.jsonl"), concurrency=CONCURRENCY)
        return rows / (time.perf_counter() - started)


def bare(endpoint: str, rows: int) -> float:
    """Rows per second of tasks that call the plain stub, and drop the replies."""
    import grpc.aio

    from genai_grpc_protos import v1beta as protos

    call_type: Any = protos.GenerateContentRequest

    async def main() -> None:
        numbers = iter(range(rows))
        async with grpc.aio.insecure_channel(endpoint.removeprefix("http://")) as channel:
            call = channel.unary_unary(
                METHOD,
                request_serializer=call_type.SerializeToString,
                response_deserializer=protos.GenerateContentResponse.FromString,
            )

            async def work() -> None:
                for number in numbers:
                    content = protos.Content(role="user", parts=[protos.Part(text=f"Row {number}.")])
                    await call(call_type(model="models/gemini-pro", contents=[content]), timeout=60)

            await asyncio.gather(*(work() for _ in range(CONCURRENCY)))

    started = time.perf_counter()
    asyncio.run(main())
    return rows / (time.perf_counter() - started)
