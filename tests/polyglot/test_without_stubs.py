"""The API without compiled code: with `buf curl`, and as JSON over HTTP behind Envoy."""

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
from tests.polyglot.builds import BUF, ROOT, require, run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from genai_grpc.local.server import Server

pytestmark = pytest.mark.polyglot

KEY = "right-key"
ENVOY = Path(sys.executable).with_name("envoy")
DESCRIPTORS = ROOT / "generated" / "descriptors.binpb"
SERVICE = "google.ai.generativelanguage.v1beta.GenerativeService"
REQUEST = {"contents": [{"role": "user", "parts": [{"text": "Why is the sky blue?"}]}]}


@pytest.fixture
def server(script: ScriptEngine) -> Iterator[Server]:
    """A server on loopback that requires the key and replies from `script`."""
    with serve(script, api_key=KEY) as running:
        yield running


@pytest.mark.parametrize("schema", ["reflection", "descriptors"])
def test_buf_curl(schema: str, script: ScriptEngine, server: Server) -> None:
    """`buf curl` calls and streams, with the server's reflection or with the descriptor set."""
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
    request = json.dumps({"model": "models/gemini-pro", **REQUEST})
    reply, stream = (
        run(*curl, "--data", request, f"{server.endpoint}/{SERVICE}/{method}")
        for method in ("GenerateContent", "StreamGenerateContent")
    )

    assert texts(json.loads(reply)) == ["It scatters."]
    assert [texts(chunk) for chunk in documents(stream)] == [["Once"], [" upon"]]


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
    """The URL of an Envoy in front of `server`, with the example's configuration except for the ports."""
    require("envoy", [str(ENVOY)])
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    config = (ROOT / "examples/envoy/envoy.yaml").read_text()
    ports = {"8080": str(port), "50051": server.address.rpartition(":")[2]}
    for example, ours in ports.items():
        assert config.count(f"port_value: {example}") == 1
        config = config.replace(f"port_value: {example}", f"port_value: {ours}")
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
            output = []
            for line in process.stderr:
                output.append(line)
                if "starting main dispatch loop" in line:
                    break
            else:
                pytest.fail("".join(output))
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.communicate(timeout=30)


def test_envoy(http: str, script: ScriptEngine) -> None:
    """Behind Envoy the API returns JSON on its HTTP routes: lists, replies, streams as arrays, error details."""
    script.reply("It scatters.").reply("Once", " upon")

    models = fetch(f"{http}/v1beta/models?pageSize=1")[1]["models"]
    reply = fetch(f"{http}/v1beta/models/gemini-pro:generateContent", REQUEST)[1]
    stream = fetch(f"{http}/v1beta/models/gemini-pro:streamGenerateContent", REQUEST)[1]
    code, error = fetch(f"{http}/v1beta/models/no-such-model:generateContent", REQUEST)

    assert [model["name"] for model in models] == ["models/script"]
    assert texts(reply) == ["It scatters."]
    assert [texts(chunk) for chunk in stream] == [["Once"], [" upon"]]
    assert (code, error["code"]) == (404, 5)
    assert error["details"][0]["@type"] == "type.googleapis.com/google.rpc.ErrorInfo"
    assert error["details"][0]["reason"] == "MODEL_NOT_FOUND"


def fetch(url: str, body: dict[str, Any] | None = None) -> tuple[int, Any]:
    """Return the status code and the JSON of an HTTP response."""
    headers = {"x-goog-api-key": KEY, "content-type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data, headers), timeout=60) as response:  # noqa: S310 -- loopback
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def texts(response: dict[str, Any]) -> list[str]:
    """Return the text parts of a response in JSON."""
    return [part["text"] for part in response["candidates"][0]["content"]["parts"]]


def documents(output: str) -> list[Any]:
    """Parse JSON documents that follow each other."""
    decoder, parsed, end = json.JSONDecoder(), [], 0
    while end < len(output.rstrip()):
        document, end = decoder.raw_decode(output, end)
        parsed.append(document)
        end += len(output[end:]) - len(output[end:].lstrip())
    return parsed
