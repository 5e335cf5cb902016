"""The load server, in a process of its own."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import grpc
import pytest

import genai_grpc as genai
from genai_grpc import protos, testing
from genai_grpc_protos.v1beta.generative_service_pb2_grpc import GenerativeServiceStub

SERVICE = "/google.ai.generativelanguage.v1beta.GenerativeService"
REPLIES: dict[str, Any] = {
    f"{SERVICE}/GenerateContent": [testing.response("Hello")],
    f"{SERVICE}/StreamGenerateContent": [testing.response(text).SerializeToString() for text in ("One,", " two")],
}
BURST = 10_000


def test_answers_from_another_process() -> None:
    """Another process sends the replies and streams and counts the calls; other methods are UNIMPLEMENTED."""
    with testing.LoadServer(REPLIES) as server, genai.Client(endpoint=server.endpoint) as client:
        model = genai.GenerativeModel(client=client)
        assert server.pid != os.getpid()
        assert model.generate_content("Hi").text == "Hello"
        assert [chunk.text for chunk in model.generate_content("Hi", stream=True)] == ["One,", " two"]
        with pytest.raises(genai.errors.MethodNotImplemented):
            model.count_tokens("Hi")
        counts = server.counts
    assert (counts.started, counts.finished, counts.peak) == (2, 2, 1)
    with pytest.raises(RuntimeError, match="does not run"):
        _ = server.pid


@pytest.mark.slow
def test_burst_of_calls() -> None:
    """10,000 concurrent calls are all answered; with a delay, thousands are in flight at one time."""
    request = protos.GenerateContentRequest(model="models/gemini-pro")

    async def main(address: str) -> list[str]:
        async with grpc.aio.insecure_channel(address) as channel:
            stub: Any = GenerativeServiceStub(channel)
            responses = await asyncio.gather(*(stub.GenerateContent(request, timeout=100) for _ in range(BURST)))
        return [response.candidates[0].content.parts[0].text for response in responses]

    with testing.LoadServer(REPLIES, delay=0.5) as server:
        assert asyncio.run(main(server.address)) == ["Hello"] * BURST
        assert server.counts.peak > 1_000


def test_options_reach_grpc() -> None:
    """With at most one stream per connection, a client with one connection never has two calls in flight."""
    request = protos.GenerateContentRequest(model="models/gemini-pro")
    options = [("grpc.max_concurrent_streams", 1)]
    with testing.LoadServer(REPLIES, delay=0.01, options=options) as server:
        with grpc.insecure_channel(server.address) as channel:
            stub = GenerativeServiceStub(channel)
            stub.GenerateContent(request)  # after it the client knows the limit
            for future in [stub.GenerateContent.future(request) for _ in range(10)]:
                future.result(timeout=60)
        counts = server.counts
    assert (counts.started, counts.peak) == (11, 1)


def test_process_fails_to_start(capfd: pytest.CaptureFixture[str]) -> None:
    """If the process fails, `start` raises RuntimeError, and the process's output is on stderr."""
    with pytest.raises(RuntimeError, match="stderr"):
        testing.LoadServer({}, options=[("grpc.max_concurrent_streams",)]).start()  # type: ignore[list-item]  # wrong on purpose
    assert "ValueError" in capfd.readouterr().err
