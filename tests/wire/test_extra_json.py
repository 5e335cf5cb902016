"""Fields that only the HTTP endpoint knows: `extra_body` in requests, and `response.raw` of replies."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

import genai_grpc as genai
from genai_grpc import errors, types
from genai_grpc.local import ScriptEngine, Server
from tests.conftest import Api
from tests.gateway import Gateway

REPLY: dict[str, Any] = {
    "candidates": [
        {
            "content": {"role": "model", "parts": [{"text": "Hello", "novelty": {"level": 3}}]},
            "finishReason": "STOP",
            "sparkle": True,
        }
    ],
    "newField": [1, 2],
}
JSON = json.dumps(REPLY).encode()
EVENTS = b"".join(b"data: " + json.dumps({**REPLY, "number": number}).encode() + b"\r\n\r\n" for number in range(3))


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    """A server that knows more fields than the protos."""
    with Gateway() as running:
        yield running


@pytest.fixture
def model(gateway: Gateway) -> Iterator[genai.GenerativeModel]:
    """A model of it."""
    with genai.Client(transport="rest", endpoint=gateway.url) as client:
        yield genai.GenerativeModel("gemini-pro", client=client, generation_config={"temperature": 0.5, "top_k": 3})


def test_extra_body(api: Api, gateway: Gateway, model: genai.GenerativeModel) -> None:
    """It is merged object by object; other values replace those of the request."""
    gateway.replies = [(200, "application/json", JSON)]
    extra = {"generationConfig": {"topK": 7, "novelty": {"level": "HIGH"}}, "labels": {"team": "blue"}}
    options = types.RequestOptions(extra_body=extra)
    api.generate(model, "Hi", request_options=options)
    _, _, _, body = gateway.requests[0]
    assert json.loads(body) == {
        "contents": [{"role": "user", "parts": [{"text": "Hi"}]}],
        "generationConfig": {"temperature": 0.5, "topK": 7, "novelty": {"level": "HIGH"}},
        "labels": {"team": "blue"},
    }
    assert extra["generationConfig"] == {"topK": 7, "novelty": {"level": "HIGH"}}


def test_raw(api: Api, gateway: Gateway, model: genai.GenerativeModel) -> None:
    """`raw` has all that came; the messages have what they know."""
    gateway.replies = [(200, "application/json", JSON)]
    response = api.generate(model, "Hi")
    assert response.text == "Hello"
    assert response.raw == [REPLY]


def test_raw_of_a_stream(gateway: Gateway, model: genai.GenerativeModel) -> None:
    """One object for each chunk so far."""
    gateway.replies = [(200, "text/event-stream", EVENTS)]
    response = model.generate_content("Hi", stream=True)
    seen = []
    for chunk in response:
        seen.append([each["number"] for each in response.raw])
        assert chunk.raw == []
    assert [numbers[-1] for numbers in seen] == [0, 1, 2]
    assert response.raw == [{**REPLY, "number": number} for number in range(3)]


def test_raw_of_a_stream_at_its_end(api: Api, gateway: Gateway, model: genai.GenerativeModel) -> None:
    """A stream that has ended has all of them."""
    gateway.replies = [(200, "text/event-stream", EVENTS)]
    response = api.generate(model, "Hi", stream=True)
    api.resolve(response)
    assert [each["number"] for each in response.raw] == [0, 1, 2]


def test_grpc(api: Api, server: Server, script: ScriptEngine) -> None:
    """GRPC cannot carry JSON: a call with some is refused before it is sent, and nothing is raw."""
    with genai.Client(endpoint=server.endpoint) as client:
        model = genai.GenerativeModel(client=client)
        with pytest.raises(errors.InvalidArgument, match="transport='rest'"):
            api.generate(model, "Hi", request_options={"extra_body": {"a": 1}})
        assert client.stats().sync_connections == 0
        assert client.stats().async_connections == ()
        script.reply("Hello")
        response = api.generate(model, "Hi")
        assert response.raw == []


def test_no_body(gateway: Gateway, model: genai.GenerativeModel) -> None:
    """A request that has no body takes none."""
    with pytest.raises(errors.InvalidArgument, match=r"GetModel has no body in HTTP"):
        genai.get_model("gemini-pro", request_options={"extra_body": {"a": 1}}, client=model.client)
    assert gateway.requests == []


@pytest.mark.parametrize(
    ("extra", "error", "message"),
    [
        ([1], TypeError, "extra_body is a dict of JSON; got list"),
        ({"a": object()}, TypeError, "extra_body is a dict of JSON: Object of type object is not JSON serializable"),
        ({"a": float("nan")}, ValueError, "extra_body is a dict of JSON: Out of range float"),
    ],
)
def test_wrong_values(model: genai.GenerativeModel, extra: Any, error: type[Exception], message: str) -> None:
    """Only JSON is taken."""
    with pytest.raises(error, match=message):
        model.generate_content("Hi", request_options={"extra_body": extra})
