"""The API without compiled code: by `buf curl`, and as JSON over HTTP behind Envoy."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from google.protobuf import descriptor_pb2

from genai_grpc.local import ScriptEngine, serve
from tests.polyglot.builds import BUF, ROOT, need, run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from genai_grpc.local.server import Server

pytestmark = pytest.mark.polyglot

KEY = "right-key"
ENVOY = Path(sys.executable).with_name("envoy")
DESCRIPTORS = ROOT / "generated" / "descriptors.binpb"
SERVICE = "google.ai.generativelanguage.v1beta.GenerativeService"
ASK = {"contents": [{"role": "user", "parts": [{"text": "Why is the sky blue?"}]}]}


@pytest.fixture
def server(script: ScriptEngine) -> Iterator[Server]:
    """A server on loopback that answers from `script` those who know the key."""
    with serve(script, api_key=KEY) as running:
        yield running


@pytest.mark.parametrize("schema", ["reflection", "descriptors"])
def test_buf_curl(schema: str, script: ScriptEngine, server: Server) -> None:
    """`buf curl` asks and streams, by the server's reflection or by the descriptor set."""
    script.reply("It scatters.").reply("Once", " upon")
    curl: list[str | Path] = [
        BUF,
        "curl",
        "--protocol",
        "grpc",
        "--http2-prior-knowledge",
        "--header",
        f"x-goog-api-key: {KEY}",
    ]
    if schema == "descriptors":
        curl += ["--schema", DESCRIPTORS]
    request = json.dumps({"model": "models/gemini-pro", **ASK})
    answer, story = (
        run(*curl, "--data", request, f"{server.endpoint}/{SERVICE}/{method}")
        for method in ("GenerateContent", "StreamGenerateContent")
    )

    assert texts(json.loads(answer)) == ["It scatters."]
    assert [texts(chunk) for chunk in documents(story)] == [["Once"], [" upon"]]


def test_envoy_names_every_service() -> None:
    """The configuration lists the services of the descriptor set."""
    files = descriptor_pb2.FileDescriptorSet.FromString(DESCRIPTORS.read_bytes()).file
    services = {
        f"{file.package}.{service.name}"
        for file in files
        for service in file.service
        if file.package.startswith("google.ai.")
    }
    listed = re.findall(r"^ +- (google\.ai\S+)$", (ROOT / "examples/envoy/envoy.yaml").read_text(), re.MULTILINE)
    assert listed == sorted(services)


@pytest.fixture
def http(server: Server, tmp_path: Path) -> Iterator[str]:
    """The URL of an Envoy before `server`, in the example's configuration but for its ports."""
    need("envoy", [str(ENVOY)])
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    config = (ROOT / "examples/envoy/envoy.yaml").read_text()
    ports = {"8080": str(port), "50051": server.address.rpartition(":")[2]}
    for written, ours in ports.items():
        assert config.count(f"port_value: {written}") == 1
        config = config.replace(f"port_value: {written}", f"port_value: {ours}")
    (tmp_path / "envoy.yaml").write_text(config)
    command: list[str | Path] = [
        ENVOY,
        "--config-path",
        tmp_path / "envoy.yaml",
        "--concurrency",
        "1",
        "--disable-hot-restart",
    ]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            said = []
            for line in process.stderr:
                said.append(line)
                if "starting main dispatch loop" in line:
                    break
            else:
                pytest.fail("".join(said))
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.communicate(timeout=30)


def test_envoy(http: str, script: ScriptEngine) -> None:
    """Behind Envoy the API answers JSON on its HTTP routes: lists, answers, streams as an array, and errors in full."""
    script.reply("It scatters.").reply("Once", " upon")

    models = fetch(f"{http}/v1beta/models?pageSize=1")[1]["models"]
    answer = fetch(f"{http}/v1beta/models/gemini-pro:generateContent", ASK)[1]
    story = fetch(f"{http}/v1beta/models/gemini-pro:streamGenerateContent", ASK)[1]
    code, error = fetch(f"{http}/v1beta/models/no-such-model:generateContent", ASK)

    assert [model["name"] for model in models] == ["models/script"]
    assert texts(answer) == ["It scatters."]
    assert [texts(chunk) for chunk in story] == [["Once"], [" upon"]]
    assert (code, error["code"]) == (404, 5)
    assert error["details"][0]["@type"] == "type.googleapis.com/google.rpc.ErrorInfo"
    assert error["details"][0]["reason"] == "MODEL_NOT_FOUND"


def fetch(url: str, body: dict[str, Any] | None = None) -> tuple[int, Any]:
    """The code and the JSON with which an HTTP request is answered."""
    headers = {"x-goog-api-key": KEY, "content-type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data, headers), timeout=60) as response:  # noqa: S310 -- loopback
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def texts(response: dict[str, Any]) -> list[str]:
    """The text parts of a response in JSON."""
    return [part["text"] for part in response["candidates"][0]["content"]["parts"]]


def documents(output: str) -> list[Any]:
    """JSON documents that were written one after the other."""
    decoder, found, at = json.JSONDecoder(), [], 0
    while at < len(output.rstrip()):
        document, at = decoder.raw_decode(output, at)
        found.append(document)
        at += len(output[at:]) - len(output[at:].lstrip())
    return found
