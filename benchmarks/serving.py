"""Server of the benchmarks: its compilation, its process, and its canned replies."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from benchmarks.peers import Endpoint

if TYPE_CHECKING:
    from google.protobuf.message import Message

__all__ = ["SCENARIOS", "Scenario", "build", "serve"]

SOURCES: Final = Path(__file__).parent / "server"
BUILD: Final = Path("build/bench")
TIMESTAMP: Final = "0" * 20


class Scenario(NamedTuple):
    """Replies of the server.

    Attributes:
        text: Text of a unary reply.
        chunks: Chunks of a stream.
        pace: Microseconds before a unary reply, and between chunks.
    """

    text: str
    chunks: int = 1000
    pace: int = 0


SHORT: Final = "Once upon a time a backpack that could think went to school, and came home wiser than its owner."
SCENARIOS: Final = {
    "short": Scenario(SHORT),
    "kilobyte": Scenario("a kilobyte of the model's words " * 32),
    "paced": Scenario(SHORT, chunks=200, pace=5000),
    "long": Scenario(SHORT, chunks=100_000),
    "slow": Scenario(SHORT, pace=5_000_000),
    "soak": Scenario(SHORT, chunks=100, pace=200),
}


def build() -> Path:
    """Compile the server if its sources are newer.

    Raises:
        SystemExit: There is no compiler, or no nghttp2.
    """
    program = BUILD / "server"
    sources = sorted(SOURCES.iterdir())
    if program.exists() and all(source.stat().st_mtime < program.stat().st_mtime for source in sources):
        return program
    compiler = shutil.which("cc")
    BUILD.mkdir(parents=True, exist_ok=True)
    files = [str(source) for source in sources if source.suffix == ".c"]
    flags = ["-std=c11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-Wconversion"]
    done = compiler and subprocess.run([compiler, *flags, "-o", str(program), *files, "-lnghttp2"], check=False)  # noqa: S603
    if not done or done.returncode:
        raise SystemExit(
            "cannot compile the benchmarks' server: it needs Linux, a C compiler and nghttp2; on Debian\n"
            "    apt-get install gcc libc6-dev libnghttp2-dev"
        )
    return program


@contextmanager
def serve(scenario: Scenario, *options: str, vertex: bool = False) -> Iterator[Endpoint]:
    """Run the server with this scenario, with the replies of Vertex AI or of the Gemini API."""
    program = build()
    with tempfile.TemporaryDirectory(prefix="genai-grpc-bench-") as directory:
        write_replies(Path(directory), scenario, vertex=vertex)
        command = [str(program), directory, f"{directory}/socket", *options]
        command += ["--chunks", str(scenario.chunks), "--pace", str(scenario.pace)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
            assert process.stdin is not None  # noqa: S101 -- both are pipes
            assert process.stdout is not None  # noqa: S101
            grpc, rest = process.stdout.readline().split()
            yield Endpoint(f"127.0.0.1:{grpc}", f"unix:{directory}/socket", f"http://127.0.0.1:{rest}")
            process.stdin.close()


def write_replies(directory: Path, scenario: Scenario, *, vertex: bool = False) -> None:
    """Write the replies of each RPC that the benchmarks call, as protobuf and as JSON."""
    from google.protobuf.json_format import MessageToDict

    from genai_grpc_protos import aiplatform_v1
    from genai_grpc_protos._convert import to_message
    from genai_grpc_protos._pool import POOL

    # A paced chunk carries the time of its sending.
    chunk = TIMESTAMP if scenario.pace else "and then the "
    replies = {
        "GenerateContent": response(scenario.text, last=True),
        "StreamGenerateContent": response(chunk, last=False),
    }
    for name, of_gemini in replies.items():
        message = to_message(aiplatform_v1.GenerateContentResponse, of_gemini) if vertex else of_gemini
        (directory / f"{name}.binpb").write_bytes(message.SerializeToString())
        fields = MessageToDict(message, descriptor_pool=POOL)
        (directory / f"{name}.json").write_text(json.dumps(fields))


def response(text: str, *, last: bool) -> Message:
    """A reply or a chunk, with the metadata that the service sends."""
    from genai_grpc_protos import v1beta as protos

    content = protos.Content(role="model", parts=[protos.Part(text=text)])
    finish = protos.Candidate.STOP if last else protos.Candidate.FINISH_REASON_UNSPECIFIED
    usage = protos.GenerateContentResponse.UsageMetadata(
        prompt_token_count=12, candidates_token_count=24, total_token_count=36
    )
    return protos.GenerateContentResponse(
        candidates=[protos.Candidate(content=content, finish_reason=finish)],
        usage_metadata=usage,
        model_version="gemini-pro",
        response_id="aPzUZ5vUIqKf1dkPw9qy6Ao",
    )
