from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import grpc
import pytest

from genai_grpc import protos
from genai_grpc._version import __version__
from genai_grpc.local import E5Engine
from genai_grpc_protos.v1beta.model_service_pb2_grpc import ModelServiceStub
from tests.cli.command import read_usage, run, started

REPORTS_START = """
        async def start(self):
            print("started", flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serve_until_signal(number: signal.Signals) -> None:
    """`serve` prints its address and how to use it, and exits with 0 and no traceback on Ctrl-C or SIGTERM."""
    with started("serve", "--port", "0") as process:
        engine, address, text = read_usage(process)
        with grpc.insecure_channel(address) as channel:
            models = ModelServiceStub(channel).ListModels(protos.ListModelsRequest()).models
        process.send_signal(number)
        output, errors = process.communicate(timeout=60)

    assert engine == "None {'threads': 1, 'examples': True}\n"
    sentence_models = ["models/multilingual-e5-small"] if E5Engine.is_installed() else []
    assert [model.name for model in models] == ["models/script", *sentence_models, "models/gemini-pro"]
    loading, note, http, serving = text.splitlines()[:4]
    assert loading == "Loading models/script ..."
    assert note.startswith(
        "SmolLM2 has 135M parameters: it gets worked examples before each prompt (--no-examples turns"
    )
    assert http.startswith("HTTP/JSON, for other libraries and for curl, is at http://127.0.0.1:")
    embedding = "".join(f" and {name}, also as models/embedding-001," for name in sentence_models)
    assert serving.startswith(f"Serving models/script, also as models/gemini-pro,{embedding} at http://127.0.0.1:")
    assert f"GENAI_GRPC_ENDPOINT=http://{address} python" in text
    stopping = "Stopping: calls in flight have 5 s to end; another signal ends them at once.\n"
    assert (process.returncode, output, errors) == (0, f"{stopping}Stopped.\n", "")


def test_state_dir(tmp_path: Path) -> None:
    """`serve --state-dir` creates the directory and stores its state there."""
    with started("serve", "--port", "0", "--state-dir", str(tmp_path / "state")) as process:
        read_usage(process)
        assert [path.name for path in (tmp_path / "state").iterdir()] == ["state.sqlite3"]


def test_options_reach_the_engine(tmp_path: os.PathLike[str]) -> None:
    """The engine gets the model's path, the threads and the context size."""
    path = os.path.join(tmp_path, "model.gguf")
    with open(path, "wb"):
        pass
    with started("serve", "--port", "0", "--model", path, "--threads", "2", "--context-size", "512") as process:
        engine, _, _ = read_usage(process)

    assert engine == f"{path} {{'threads': 2, 'examples': True, 'context_size': 512}}\n"


def test_no_examples() -> None:
    """`--no-examples` reaches the engine, and nothing is printed about examples."""
    with started("serve", "--port", "0", "--no-examples") as process:
        engine, _, text = read_usage(process)

    assert engine == "None {'threads': 1, 'examples': False}\n"
    assert "examples" not in text


@pytest.mark.parametrize(
    ("options", "served", "refused"),
    [
        ([], ["gemini-2.5-flash", "gemini-pro"], ["gemma-3"]),
        (["--model-alias", "gemma-*"], ["gemini-2.5-flash", "gemma-3"], ["palm-2"]),
        (["--strict-models", "--model-alias", "gemma-3"], ["gemma-3", "gemini-pro"], ["gemini-2.5-flash", "gemma-4"]),
    ],
)
def test_model_names(options: list[str], served: list[str], refused: list[str]) -> None:
    """Gemini's names are served, unless `--strict-models`; `--model-alias` adds names."""
    with started("serve", "--port", "0", *options) as process:
        _, address, _ = read_usage(process)
        with grpc.insecure_channel(address) as channel:
            stub = ModelServiceStub(channel)
            for name in served:
                assert stub.GetModel(protos.GetModelRequest(name=f"models/{name}")).name == f"models/{name}"
            for name in refused:
                with pytest.raises(grpc.RpcError, match="NOT_FOUND"):
                    stub.GetModel(protos.GetModelRequest(name=f"models/{name}"))


