"""Recording calls to a cassette, and replaying them without the upstream."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import grpc
import pytest

import genai_grpc as genai
from genai_grpc import errors, protos, testing
from genai_grpc.local import STALL, Delay, ScriptEngine, Server, serve
from genai_grpc_protos.protobuf import Duration
from genai_grpc_protos.rpc import RetryInfo
from tests.conftest import Api

ModelOf: TypeAlias = Callable[..., genai.GenerativeModel]

KEY = "AIzaSy-a-key-that-no-file-may-contain"
NO_RETRY = {"retry": None}


@pytest.fixture
def cassette(tmp_path: Path) -> Path:
    """The path of a cassette, in a directory that does not exist yet."""
    return tmp_path / "cassettes" / "run.jsonl"


@pytest.fixture
def model_of(api: Api) -> Iterator[ModelOf]:
    """A function that makes a model whose calls go to a cassette server; its clients are closed after the test."""
    clients: list[genai.Client] = []

    def make(server: testing.CassetteServer, key: str = "") -> genai.GenerativeModel:
        clients.append(genai.Client(key, endpoint=server.endpoint))
        return genai.GenerativeModel(client=clients[-1])

    yield make
    for client in clients:
        api.close_client(client)


def make_calls(api: Api, model: genai.GenerativeModel) -> list[Any]:
    """The results of a unary call, a stream, a token count, an error with details, and the same request twice."""
    results: list[Any] = [api.generate(model, "One").to_dict()]
    chunks = api.chunks(api.generate(model, "Two", stream=True))
    while chunk := api.next(chunks):
        results.append(chunk.text)
    results.append(api.count(model, "three words here").total_tokens)
    with pytest.raises(errors.ResourceExhausted) as caught:
        api.generate(model, "Four", request_options=NO_RETRY)
    results += [str(caught.value), caught.value.details]
    results += [api.generate(model, "Again").text for _ in range(2)]
    return results


def test_replay_equals_recording(
    cassette: Path, server: Server, script: ScriptEngine, api: Api, model_of: ModelOf
) -> None:
    """A replay returns the recorded replies, chunks and errors with details, and repeated requests in order."""
    quota_error = errors.ResourceExhausted("no more", details=[RetryInfo(retry_delay=Duration(seconds=7))])
    script.reply("1").reply("2a", "2b").reply(quota_error).reply("first").reply("second")
    with testing.record(cassette, upstream=server.endpoint) as recording:
        results = make_calls(api, model_of(recording))
    assert results[1:4] == ["2a", "2b", 3]
    assert results[-2:] == ["first", "second"]
    with testing.replay(cassette) as replaying:
        assert make_calls(api, model_of(replaying)) == results


def test_error_in_a_stream(cassette: Path, server: Server, script: ScriptEngine, api: Api, model_of: ModelOf) -> None:
    """A replayed stream fails after the same chunk as when it was recorded, with `real_time` as late as then."""
    script.reply("One,", Delay(0.01), errors.Aborted("lost"))

    def read_stream(cassette_server: testing.CassetteServer) -> None:
        chunks = api.chunks(api.generate(model_of(cassette_server), "Count", stream=True))
        assert api.next(chunks).text == "One,"
        with pytest.raises(errors.Aborted, match="lost"):
            api.next(chunks)

    with testing.record(cassette, upstream=server.endpoint) as recording:
        read_stream(recording)
    with testing.replay(cassette, real_time=True) as replaying:
        read_stream(replaying)


def test_stream_cancelled_by_the_client(
    cassette: Path, server: Server, script: ScriptEngine, api: Api, model_of: ModelOf
) -> None:
    """The client's cancellation of a stream reaches the upstream; the replay sends nothing after the same chunk."""
    script.reply("One,", STALL)
    with testing.record(cassette, upstream=server.endpoint) as recording:
        response = api.generate(model_of(recording), "Count", stream=True)
        assert api.next(api.chunks(response)).text == "One,"
        api.close(response)
        script.wait_cancelled()
    assert json.loads(cassette.read_text().splitlines()[-1])["cancelled"] is True
    with testing.replay(cassette) as replaying:
        response = api.generate(model_of(replaying), "Count", stream=True, request_options={"timeout": 1})
        chunks = api.chunks(response)
        assert api.next(chunks).text == "One,"
        with pytest.raises(errors.DeadlineExceeded):
            api.next(chunks)


