"""Overhead of telemetry: CPU of calls with and without the OpenTelemetry interceptor, in paired rounds over loopback.

The client, its server and an SDK that exports nothing share one process, so that the ratio is that of the whole
process.
"""

from __future__ import annotations

import statistics
import time

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider

import genai_grpc as genai
from genai_grpc.local import ScriptEngine, serve
from genai_grpc.telemetry import OpenTelemetry

ROUNDS = 15
CALLS = 100
CHUNKS = 20


def seconds(script: ScriptEngine, client: genai.Client, stream: bool) -> float:
    """CPU seconds of a round of calls, the server's included."""
    model = genai.GenerativeModel(client=client)
    for _ in range(CALLS):
        script.reply(*["word "] * (CHUNKS if stream else 1))
    started = time.process_time()
    for _ in range(CALLS):
        model.generate_content("Hi", stream=stream).resolve()
    return time.process_time() - started


def main() -> None:
    telemetry = OpenTelemetry(TracerProvider(), MeterProvider(metric_readers=[InMemoryMetricReader()]))
    script = ScriptEngine()
    with (
        serve(script) as server,
        genai.Client(endpoint=server.endpoint) as plain,
        genai.Client(endpoint=server.endpoint, interceptors=[telemetry]) as traced,
    ):
        for stream in (False, True):
            for client in (plain, traced):
                seconds(script, client, stream)
            pairs = [[seconds(script, client, stream) for client in (plain, traced)] for _ in range(ROUNDS)]
            ratio = statistics.median(after / before for before, after in pairs)
            more = statistics.median(after - before for before, after in pairs) / CALLS
            print(f"{'stream' if stream else 'unary':>6}: {ratio:.2f} times the CPU, {more * 1e6:.0f} µs more per call")