@pytest.mark.parametrize("alias", ["", "a/b/c", "models/"])
def test_invalid_alias(alias: str) -> None:
    """An alias that cannot be a name is a usage error."""
    code, output, errors = run("serve", "--model-alias", alias)

    assert (code, output) == (2, "")
    assert "an alias is" in errors


def test_key_from_the_environment() -> None:
    """With GENAI_GRPC_SERVER_KEY set, calls must carry that key, and no output contains it."""
    with started("serve", "--port", "0", GENAI_GRPC_SERVER_KEY="right-key") as process:
        _, address, text = read_usage(process)
        with grpc.insecure_channel(address) as channel:
            stub = ModelServiceStub(channel)
            with pytest.raises(grpc.RpcError) as caught:
                stub.ListModels(protos.ListModelsRequest())
            assert stub.ListModels(protos.ListModelsRequest(), metadata=(("x-goog-api-key", "right-key"),)).models
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=60)

    assert getattr(caught.value, "code", None)
    assert "UNAUTHENTICATED" in str(caught.value)
    assert "GEMINI_API_KEY=... genai-grpc generate" in text
    assert "right-key" not in text + output + errors


@pytest.mark.parametrize(
    ("key", "warning"),
    [("", "anyone who can reach it can use it"), ("right-key", "the API key can be read on the way")],
)
def test_warning_for_an_open_network(key: str, warning: str) -> None:
    """A host other than loopback prints a warning on stderr, since the traffic is plaintext."""
    with started("serve", "--host", "0.0.0.0", "--port", "0", GENAI_GRPC_SERVER_KEY=key) as process:  # noqa: S104
        read_usage(process)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)

    assert errors == f"Warning: 0.0.0.0 is open to the network, without encryption: {warning}.\n"


def test_port_in_use() -> None:
    """A port in use prints one line on stderr, with exit code 1, before the model is loaded."""
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        started("serve", "--port", str(taken.getsockname()[1]), methods=REPORTS_START) as process,
    ):
        port = taken.getsockname()[1]
        output, errors = process.communicate(timeout=60)

    assert process.returncode == 1
    assert "started" not in output
    assert errors.startswith(f"Error: cannot listen on 127.0.0.1:{port}: Address already in use")
    assert errors.count("\n") == 1


def test_missing_model_file() -> None:
    """A path that does not exist is a usage error, before anything starts."""
    code, output, errors = run("serve", "--model", "nowhere.gguf")

    assert (code, output) == (2, "")
    assert "File 'nowhere.gguf' does not exist" in errors


@pytest.mark.parametrize("way", ["option", "variable"])
def test_log_level(way: str) -> None:
    """`--log-level info`, or GENAI_GRPC_LOG=info, logs a line for each request to stderr, without the key."""
    option = ["--log-level", "info"] if way == "option" else []
    variable = {} if way == "option" else {"GENAI_GRPC_LOG": "INFO"}
    with started("serve", "--port", "0", *option, GENAI_GRPC_SERVER_KEY="right-key", **variable) as process:
        _, address, _ = read_usage(process)
        with grpc.insecure_channel(address) as channel:
            metadata = (("x-goog-api-key", "right-key"),)
            ModelServiceStub(channel).ListModels(protos.ListModelsRequest(), metadata=metadata)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)

    assert re.fullmatch(r"\S+ \S+ INFO genai_grpc\.local: ListModels - OK \d\.\d{3} s\n", errors)


def test_unknown_log_level() -> None:
    """Another level is a usage error that names those there are."""
    code, _, errors = run("serve", "--log-level", "verbose")

    assert code == 2
    assert "'debug', 'info', 'warning', 'error'" in errors


def test_version_and_help() -> None:
    """The command prints its version; its help names the environment variable of the key."""
    assert run("--version") == (0, f"genai-grpc {__version__}\n", "")
    assert "GENAI_GRPC_SERVER_KEY" in run("serve", "--help")[1]


def test_without_click() -> None:
    """Without click, the command prints one line that says what to install, with exit code 1."""
    code = "import sys; sys.modules['click'] = None; import genai_grpc.__main__"
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)

    assert process.returncode == 1
    assert process.stderr == "genai-grpc: the command needs click: pip install 'genai-grpc[cli]'\n"
