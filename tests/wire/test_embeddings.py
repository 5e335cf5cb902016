"""`embed_content` on a real server, sync and async from one body."""

from __future__ import annotations

import asyncio
import sys
import time
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest

import genai_grpc as genai
from genai_grpc import errors, local, protos
from genai_grpc.local import STALL, ScriptEngine, serve
from tests.conftest import Api, Connect

NAME = "models/embedding-001"


def embed(api: Api, client: genai.Client, content: Any, **options: Any) -> Any:
    return api.call(genai, "embed_content", NAME, content, client=client, **options)["embedding"]


def test_one_content(api: Api, client: genai.Client, script: ScriptEngine) -> None:
    """One content is one EmbedContent request, and its embedding a list of floats, as short as the wire allows."""
    script.reply_embedding([0.1, 1 / 3, -2])
    result = api.call(genai, "embed_content", "embedding-001", "Hello", client=client)
    assert result == {"embedding": [0.1, 0.33333334, -2.0]}
    assert script.embed_requests == (protos.EmbedContentRequest(model=NAME, content={"parts": [{"text": "Hello"}]}),)


def test_options(api: Api, client: genai.Client, script: ScriptEngine) -> None:
    """Every content of a batch has the task, the title and the length of the call."""
    options: Any = {"task_type": "document", "title": "T", "output_dimensionality": 2}
    found = embed(api, client, [["Hello", "there"], {"parts": ["you"]}], **options)
    assert [len(vector) for vector in found] == [2, 2]
    first, second = sorted(script.embed_requests, key=lambda request: -len(request.content.parts))
    assert [part.text for part in first.content.parts] == ["Hello", "there"]
    for request in first, second:
        assert request.task_type == protos.TaskType.RETRIEVAL_DOCUMENT
        assert (request.title, request.output_dimensionality) == ("T", 2)


@pytest.mark.gemini_only
@pytest.mark.parametrize("number", [0, 1, 99, 100, 101, 250, 1001])
def test_batches_are_single_calls(api: Api, client: genai.Client, script: ScriptEngine, number: int) -> None:
    """The embeddings of n contents of any iterable are those of n calls, in order."""
    texts = [f"text {index}" for index in range(number)]
    found = embed(api, client, (text for text in texts), output_dimensionality=8)
    sent = [request.content.parts[0].text for request in script.embed_requests]
    assert sorted(sent) == sorted(texts)
    assert len(found) == number
    for index in range(0, number, 50):
        assert found[index] == embed(api, client, texts[index], output_dimensionality=8)


def test_no_contents(api: Api, client: genai.Client, script: ScriptEngine) -> None:
    """No contents have no embeddings, and nothing is sent."""
    assert embed(api, client, []) == []
    assert script.embed_requests == ()
    pytest.importorskip("numpy")
    assert embed(api, client, [], as_numpy=True).shape == (0, 0)


def test_numpy(api: Api, client: genai.Client, script: ScriptEngine) -> None:
    """On request, vectors are arrays of numpy, of the wire's 32-bit floats."""
    numpy = pytest.importorskip("numpy")
    script.reply_embedding([0.1, 0.2], [0.1, 0.2], [0.3, 0.4])
    one, several = (embed(api, client, content, as_numpy=True) for content in ("one", ["one", "two"]))
    assert (one.shape, one.dtype) == ((2,), numpy.float32)
    assert numpy.array_equal(one, numpy.array([0.1, 0.2], dtype=numpy.float32))
    assert (several.shape, several.dtype) == ((2, 2), numpy.float32)
    assert numpy.array_equal(several[1], numpy.array([0.3, 0.4], dtype=numpy.float32))


