"""Keys, prompts and responses show nowhere: in no log, trace, metric or traceback of a call."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from genai_grpc import errors
from genai_grpc.local import ScriptEngine, serve

KEY: Final = "AIzaSy-a-very-secret-key"
PROMPT: Final = "the-secret-prompt"
ANSWER: Final = "the-secret-answer"
PROGRAM: Final = """
import asyncio
import sys
import traceback

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import ConsoleMetricExporter, PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor

import genai_grpc as genai
from genai_grpc import errors, types
from genai_grpc.telemetry import OpenTelemetry

tracers, meters = TracerProvider(), MeterProvider([PeriodicExportingMetricReader(ConsoleMetricExporter())])
tracers.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter()))
interceptors = [OpenTelemetry(tracers, meters)] if sys.argv[2] == "telemetry" else []
retry = types.RetryPolicy(initial_backoff=0)
client = genai.Client(endpoint=sys.argv[1], interceptors=interceptors, retry=retry)
model = genai.GenerativeModel(client=client)
print(client, client.stats())


def show(error):
    "Print a traceback with the local variables of all frames but those of this program."
    found = traceback.TracebackException.from_exception(error, capture_locals=True)
    each = found
    while each is not None:
        each.stack = traceback.StackSummary.from_list([frame for frame in each.stack if frame.filename != __file__])
        each = each.__cause__ or each.__context__
    print("".join(found.format()))


def generate_async(*arguments, **options):
    return asyncio.run(model.generate_content_async(*arguments, **options))


for generate in (model.generate_content, generate_async):
    generate("PROMPT")
    for stream in (False, True):
        try:
            generate("PROMPT", stream=stream)
        except errors.NotFound as error:
            show(error)
        try:
            generate("PROMPT", stream=stream)
        except errors.InvalidArgument as error:
            print(error.attempts)  # its message quotes the prompt


async def consume():
    response = await model.generate_content_async("PROMPT", stream=True)
    await response.resolve()


model.generate_content("PROMPT", stream=True).resolve()
asyncio.run(consume())
try:
    model.generate_content("PROMPT", request_options={"metadata": [("x-name", "value\\n")]})
except ValueError as error:
    print(error)
meters.shutdown()
"""


@pytest.mark.parametrize("telemetry", ["telemetry", "plain"])
def test_contents_hidden(telemetry: str, tmp_path: Path) -> None:
    """A process with a debug log, telemetry and tracebacks with local variables shows no key, prompt or answer."""
    script = ScriptEngine()
    for _ in range(2):
        script.reply(errors.ServiceUnavailable("not now")).reply(ANSWER)
        for _ in range(2):
            script.reply(errors.NotFound("no such model"))
            script.reply(errors.InvalidArgument(f"cannot answer {PROMPT} with {KEY}"))
    script.reply(ANSWER, ANSWER).reply(ANSWER, ANSWER)
    program = tmp_path / "program.py"
    program.write_text(PROGRAM.replace("PROMPT", PROMPT))
    environment = os.environ | {
        "GENAI_GRPC_LOG": "debug",
        "GEMINI_API_KEY": KEY,
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    with serve(script, api_key=KEY) as server:
        command = [sys.executable, str(program), server.endpoint, telemetry]
        run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    lines = [line.partition(" genai_grpc: ")[2] for line in run.stderr.splitlines() if " INFO genai_grpc: " in line]
    assert [line.split()[2] for line in lines] == ["OK", *["NOT_FOUND", "INVALID_ARGUMENT"] * 2] * 2 + ["OK"] * 2
    assert run.stderr.count(" DEBUG genai_grpc: ") == 10
    assert run.stdout.count("NotFound: 404 no such model") >= 4
    assert ("gen_ai.request.model" in run.stdout) == (telemetry == "telemetry")
    for text in (run.stdout, run.stderr):
        for secret in (KEY, PROMPT, ANSWER):
            assert secret not in text
