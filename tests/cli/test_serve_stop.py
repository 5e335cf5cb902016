"""The end of `genai-grpc serve` by a signal, whatever its engine does."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import grpc
import pytest

from genai_grpc import protos
from genai_grpc_protos.v1beta.generative_service_pb2_grpc import GenerativeServiceStub
from tests.cli.command import read_usage, started
from tests.local.services.wire import text, to_request

STOPPING = "Stopping: calls in flight have {} s to end; another signal ends them at once.\n"
SECONDS = 20
"""Guard for an exit that takes its grace of a second and at most some more; these engines never return."""

BLOCKS_A_THREAD = """
        async def generate(self, request):
            print("generating", flush=True)
            await asyncio.to_thread(threading.Event().wait)
            yield
"""
BLOCKS_THE_LOOP = """
        async def generate(self, request):
            print("generating", flush=True)
            threading.Event().wait()
            yield
"""
NEVER_CLOSES = """
        async def generate(self, request):
            print("generating", flush=True)
            await asyncio.sleep(3600)
            yield
        async def aclose(self):
            await asyncio.sleep(3600)
"""
NEVER_STARTS = """
        async def start(self):
            print("starting", flush=True)
            await asyncio.to_thread(threading.Event().wait)
"""
TWO_CHUNKS = """
        async def start(self):
            from genai_grpc.local import Delay
            self.reply("Hello", Delay(0.5), " world")
"""


@pytest.mark.parametrize(
    ("number", "methods", "code", "reason"),
    [
        (signal.SIGTERM, BLOCKS_A_THREAD, 0, ""),
        (signal.SIGINT, BLOCKS_A_THREAD, 0, ""),
        (signal.SIGTERM, BLOCKS_THE_LOOP, 1, 'File "<string>", line'),
        (
            signal.SIGINT,
            NEVER_CLOSES,
            1,
            "Error: the engine Engine (models/script) did not close within 3 s; it is abandoned",
        ),
    ],
    ids=["thread, SIGTERM", "thread, SIGINT", "loop, SIGTERM", "close, SIGINT"],
)
def test_engine_that_never_returns(number: signal.Signals, methods: str, code: int, reason: str) -> None:
    """A signal ends the command some seconds after its grace; the code is 1, with a reason, if its engine goes on."""
    with started("serve", "--port", "0", "--grace", "1", methods=methods) as process:
        _, address, _ = read_usage(process)
        with grpc.insecure_channel(address) as channel:
            call = GenerativeServiceStub(channel).GenerateContent.future(to_request())
            assert process.stdout is not None
            assert process.stdout.readline() == "generating\n"
            call.cancel()
            process.send_signal(number)
            output, errors = process.communicate(timeout=SECONDS)

    assert process.returncode == code
    assert output == STOPPING.format(1) + ("" if code else "Stopped.\n")
    assert reason in errors


def test_second_signal() -> None:
    """A second signal ends the command at once, with the exit code of that signal."""
    with started("serve", "--port", "0", "--grace", "3600", methods=NEVER_CLOSES) as process:
        _, address, _ = read_usage(process)
        with grpc.insecure_channel(address) as channel:
            call = GenerativeServiceStub(channel).GenerateContent.future(to_request())
            assert process.stdout is not None
            assert process.stdout.readline() == "generating\n"
            process.send_signal(signal.SIGTERM)
            assert process.stdout.readline() == STOPPING.format(3600)
            process.send_signal(signal.SIGINT)
            assert process.wait(SECONDS) == -signal.SIGINT
            call.cancel()


def test_calls_end_within_the_grace() -> None:
    """A call in flight may end by itself within the grace, and the exit does not wait for the rest of it."""
    with started("serve", "--port", "0", "--grace", "3600", methods=TWO_CHUNKS) as process:
        _, address, _ = read_usage(process)
        with grpc.insecure_channel(address) as channel:
            stream = GenerativeServiceStub(channel).StreamGenerateContent(to_request())
            first = next(stream)
            process.send_signal(signal.SIGTERM)
            assert text(first) + "".join(map(text, stream)) == "Hello world"
            output, errors = process.communicate(timeout=SECONDS)

    assert (process.returncode, output, errors) == (0, STOPPING.format(3600) + "Stopped.\n", "")


def test_signal_during_the_start() -> None:
    """A signal ends the command while its engine loads the model."""
    with started("serve", "--port", "0", "--grace", "1", methods=NEVER_STARTS) as process:
        assert process.stdout is not None
        assert [process.stdout.readline() for _ in range(3)][1:] == ["Loading models/script ...\n", "starting\n"]
        process.send_signal(signal.SIGTERM)
        output, errors = process.communicate(timeout=SECONDS)

    assert (process.returncode, output, errors) == (0, STOPPING.format(1) + "Stopped.\n", "")


def _generate(stub: Any, prompt: str) -> Any:
    return stub.GenerateContent.future(to_request(protos.Part(text=prompt), model="models/gemini-pro"), timeout=60)


def _count(stub: Any, prompt: str) -> Any:
    contents = to_request(protos.Part(text=prompt)).contents
    return stub.CountTokens.future(protos.CountTokensRequest(model="models/gemini-pro", contents=contents), timeout=60)


@pytest.mark.llama
@pytest.mark.parametrize("begin", [_generate, _count])
@pytest.mark.parametrize("size", [200_000, 4_000_000])
def test_real_model_with_a_long_prompt(begin: Callable[[Any, str], Any], size: int) -> None:
    """A signal ends the command although its client has just given up a prompt that takes seconds to process."""
    command = [sys.executable, "-m", "genai_grpc", "serve", "--port", "0", "--grace", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            for line in process.stdout:
                if line.startswith("Serving "):
                    break
            address = line.partition("http://")[2].split()[0]
            with grpc.insecure_channel(address) as channel:
                ended = threading.Event()
                call = begin(GenerativeServiceStub(channel), "a b " * (size // 4))
                call.add_done_callback(lambda _: ended.set())
                ended.wait(0.3)
                call.cancel()
                process.send_signal(signal.SIGTERM)
                output, errors = process.communicate(timeout=SECONDS)
        finally:
            process.kill()

    assert (process.returncode, errors) == (0, "")
    assert output.endswith(STOPPING.format(1) + "Stopped.\n")