def test_numpy_is_missing(
    api: Api, client: genai.Client, script: ScriptEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without numpy, asking for arrays is an ImportError that says so, before anything is sent."""
    monkeypatch.setitem(sys.modules, "numpy", None)
    with pytest.raises(ImportError, match="as_numpy needs numpy, which is not installed; pip install numpy"):
        embed(api, client, "Hello", as_numpy=True)
    assert script.embed_requests == ()


def test_invalid_arguments(api: Api, client: genai.Client, script: ScriptEngine, dialect: str) -> None:
    """Arguments and contents that cannot be used are errors before their batch is sent."""
    for content, options, error, message in (
        ("Hello", {"title": "T"}, ValueError, "a title is for task_type='retrieval_document' only"),
        ("", {}, TypeError, "must not be empty"),
        (["Hello", 3], {}, TypeError, r"content\[1\]: cannot make a Part from int"),
        ("Hello", {"request_options": {"wait": 1}}, ValueError, "request_options takes"),
    ):
        with pytest.raises(error, match=message):
            embed(api, client, content, **options)
    # Without batches, the contents before the one that cannot be converted are sent.
    assert len(script.embed_requests) <= (dialect == "vertex")


@pytest.mark.gemini_only
def test_request_options(api: Api, client: genai.Client, script: ScriptEngine) -> None:
    """A batch is retried as a whole; the timeout holds for each call."""
    script.reply_embedding(errors.ServiceUnavailable("not now"))
    policy = genai.types.RetryPolicy(initial_backoff=0.01)
    assert len(embed(api, client, ["one", "two"], request_options={"retry": policy})) == 2
    assert len(script.embed_requests) == 4
    script.reply_embedding(STALL)
    with pytest.raises(errors.DeadlineExceeded):
        embed(api, client, "Hello", request_options={"timeout": 0.2})


class FailingEngine(ScriptEngine):
    """A script whose first batch fails once there is a second one."""

    def __init__(self) -> None:
        super().__init__()
        self.batches = 0
        self.second = asyncio.Event()

    async def embed(self, requests: Any) -> Any:
        self.batches += 1
        if self.batches == 1:
            await self.second.wait()
            raise errors.InvalidArgument("no")
        self.second.set()
        return await super().embed(requests)


@pytest.mark.gemini_only
def test_error_ends_all_batches(connect: Connect) -> None:
    """In async, the error of one batch is raised, and the calls of the others in flight end."""
    engine = FailingEngine()
    engine.reply_embedding(STALL)

    async def run() -> None:
        async with connect(server) as client:
            with pytest.raises(errors.InvalidArgument, match="no"):
                await genai.embed_content_async(NAME, ["text"] * 150, client=client)
            await asyncio.to_thread(engine.wait_cancelled)

    with serve(engine) as server:
        asyncio.run(run())


@pytest.mark.gemini_only
def test_error_of_the_first_batch(client: genai.Client, script: ScriptEngine) -> None:
    """In sync, no batch is sent after one that failed."""
    script.reply_embedding(errors.InvalidArgument("no"))
    with pytest.raises(errors.InvalidArgument, match="no"):
        genai.embed_content(NAME, ["text"] * 150, client=client)
    assert len(script.embed_requests) == 100


def test_error_of_the_iterable(api: Api, client: genai.Client, script: ScriptEngine) -> None:
    """An exception of the iterable reaches the program, and the calls in flight end."""

    def texts() -> Iterator[str]:
        yield from ["text"] * 100
        raise LookupError("no more")

    with pytest.raises(LookupError, match="no more"):
        embed(api, client, texts())


class CountingEngine(ScriptEngine):
    """A script that records how many batches it embeds at once."""

    def __init__(self) -> None:
        super().__init__()
        self.running = self.most = 0
        self.enough = asyncio.Event()

    async def embed(self, requests: Any) -> Any:
        self.running += 1
        self.most = max(self.most, self.running)
        if self.running == 8:
            self.enough.set()
        await self.enough.wait()
        await asyncio.sleep(0.01)
        self.running -= 1
        return await super().embed(requests)


@pytest.mark.gemini_only
def test_concurrency(connect: Connect) -> None:
    """An async call has 8 batches in flight, and no more."""
    engine = CountingEngine()

    async def run() -> None:
        async with connect(server) as client:
            result = await genai.embed_content_async(NAME, (str(n) for n in range(2000)), client=client)
            assert len(result["embedding"]) == 2000

    with serve(engine) as server:
        asyncio.run(run())
    assert engine.most == 8


@pytest.mark.gemini_only
def test_cancelled_task(client: genai.Client, script: ScriptEngine) -> None:
    """The cancellation of a task ends the calls of its batches at the server."""
    script.reply_embedding(*[STALL] * 300)

    def wait_until_received() -> None:
        while len(script.embed_requests) < 300:
            time.sleep(0.01)

    async def run() -> None:
        task = asyncio.ensure_future(genai.embed_content_async(NAME, ["text"] * 300, client=client))
        await asyncio.to_thread(wait_until_received)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await client.aclose()

    asyncio.run(run())
    script.wait_cancelled(3)


class EmptyReplies(grpc.GenericRpcHandler):
    """Answers every method with an empty message."""

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, bytes]:
        return grpc.unary_unary_rpc_method_handler(lambda _, context: b"")


def test_missing_vectors() -> None:
    """A batch with fewer embeddings than contents is DataLoss; one content without an embedding has an empty one."""
    server = grpc.server(ThreadPoolExecutor(1), handlers=[EmptyReplies()])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        with genai.Client(endpoint=f"http://127.0.0.1:{port}") as client:
            with pytest.raises(errors.DataLoss, match="returned 0 embeddings for a batch of 2 contents"):
                genai.embed_content(NAME, ["one", "two"], client=client)
            assert genai.embed_content(NAME, "one", client=client) == {"embedding": []}
    finally:
        server.stop(None).wait()


def test_default_client(server: local.Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a client, the default one is used."""
    monkeypatch.setenv("GENAI_GRPC_ENDPOINT", server.endpoint)
    genai.configure()
    assert len(genai.embed_content("embedding-001", "Hello")["embedding"]) == 768


@pytest.mark.parametrize("content", ["a secret", ["a secret"]], ids=["single", "batch"])
def test_contents_are_hidden(api: Api, client: genai.Client, script: ScriptEngine, content: Any) -> None:
    """A traceback of a failed call with local variables does not show the content."""
    script.reply_embedding(errors.NotFound("no such model"))
    with pytest.raises(errors.NotFound) as caught:
        embed(api, client, content)
    found = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    package = str(Path(genai.__file__).parent)
    frames = [frame for frame in found.stack if frame.filename.startswith(package)]
    assert len(frames) > 5
    assert "a secret" not in repr([frame.locals for frame in frames])


@pytest.mark.parametrize("content", ["text", ["text"]], ids=["single", "batch"])
def test_without_event_loop(client: genai.Client, content: Any) -> None:
    """Outside of asyncio, an async call is a RuntimeError that says so."""
    call = genai.embed_content_async(NAME, content, client=client)
    with pytest.raises(RuntimeError, match="run on asyncio, and no asyncio event loop is running here"):
        call.send(None)


@pytest.mark.gemini_only
def test_calls_of_vertex_ai(api: Api, server: local.Server, script: ScriptEngine) -> None:
    """Vertex AI has no batches: each of several contents is a call, retried on its own, and the order stays."""
    script.reply_embedding(errors.ServiceUnavailable("not now"))
    policy = genai.types.RetryPolicy(initial_backoff=0.01)
    texts = [f"text {index}" for index in range(30)]
    with genai.Client(endpoint=server.endpoint, vertex=genai.Vertex("my-project")) as client:
        found = embed(api, client, texts, output_dimensionality=8, request_options={"retry": policy})
        assert len(script.embed_requests) == 31
        assert found == [embed(api, client, text, output_dimensionality=8) for text in texts]