def test_special_files_are_not_overwritten(tmp_path: Path) -> None:
    """A path that exists and is not a regular file, such as a device, a pipe or a directory, is not overwritten."""
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, Path(os.devnull)):
        with pytest.raises(testing.CassetteError, match="exists and is not a regular file"):
            testing.record(path)
    assert (tmp_path / "pipe").is_fifo()
    assert Path(os.devnull).is_char_device()


def test_key_is_not_recorded(cassette: Path, script: ScriptEngine, api: Api, model_of: ModelOf) -> None:
    """The API key is sent to the upstream and is not written to the cassette."""
    script.reply("Hello")
    with serve(script, api_key=KEY) as real, testing.record(cassette, upstream=real.endpoint) as recording:
        assert api.generate(model_of(recording, KEY), "Hi").text == "Hello"
    text = cassette.read_text()
    assert KEY not in text
    assert [line for line in map(json.loads, text.splitlines()[1:]) if KEY.encode() in _decoded(line)] == []
    assert '"metadata"' not in text


def _decoded(line: dict[str, Any]) -> bytes:
    return base64.b64decode(line.get("bytes", ""))


def call_ignoring_errors(api: Api, model: genai.GenerativeModel) -> None:
    with contextlib.suppress(errors.PermissionDenied):
        api.generate(model, "Hi", request_options=NO_RETRY)


@pytest.mark.parametrize(
    "reply", [f"your key is {KEY}", errors.PermissionDenied(f"{KEY} may not")], ids=["reply", "error"]
)
def test_server_returns_the_key(
    reply: Any, cassette: Path, server: Server, script: ScriptEngine, api: Api, model_of: ModelOf
) -> None:
    """If a reply or an error contains the API key, CassetteError is raised and nothing is written."""
    script.reply(reply)
    with pytest.raises(testing.CassetteError, match="contains the key") as caught:  # noqa: SIM117 -- the block raises, not its last line
        with testing.record(cassette, upstream=server.endpoint) as recording:
            call_ignoring_errors(api, model_of(recording, KEY))
    assert KEY not in str(caught.value)
    assert not cassette.exists()


def test_request_that_was_not_recorded(
    cassette: Path, server: Server, script: ScriptEngine, api: Api, model_of: ModelOf
) -> None:
    """A request without a match is FAILED_PRECONDITION with the lines that differ, and fails the block too."""
    script.reply("Hello").reply("Bye")
    with testing.record(cassette, upstream=server.endpoint) as recording:
        for prompt in "Hello, all of you", "Bye":
            api.generate(model_of(recording), ["Say this:", prompt])
    replaying = testing.replay(cassette)
    replaying.start()
    with pytest.raises(errors.FailedPrecondition) as rejected:
        api.generate(model_of(replaying), ["Say this:", "Hello, some of you"])
    replaying.stop()
    with pytest.raises(AssertionError) as failed:
        replaying.finalize()
    for message in str(rejected.value), str(failed.value):
        assert "GenerateContent: the most similar remaining request differs:" in message
        assert '-     "text": "Hello, all of you"' in message
        assert '+     "text": "Hello, some of you"' in message
    assert "2 recorded calls were not made" in str(failed.value)


