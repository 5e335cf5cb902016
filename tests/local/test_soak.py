"""What clients that go away leave in the server."""

from __future__ import annotations

import subprocess
import sys

import grpc
import pytest

from genai_grpc_protos.v1beta.generative_service_pb2_grpc import GenerativeServiceStub
from tests.local.services.wire import text, to_request

WARM_UP, CALLS = 500, 2000
MAX_BYTES = 1024
"""Growth for each abandoned call, at most; the script records its request and metadata, which is about half of it."""

# For each line, one more round of replies that never end; prints what is in memory once all calls are cancelled.
PROGRAM = """if True:
    import asyncio, gc, sys, time
    from genai_grpc import local

    def resident():
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * 4096

    def tasks():
        gc.collect()
        return sum(isinstance(found, asyncio.Task) and not found.done() for found in gc.get_objects())

    script, total = local.ScriptEngine(), 0
    with local.serve(script) as server:
        idle = tasks()
        print(server.address, flush=True)
        for line in sys.stdin:
            total += int(line)
            for _ in range(int(line)):
                script.reply("Hello", local.STALL)
            print("ready", flush=True)
            script.wait_cancelled(total, timeout=60)
            # The engine is cancelled first; gRPC's own tasks end some milliseconds later.
            for _ in range(1000):
                if (left := tasks() - idle) <= 0:
                    break
                time.sleep(0.01)
            print(resident(), left, flush=True)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads the memory from /proc")
@pytest.mark.slow
def test_abandoned_streams() -> None:
    """Streams whose client goes away in the middle leave no task in the server, and no memory but their record."""
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        found: list[tuple[int, ...]] = []
        with grpc.insecure_channel(process.stdout.readline().strip()) as channel:
            stub = GenerativeServiceStub(channel)
            for calls in WARM_UP, WARM_UP, CALLS:
                process.stdin.write(f"{calls}\n")
                process.stdin.flush()
                assert process.stdout.readline() == "ready\n"
                for _ in range(calls):
                    stream = stub.StreamGenerateContent(to_request())
                    assert text(next(stream)) == "Hello"
                    stream.cancel()
                found.append(tuple(map(int, process.stdout.readline().split())))
        process.stdin.close()
        assert process.wait(30) == 0

    assert [tasks for _, tasks in found] == [0, 0, 0]
    assert (found[2][0] - found[1][0]) / CALLS < MAX_BYTES
