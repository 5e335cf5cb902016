"""The engine for servers of the OpenAI API: on llama.cpp's own server, and on one that fails."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import genai_grpc as genai
from genai_grpc import errors
from genai_grpc.local import OpenAIEngine, serve
from genai_grpc.local.engines.vectors import dot
from tests.conftest import Api
from tests.gateway import Gateway


def weather(city: str) -> str:
    """Tell the weather of a city."""
    return {"Rome": "fog"}[city]


def asked(city: str, sky: str) -> list[Any]:
    """The turns of a question that the model answered with a tool, for a small model to follow."""
    call = {"function_call": {"name": "weather", "args": {"city": city}}}
    result = {"function_response": {"name": "weather", "response": {"result": sky}}}
    return [
        {"role": "user", "parts": [f"What is the weather in {city}?"]},
        {"role": "model", "parts": [call]},
        {"role": "user", "parts": [result]},
        {"role": "model", "parts": [f"The weather in {city} is {sky}."]},
    ]


def start_llama_server(**settings: Any) -> Any:
    """The server of llama.cpp, with SmolLM2."""
    xllamacpp = pytest.importorskip("xllamacpp")
    from genai_grpc.local.engines.llama.engine import LlamaEngine

    params = xllamacpp.CommonParams()
    params.model.path = str(LlamaEngine()._path)
    params.n_ctx, params.n_parallel, params.verbosity = 2048, 1, -1
    for name, value in settings.items():
        setattr(params, name, value)
    return xllamacpp.Server(params)


@pytest.fixture(scope="module")
def llama_server() -> Any:
    """A server that chats, and knows tools."""
    template = (Path(__file__).parent / "tools.jinja").read_text()
    return start_llama_server(api_keys=["a-key"], use_jinja=True, chat_template=template)


@pytest.mark.llama
def test_llama_server(api: Api, llama_server: Any) -> None:
    """A reply is generated, streamed and counted, with JSON that follows a schema."""
    with serve(OpenAIEngine(f"{llama_server.listening_address}/v1", api_key="a-key")) as server:
        client = genai.Client(endpoint=server.endpoint)
        model = genai.GenerativeModel(client=client, generation_config={"temperature": 0, "max_output_tokens": 20})
        response = api.generate(model, "Say hello.")
        assert response.text
        assert response.usage_metadata.candidates_token_count > 0
        chunks = api.chunks(api.generate(model, "Say hello.", stream=True))
        assert api.next(chunks) is not None
        assert api.next(chunks) is not None
        assert api.count(model, "Say hello.").total_tokens == response.usage_metadata.prompt_token_count
        chat = model.start_chat()
        api.send(chat, "My name is Ada.")
        assert api.send(chat, "And now?").usage_metadata.prompt_token_count > response.usage_metadata.prompt_token_count
        flag = {"type": "OBJECT", "properties": {"ok": {"type": "BOOLEAN"}}, "required": ["ok"]}
        json_config: Any = {"response_mime_type": "application/json", "response_schema": flag}
        assert set(api.generate(model, 'Write {"ok": true}.', generation_config=json_config).parsed) == {"ok"}
        api.close_client(client)


@pytest.mark.llama
@pytest.mark.parametrize("stream", [False, True])
def test_llama_server_with_tools(api: Api, llama_server: Any, stream: bool) -> None:
    """The model calls a function, gets its result and answers with it."""
    history = asked("Paris", "rain") + asked("Berlin", "sun")
    with serve(OpenAIEngine(f"{llama_server.listening_address}/v1", api_key="a-key")) as server:
        client = genai.Client(endpoint=server.endpoint)
        model = genai.GenerativeModel(client=client, tools=[weather], generation_config={"temperature": 0})
        chat = model.start_chat(history=history, enable_automatic_function_calling=True)
        response = api.send(chat, "What is the weather in Rome?", stream=stream)
        api.resolve(response)
        call, result = (chat.history[position].parts[0] for position in (-3, -2))
        assert dict(call.function_call.args) == {"city": "Rome"}
        assert result.function_response.id == call.function_call.id != ""
        assert dict(result.function_response.response) == {"result": "fog"}
        assert response.text == "The weather in Rome is fog."
        api.close_client(client)


@pytest.mark.llama
def test_llama_server_embeds() -> None:
    """Contents are embedded: what is alike is nearer."""
    llama_server = start_llama_server(embedding=True, pooling_type=1)  # the mean
    with (
        serve(OpenAIEngine(f"{llama_server.listening_address}/v1", embedding_model="smollm2")) as server,
        genai.Client(endpoint=server.endpoint) as client,
    ):
        texts = ["A cat sleeps.", "A kitten naps.", "Interest rates rise."]
        cat, kitten, rates = genai.embed_content("embedding-001", texts, client=client)["embedding"]
        [short] = genai.embed_content("embedding-001", texts[:1], output_dimensionality=8, client=client)["embedding"]
    assert dot(cat, kitten) > dot(cat, rates)
    assert (len(cat), len(short)) == (576, 8)


@pytest.mark.llama
def test_wrong_key(llama_server: Any) -> None:
    """A key that the backend refuses is UNAUTHENTICATED."""
    with (
        serve(OpenAIEngine(f"{llama_server.listening_address}/v1", model="m", api_key="wrong")) as server,
        genai.Client(endpoint=server.endpoint) as client,
        pytest.raises(errors.Unauthenticated, match="the backend: "),
    ):
        genai.GenerativeModel(client=client).generate_content("Hi")


@pytest.fixture
def backend() -> Iterator[Gateway]:
    """A backend of a test."""
    with Gateway() as running:
        yield running


@pytest.mark.parametrize(
    ("reply", "error", "message"),
    [
        ((400, b'{"error": {"message": "too long"}}'), errors.InvalidArgument, "the backend: too long"),
        ((429, b'{"error": "slow down"}'), errors.ResourceExhausted, "the backend: slow down"),
        ((500, b"<html>"), errors.InternalServerError, "the backend: HTTP 500: <html>"),
        ((503, b"{}"), errors.ServiceUnavailable, "the backend: HTTP 503"),
        ((418, b""), errors.Unknown, "the backend: HTTP 418"),
        ((200, b"data: <html>\n\n"), errors.InternalServerError, "what is no JSON object"),
        ((200, b'data: {"error": {"message": "lost"}}\n\n'), errors.InternalServerError, "the backend: lost"),
    ],
)
def test_failure(backend: Gateway, reply: tuple[int, bytes], error: type[Exception], message: str) -> None:
    """What the backend refuses is an error of its kind."""
    backend.replies = [(reply[0], "application/json", reply[1])]
    with (
        serve(OpenAIEngine(f"{backend.url}/v1", model="m")) as server,
        genai.Client(endpoint=server.endpoint, retry=genai.types.RetryPolicy(max_attempts=1)) as client,
        pytest.raises(error, match=message),
    ):
        genai.GenerativeModel(client=client).generate_content("Hi")


def test_unreachable() -> None:
    """A backend that cannot be reached is UNAVAILABLE; without the name of a model, the server does not start."""
    with (
        serve(OpenAIEngine("http://127.0.0.1:1/v1", model="m")) as server,
        genai.Client(endpoint=server.endpoint, retry=genai.types.RetryPolicy(max_attempts=1)) as client,
        pytest.raises(errors.ServiceUnavailable, match="http://127.0.0.1:1/v1 failed"),
    ):
        genai.GenerativeModel(client=client).generate_content("Hi")
    with pytest.raises(errors.ConfigurationError, match="does not list the models"):
        serve(OpenAIEngine("http://127.0.0.1:1/v1")).start()


@pytest.mark.parametrize("listed", [b'{"data": []}', b"[]", b"<html>"])
def test_no_models(backend: Gateway, listed: bytes) -> None:
    """A backend that lists no model is an error at the start."""
    backend.replies = [(200, "application/json", listed)]
    with pytest.raises(errors.ConfigurationError, match="has no model|does not list"):
        serve(OpenAIEngine(f"{backend.url}/v1")).start()


def test_embeddings(backend: Gateway) -> None:
    """Texts are embedded in one request, and vectors are cut and normalized as asked for."""
    vectors = [{"index": 1, "embedding": [0.0, 3.0, 4.0]}, {"index": 0, "embedding": [3.0, 4.0, 0.0]}]
    backend.replies = [(200, "application/json", json.dumps({"data": vectors}).encode())]
    with (
        serve(OpenAIEngine(f"{backend.url}/v1", model="m", embedding_model="e")) as server,
        genai.Client(endpoint=server.endpoint) as client,
    ):
        found = genai.embed_content("embedding-001", ["one", "two"], output_dimensionality=2, client=client)
    assert [[round(number, 3) for number in vector] for vector in found["embedding"]] == [[0.6, 0.8], [0.0, 1.0]]
    [(_, path, _, body)] = backend.requests
    assert (path, json.loads(body)) == ("/v1/embeddings", {"model": "e", "input": ["one", "two"]})