def test_request_made_too_often(
    cassette: Path, server: Server, script: ScriptEngine, api: Api, model_of: ModelOf
) -> None:
    """A request made more often than it was recorded is rejected, with the number of recorded calls."""
    script.reply("Hello")
    with testing.record(cassette, upstream=server.endpoint) as recording:
        api.generate(model_of(recording), "Hi")
    replaying = testing.replay(cassette)
    replaying.start()
    model = model_of(replaying)
    api.generate(model, "Hi")
    with pytest.raises(errors.FailedPrecondition, match="recorded 1 times"):
        api.generate(model, "Hi")
    replaying.stop()
    with pytest.raises(AssertionError, match="recorded 1 times, and all of them were replayed"):
        replaying.finalize()


def test_field_order_does_not_matter(cassette: Path, server: Server, script: ScriptEngine) -> None:
    """A request matches a recorded one whose fields were serialized in another order."""
    script.reply("Hello")
    contents = protos.GenerateContentRequest(contents=[protos.Content(parts=[protos.Part(text="Hi")])])
    name = protos.GenerateContentRequest(model="models/script")
    method = "/google.ai.generativelanguage.v1beta.GenerativeService/GenerateContent"
    replies = []
    for make, request in (
        (partial(testing.record, upstream=server.endpoint), name.SerializeToString() + contents.SerializeToString()),
        (testing.replay, contents.SerializeToString() + name.SerializeToString()),
    ):
        with make(cassette) as running, grpc.insecure_channel(running.address) as channel:
            call: Any = channel.unary_unary(method)
            replies.append(call(request, timeout=60))
    assert replies[0] == replies[1]
    assert protos.GenerateContentResponse.FromString(replies[0]).candidates[0].content.parts[0].text == "Hello"


def test_cassette_can_be_read_and_edited(
    cassette: Path, server: Server, script: ScriptEngine, api: Api, model_of: ModelOf
) -> None:
    """Each line has a message as JSON and as bytes; the JSON is replayed only where the bytes were deleted."""
    script.reply("Hello")
    with testing.record(cassette, upstream=server.endpoint) as recording:
        api.generate(model_of(recording), "Hi")
    head, *lines = map(json.loads, cassette.read_text().splitlines())
    assert [sorted({"method", "request", "reply", "status"} & line.keys()) for line in lines] == [
        *(["method"], ["request"], ["reply"], ["status"]),
    ]
    assert lines[1]["request"]["contents"][0]["parts"] == [{"text": "Hi"}]
    part = lines[2]["reply"]["candidates"][0]["content"]["parts"][0]
    assert part == {"text": "Hello"}
    for bytes_deleted, replayed in (False, "Hello"), (True, "Edited"):
        part["text"] = "Edited"
        if bytes_deleted:
            del lines[2]["bytes"]
        cassette.write_text("".join(json.dumps(line) + "\n" for line in (head, *lines)))
        with testing.replay(cassette) as replaying:
            assert api.generate(model_of(replaying), "Hi").text == replayed


def test_api_version(cassette: Path, server: Server, script: ScriptEngine, api: Api) -> None:
    """Calls under API version v1 are recorded with their messages as JSON, and replayed."""
    script.reply("Hello")
    for start in partial(testing.record, upstream=server.endpoint), testing.replay:
        with start(cassette) as running:
            client = genai.Client(endpoint=running.endpoint, api_version="v1")
            assert api.generate(genai.GenerativeModel(client=client), "Hi").text == "Hello"
            api.close_client(client)
    _, method, request, *_ = map(json.loads, cassette.read_text().splitlines())
    assert method["method"] == "/google.ai.generativelanguage.v1.GenerativeService/GenerateContent"
    assert request["request"]["contents"][0]["parts"] == [{"text": "Hi"}]


def echo(requests: Any, _: grpc.ServicerContext) -> Iterator[bytes]:
    """Reply to each request, and once more after the last one."""
    for request in requests:
        yield b"echo " + request
    yield b"end"


class UnknownService(grpc.GenericRpcHandler):
    """A bidirectional streaming service whose protos the package does not have."""

    def service(self, _: grpc.HandlerCallDetails) -> Any:
        return grpc.stream_stream_rpc_method_handler(echo)


