"""A server in a process of its own, for load."""

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
    f"{SERVICE}/StreamGenerateContent": [testing.response(word).SerializeToString() for word in ("One,", " two")],
}
BURST = 10_000


def test_answers_from_a_process_of_its_own() -> None:
    """Replies and streams come from another process, each call is counted, and other methods are not there."""
    with testing.LoadServer(REPLIES) as server, genai.Client(endpoint=server.endpoint) as client:
        model = genai.GenerativeModel(client=client)
        assert server.pid != os.getpid()
        assert model.generate_content("Hi").text == "Hello"
        assert [chunk.text for chunk in model.generate_content("Hi", stream=True)] == ["One,", " two"]
        with pytest.raises(genai.errors.MethodNotImplemented):
            model.count_tokens("Hi")
        counts = server.counts
    assert (counts.begun, counts.ended, counts.most) == (2, 2, 1)
    with pytest.raises(RuntimeError, match="does not run"):
        _ = server.pid


def test_a_burst() -> None:
    """It answers 10,000 calls at once, none of which is lost; held open, thousands are in flight together."""
    request = protos.GenerateContentRequest(model="models/gemini-pro")

    async def main(address: str) -> list[str]:
        async with grpc.aio.insecure_channel(address) as channel:
            stub: Any = GenerativeServiceStub(channel)
            answers = await asyncio.gather(*(stub.GenerateContent(request, timeout=100) for _ in range(BURST)))
        return [answer.candidates[0].content.parts[0].text for answer in answers]

    with testing.LoadServer(REPLIES, delay=0.5) as server:
        assert asyncio.run(main(server.address)) == ["Hello"] * BURST
        assert server.counts.most > 1_000


def test_options_reach_grpc() -> None:
    """A server of one stream a connection never has two calls of it."""
    request = protos.GenerateContentRequest(model="models/gemini-pro")
    options = [("grpc.max_concurrent_streams", 1)]
    with testing.LoadServer(REPLIES, delay=0.01, options=options) as server:
        with grpc.insecure_channel(server.address) as channel:
            stub = GenerativeServiceStub(channel)
            stub.GenerateContent(request)  # the limit is known from here on
            for future in [stub.GenerateContent.future(request) for _ in range(10)]:
                future.result(timeout=60)
        counts = server.counts
    assert (counts.begun, counts.most) == (11, 1)


def test_a_process_that_does_not_start(capfd: pytest.CaptureFixture[str]) -> None:
    """Where the process fails the start does, and what it said is on stderr."""
    with pytest.raises(RuntimeError, match="stderr"):
        testing.LoadServer({}, options=[("grpc.max_concurrent_streams",)]).start()  # type: ignore[list-item]  # wrong on purpose
    assert "ValueError" in capfd.readouterr().err
