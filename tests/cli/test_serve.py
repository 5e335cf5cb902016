from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest

from genai_grpc import protos
from genai_grpc._version import __version__
from genai_grpc_protos.v1beta.model_service_pb2_grpc import ModelServiceStub

# The command with a scripted engine in place of the real model, which prints its arguments.
PROGRAM = """if True:
    import sys, types
    from genai_grpc.local.engines.script import ScriptEngine
    def engine(path=None, **settings):
        print(path, settings)
        return ScriptEngine()
    sys.modules["genai_grpc.local.engines.llama.engine"] = types.SimpleNamespace(LlamaEngine=engine)
    from genai_grpc.cli import main
    main(prog_name="genai-grpc")
"""


@contextmanager
def started(*arguments: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """Run `genai-grpc` for the length of a block; kill it at the end if it still runs."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def read_usage(process: subprocess.Popen[str]) -> tuple[str, str, str]:
    """Wait until a server listens; return its engine's arguments, its address and the usage that it prints."""
    assert process.stdout is not None
    engine = process.stdout.readline()
    lines = [process.stdout.readline() for _ in range(3)]
    assert all(lines), process.communicate()
    return engine, lines[0].partition("http://")[2].split()[0], "".join(lines)


def run(*arguments: str) -> tuple[int, str, str]:
    """Run `genai-grpc` to its end, and return its exit code, stdout and stderr."""
    with started(*arguments) as process:
        output, errors = process.communicate(timeout=60)
    return process.returncode, output, errors


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serve_until_signal(number: signal.Signals) -> None:
    """`serve` prints its address and how to use it, and exits with 0 and no traceback on Ctrl-C or SIGTERM."""
    with started("serve", "--port", "0") as process:
        engine, address, text = read_usage(process)
        with grpc.insecure_channel(address) as channel:
            models = ModelServiceStub(channel).ListModels(protos.ListModelsRequest()).models
        process.send_signal(number)
        output, errors = process.communicate(timeout=60)

    assert engine == "None {'threads': 1}\n"
    assert [model.name for model in models] == ["models/script", "models/gemini-pro"]
    assert text.startswith("Serving models/script, also as models/gemini-pro, at http://127.0.0.1:")
    assert f"GENAI_GRPC_ENDPOINT=http://{address} python" in text
    assert (process.returncode, output, errors) == (0, "Stopped.\n", "")


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

    assert engine == f"{path} {{'threads': 2, 'context_size': 512}}\n"


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
    assert "GEMINI_API_KEY=... genai-grpc ask" in text
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
    """A port in use prints one line on stderr, with exit code 1."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, _, errors = run("serve", "--port", str(port))

    assert code == 1
    assert errors.startswith(f"Error: cannot listen on 127.0.0.1:{port}: Address already in use")
    assert errors.count("\n") == 1


def test_missing_model_file() -> None:
    """A path that does not exist is a usage error, before anything starts."""
    code, output, errors = run("serve", "--model", "nowhere.gguf")

    assert (code, output) == (2, "")
    assert "File 'nowhere.gguf' does not exist" in errors


def test_version_and_help() -> None:
    """The command prints its version; its help names the environment variable of the key."""
    assert run("--version") == (0, f"genai-grpc {__version__}\n", "")
    assert "GENAI_GRPC_SERVER_KEY" in run("serve", "--help")[1]


def test_without_click() -> None:
    """Without click, the command prints one line that says what to install, with exit code 1."""
    code = "import sys; sys.modules['click'] = None; import genai_grpc.__main__"
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)

    assert process.returncode == 1
    assert process.stderr == "genai-grpc: the command needs click: pip install 'genai-grpc[server]'\n"