def converse(server: testing.CassetteServer, *requests: bytes) -> list[bytes]:
    """The replies to requests, each sent after the reply to the one before."""

    async def main() -> list[bytes]:
        async with grpc.aio.insecure_channel(server.address) as channel:
            call: Any = channel.stream_stream("/other.Service/Talk")(timeout=60)
            replies: list[bytes] = []
            for request in requests:
                await call.write(request)
                replies.append(await call.read())
            await call.done_writing()
            while (reply := await call.read()) is not grpc.aio.EOF:
                replies.append(reply)
            return replies

    return asyncio.run(main())


def test_bidirectional_streaming(cassette: Path) -> None:
    """A bidirectional stream, even of an unknown service, replays in order, and each request must match."""
    with ThreadPoolExecutor(2) as pool:
        upstream = grpc.server(pool, handlers=[UnknownService()])
        port = upstream.add_insecure_port("127.0.0.1:0")
        upstream.start()
        with testing.record(cassette, upstream=f"http://127.0.0.1:{port}") as recording:
            replies = converse(recording, b"one", b"\xfftwo")
        upstream.stop(None).wait()
    assert replies == [b"echo one", b"echo \xfftwo", b"end"]
    with testing.replay(cassette) as replaying:
        assert converse(replaying, b"one", b"\xfftwo") == replies
    with (
        pytest.raises(AssertionError, match="differs"),
        testing.replay(cassette) as replaying,
        pytest.raises(grpc.RpcError, match="FAILED_PRECONDITION"),
    ):
        converse(replaying, b"one", b"three")


def test_failed_block_writes_nothing(cassette: Path, server: Server) -> None:
    """A block that raises writes no cassette, and leaves an existing one unchanged."""
    cassette.parent.mkdir()
    cassette.write_text("before")
    with pytest.raises(KeyError), testing.record(cassette, upstream=server.endpoint):
        raise KeyError
    assert [path.read_text() for path in cassette.parent.iterdir()] == ["before"]


def test_unreachable_upstream(cassette: Path, api: Api, model_of: ModelOf) -> None:
    """An upstream that cannot be reached is UNAVAILABLE, in the replay too."""
    for make in partial(testing.record, upstream="http://127.0.0.1:1"), testing.replay:
        with make(cassette) as running, pytest.raises(errors.ServiceUnavailable):
            api.generate(model_of(running), "Hi", request_options=NO_RETRY)


def test_no_plaintext_to_other_machines(cassette: Path) -> None:
    """Calls, which may carry keys, are not forwarded in plaintext to another machine."""
    with pytest.raises(errors.ConfigurationError, match="plaintext"):
        testing.record(cassette, upstream="http://example.com")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "line 1: expected a JSON object; got list"),
        ('{"cassette": 99}', "format 99; this version reads 1"),
        ('{"cassette": 1}\nnot JSON', "line 2: Expecting value"),
        (
            '{"cassette": 1}\n{"call": 1, "after": 0, "status": "OK"}',
            "line 2: there is no line before it",
        ),
        ('{"cassette": 1}\n{"call": 1, "method": "/a/B"}\n{"call": 1, "after": 0}', "expected a request, a reply"),
        (
            '{"cassette": 1}\n{"call": 1, "method": "/a/B"}\n{"call": 1, "after": 0, "request": {}}',
            "cannot be made from JSON: /a/B is unknown",
        ),
        (
            '{"cassette": 1}\n{"call": 1, "method": "/a/B"}\n{"call": 1, "after": 0, "request": {}, "bytes": "?"}',
            "line 3",
        ),
    ],
)
def test_invalid_cassette(tmp_path: Path, text: str, message: str) -> None:
    """The error for an invalid cassette names the line and the problem."""
    path = tmp_path / "broken.jsonl"
    path.write_text(text)
    with pytest.raises(testing.CassetteError, match=message):
        testing.replay(path)
    with pytest.raises(FileNotFoundError):
        testing.replay(tmp_path / "missing.jsonl")
