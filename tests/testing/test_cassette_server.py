"""A real run is recorded, and replayed without it."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import pytest

import genai_grpc as genai
from genai_grpc import errors, protos, testing
from genai_grpc.local import STALL, Delay, ScriptEngine, serve
from genai_grpc_protos.protobuf import Duration
from genai_grpc_protos.rpc import RetryInfo

KEY = "AIzaSy-a-key-that-no-file-may-hold"
ONCE = {"retry": None}


@pytest.fixture
def cassette(tmp_path: Path) -> Path:
    """Where the cassette is, in a directory that is not there yet."""
    return tmp_path / "cassettes" / "run.jsonl"


class Run:
    """Models whose calls go to the server of a cassette."""

    def __init__(self) -> None:
        self.clients: list[genai.Client] = []

    def model(self, server: testing.CassetteServer, key: str = "") -> genai.GenerativeModel:
        client = genai.Client(key, endpoint=server.endpoint)
        self.clients.append(client)
        return genai.GenerativeModel(client=client)


@pytest.fixture
def run(colour: Any) -> Iterator[Run]:
    """The models of a test, whose clients are closed at its end."""
    made = Run()
    yield made
    for client in made.clients:
        if hasattr(colour, "loop"):
            colour.loop.run_until_complete(client.aclose())
        client.close()


def talk(colour: Any, model: genai.GenerativeModel) -> list[Any]:
    """A run with a reply, a stream, a count, an error with details, and one request twice."""
    heard: list[Any] = [colour.generate(model, "One").to_dict()]
    chunks = colour.chunks(colour.generate(model, "Two", stream=True))
    while chunk := colour.next(chunks):
        heard.append(chunk.text)
    heard.append(colour.count(model, "three words here").total_tokens)
    with pytest.raises(errors.ResourceExhausted) as caught:
        colour.generate(model, "Four", request_options=ONCE)
    heard += [str(caught.value), caught.value.details]
    heard += [colour.generate(model, "Again").text for _ in range(2)]
    return heard


def test_replays_what_was_recorded(cassette: Path, server: Any, script: ScriptEngine, colour: Any, run: Run) -> None:
    """A replay says what the recorded server said: replies, chunks, errors with details, and repetitions in order."""
    spent = errors.ResourceExhausted("no more", details=[RetryInfo(retry_delay=Duration(seconds=7))])
    script.reply("1").reply("2a", "2b").reply(spent).reply("first").reply("second")
    with testing.record(cassette, upstream=server.endpoint) as recording:
        heard = talk(colour, run.model(recording))
    assert heard[1:4] == ["2a", "2b", 3]
    assert heard[-2:] == ["first", "second"]
    with testing.replay(cassette) as replaying:
        assert talk(colour, run.model(replaying)) == heard


def test_an_error_half_way(cassette: Path, server: Any, script: ScriptEngine, colour: Any, run: Run) -> None:
    """A stream that failed half-way fails at the same place when it is replayed, as slowly as then if asked."""
    script.reply("One,", Delay(0.01), errors.Aborted("lost"))

    def hear(replying: testing.CassetteServer) -> None:
        chunks = colour.chunks(colour.generate(run.model(replying), "Count", stream=True))
        assert colour.next(chunks).text == "One,"
        with pytest.raises(errors.Aborted, match="lost"):
            colour.next(chunks)

    with testing.record(cassette, upstream=server.endpoint) as recording:
        hear(recording)
    with testing.replay(cassette, real_time=True) as replaying:
        hear(replaying)


def test_a_stream_that_the_client_ends(
    cassette: Path, server: Any, script: ScriptEngine, colour: Any, run: Run
) -> None:
    """A stream that the client gave up is given up upstream, and is silent behind the same chunk when replayed."""
    script.reply("One,", STALL)
    with testing.record(cassette, upstream=server.endpoint) as recording:
        response = colour.generate(run.model(recording), "Count", stream=True)
        assert colour.next(colour.chunks(response)).text == "One,"
        colour.close(response)
        script.wait_cancelled()
    assert json.loads(cassette.read_text().splitlines()[-1])["cancelled"] is True
    with testing.replay(cassette) as replaying:
        response = colour.generate(run.model(replaying), "Count", stream=True, request_options={"timeout": 1})
        chunks = colour.chunks(response)
        assert colour.next(chunks).text == "One,"
        with pytest.raises(errors.DeadlineExceeded):
            colour.next(chunks)


def ask(colour: Any, model: genai.GenerativeModel) -> None:
    """Ask, whatever the answer."""
    with contextlib.suppress(errors.PermissionDenied):
        colour.generate(model, "Hi", request_options=ONCE)


def test_a_device_is_not_overwritten(tmp_path: Path) -> None:
    """What is there and is no file, such as a device, a pipe or a directory, is left alone."""
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, Path(os.devnull)):
        with pytest.raises(testing.CassetteError, match="which is there and is no file"):
            testing.record(path)
    assert (tmp_path / "pipe").is_fifo()
    assert Path(os.devnull).is_char_device()


def test_no_key_is_kept(cassette: Path, script: ScriptEngine, colour: Any, run: Run) -> None:
    """The key reaches the upstream, and no cassette."""
    script.reply("Hello")
    with serve(script, api_key=KEY) as real, testing.record(cassette, upstream=real.endpoint) as recording:
        assert colour.generate(run.model(recording, KEY), "Hi").text == "Hello"
    written = cassette.read_text()
    assert KEY not in written
    assert [line for line in map(json.loads, written.splitlines()[1:]) if KEY.encode() in _decoded(line)] == []
    assert '"metadata"' not in written


def _decoded(line: dict[str, Any]) -> bytes:
    return base64.b64decode(line.get("bytes", ""))


@pytest.mark.parametrize(
    "said", [f"your key is {KEY}", errors.PermissionDenied(f"{KEY} may not")], ids=["reply", "error"]
)
def test_a_server_that_tells_the_key(
    said: Any, cassette: Path, server: Any, script: ScriptEngine, colour: Any, run: Run
) -> None:
    """Where the server says the key back, nothing is written."""
    script.reply(said)
    with pytest.raises(testing.CassetteError, match="holds the key") as caught:  # noqa: SIM117 -- the block raises, not its last line
        with testing.record(cassette, upstream=server.endpoint) as recording:
            ask(colour, run.model(recording, KEY))
    assert KEY not in str(caught.value)
    assert not cassette.exists()


def test_a_request_that_was_not_recorded(
    cassette: Path, server: Any, script: ScriptEngine, colour: Any, run: Run
) -> None:
    """A request that does not match is refused with the lines that differ, and the block fails even so."""
    script.reply("Hello").reply("Bye")
    with testing.record(cassette, upstream=server.endpoint) as recording:
        for words in "Hello, all of you", "Bye":
            colour.generate(run.model(recording), ["Say this:", words])
    replaying = testing.replay(cassette)
    replaying.start()
    with pytest.raises(errors.FailedPrecondition) as refused:
        colour.generate(run.model(replaying), ["Say this:", "Hello, some of you"])
    replaying.stop()
    with pytest.raises(AssertionError) as failed:
        replaying.conclude()
    for said in str(refused.value), str(failed.value):
        assert "GenerateContent: the most similar one that is left differs:" in said
        assert '-     "text": "Hello, all of you"' in said
        assert '+     "text": "Hello, some of you"' in said
    assert "2 recorded calls were not asked for" in str(failed.value)


def test_a_request_too_many(cassette: Path, server: Any, script: ScriptEngine, colour: Any, run: Run) -> None:
    """A request that comes more often than it was recorded is refused, saying how often that was."""
    script.reply("Hello")
    with testing.record(cassette, upstream=server.endpoint) as recording:
        colour.generate(run.model(recording), "Hi")
    replaying = testing.replay(cassette)
    replaying.start()
    model = run.model(replaying)
    colour.generate(model, "Hi")
    with pytest.raises(errors.FailedPrecondition, match="recorded 1 times"):
        colour.generate(model, "Hi")
    replaying.stop()
    with pytest.raises(AssertionError, match="recorded 1 times, and all of them were replayed"):
        replaying.conclude()


def test_the_order_of_bytes_does_not_matter(cassette: Path, server: Any, script: ScriptEngine) -> None:
    """A request whose fields come in another order, as another protobuf may write them, is the same request."""
    script.reply("Hello")
    part = protos.GenerateContentRequest(contents=[protos.Content(parts=[protos.Part(text="Hi")])])
    name = protos.GenerateContentRequest(model="models/script")
    method = "/google.ai.generativelanguage.v1beta.GenerativeService/GenerateContent"
    answers = []
    for make, data in (
        (partial(testing.record, upstream=server.endpoint), name.SerializeToString() + part.SerializeToString()),
        (testing.replay, part.SerializeToString() + name.SerializeToString()),
    ):
        with make(cassette) as running, grpc.insecure_channel(running.address) as channel:
            call: Any = channel.unary_unary(method)
            answers.append(call(data, timeout=60))
    assert answers[0] == answers[1]
    assert protos.GenerateContentResponse.FromString(answers[0]).candidates[0].content.parts[0].text == "Hello"


def test_it_can_be_read_and_edited(cassette: Path, server: Any, script: ScriptEngine, colour: Any, run: Run) -> None:
    """The lines show messages as JSON; the bytes win where they are, and the JSON where they were deleted."""
    script.reply("Hello")
    with testing.record(cassette, upstream=server.endpoint) as recording:
        colour.generate(run.model(recording), "Hi")
    head, *lines = map(json.loads, cassette.read_text().splitlines())
    assert [sorted({"method", "request", "reply", "status"} & line.keys()) for line in lines] == [
        *(["method"], ["request"], ["reply"], ["status"]),
    ]
    assert lines[1]["request"]["contents"][0]["parts"] == [{"text": "Hi"}]
    said = lines[2]["reply"]["candidates"][0]["content"]["parts"][0]
    assert said == {"text": "Hello"}
    for deleted, heard in (False, "Hello"), (True, "Edited"):
        said["text"] = "Edited"
        if deleted:
            del lines[2]["bytes"]
        cassette.write_text("".join(json.dumps(line) + "\n" for line in (head, *lines)))
        with testing.replay(cassette) as replaying:
            assert colour.generate(run.model(replaying), "Hi").text == heard


def echo(requests: Any, _: grpc.ServicerContext) -> Iterator[bytes]:
    """Say each request back, and the last word when there is none any more."""
    for request in requests:
        yield b"heard " + request
    yield b"bye"


class Other(grpc.GenericRpcHandler):
    """A service that is none of ours, and both of whose sides stream."""

    def service(self, _: grpc.HandlerCallDetails) -> Any:
        return grpc.stream_stream_rpc_method_handler(echo)


def converse(server: testing.CassetteServer, *words: bytes) -> list[bytes]:
    """Say each word when the one before was heard."""

    async def main() -> list[bytes]:
        async with grpc.aio.insecure_channel(server.address) as channel:
            call: Any = channel.stream_stream("/other.Service/Talk")(timeout=60)
            heard: list[bytes] = []
            for word in words:
                await call.write(word)
                heard.append(await call.read())
            await call.done_writing()
            while (reply := await call.read()) is not grpc.aio.EOF:
                heard.append(reply)
            return heard

    return asyncio.run(main())


def test_both_sides_stream(cassette: Path) -> None:
    """A conversation, even of a service that is not known, is replayed in turns, and held to what was said in each."""
    with ThreadPoolExecutor(2) as pool:
        other = grpc.server(pool, handlers=[Other()])
        port = other.add_insecure_port("127.0.0.1:0")
        other.start()
        with testing.record(cassette, upstream=f"http://127.0.0.1:{port}") as recording:
            heard = converse(recording, b"one", b"\xfftwo")
        other.stop(None).wait()
    assert heard == [b"heard one", b"heard \xfftwo", b"bye"]
    with testing.replay(cassette) as replaying:
        assert converse(replaying, b"one", b"\xfftwo") == heard
    with (
        pytest.raises(AssertionError, match="differs"),
        testing.replay(cassette) as replaying,
        pytest.raises(grpc.RpcError, match="FAILED_PRECONDITION"),
    ):
        converse(replaying, b"one", b"three")


def test_a_block_that_fails_writes_nothing(cassette: Path, server: Any) -> None:
    """A recording whose block raised is not written, and one before it stays."""
    cassette.parent.mkdir()
    cassette.write_text("before")
    with pytest.raises(KeyError), testing.record(cassette, upstream=server.endpoint):
        raise KeyError
    assert [path.read_text() for path in cassette.parent.iterdir()] == ["before"]


def test_an_upstream_that_is_not_there(cassette: Path, colour: Any, run: Run) -> None:
    """An upstream that cannot be reached is UNAVAILABLE, in the replay too."""
    for make in partial(testing.record, upstream="http://127.0.0.1:1"), testing.replay:
        with make(cassette) as running, pytest.raises(errors.ServiceUnavailable):
            colour.generate(run.model(running), "Hi", request_options=ONCE)


def test_no_plaintext_to_other_machines(cassette: Path) -> None:
    """Calls, which may carry keys, are not passed on to another machine over plaintext."""
    with pytest.raises(errors.ConfigurationError, match="plaintext"):
        testing.record(cassette, upstream="http://example.com")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[]", "line 1: TypeError"),
        ('{"cassette": 99}', "format 99; this version reads 1"),
        ('{"cassette": 1}\nnot JSON', "line 2: JSONDecodeError"),
        ('{"cassette": 1}\n{"call": 1, "after": 0, "status": "OK"}', "line 2: KeyError"),
        ('{"cassette": 1}\n{"call": 1, "method": "/a/B"}\n{"call": 1, "after": 0}', "neither a request nor"),
        (
            '{"cassette": 1}\n{"call": 1, "method": "/a/B"}\n{"call": 1, "after": 0, "request": {}}',
            "/a/B is none whose JSON",
        ),
        (
            '{"cassette": 1}\n{"call": 1, "method": "/a/B"}\n{"call": 1, "after": 0, "request": {}, "bytes": "?"}',
            "line 3",
        ),
    ],
)
def test_what_is_no_cassette(tmp_path: Path, text: str, complaint: str) -> None:
    """What cannot be read says where and why."""
    path = tmp_path / "broken.jsonl"
    path.write_text(text)
    with pytest.raises(testing.CassetteError, match=complaint):
        testing.replay(path)
    with pytest.raises(FileNotFoundError):
        testing.replay(tmp_path / "missing.jsonl")
