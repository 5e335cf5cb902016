"""The published clients of google-ai-generativelanguage call every RPC of the local server."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any, Final

import pytest

from genai_grpc import protos
from genai_grpc.local import ScriptEngine, serve
from tests.libraries.environments import interpreter_of
from tests.services.test_generative_language import METHODS

pytestmark = [pytest.mark.libraries, pytest.mark.venv, pytest.mark.timeout(600)]

PROGRAM: Final = Path(__file__).with_name("programs") / "every_rpc.py"
OUTPUT: Final = """\
Hello
['It', ' streams']
Live
1
768
2
Hello 1
['models/script', 'models/gemini-pro'] models/gemini-pro
tunedModels/next 5
ACTIVE ['tunedModels/next']
Next
READER
2
WRITER
True
True
models/gemini-pro 1
files/tale 1
corpora/tales 1
corpora/tales/documents/alice 1
Hello there 2
Hello you
Hello you
Good bye
A girl
files/1
"""


class Painter(ScriptEngine):
    """An engine that predicts."""

    async def predict(self, request: protos.PredictRequest) -> protos.PredictResponse:
        return protos.PredictResponse(predictions=request.instances)

    async def predict_long_running(self, request: Any) -> protos.PredictLongRunningResponse:
        sample = protos.Media(video=protos.Video(uri=f"files/{len(request.instances)}"))
        video = protos.PredictLongRunningGeneratedVideoResponse(generated_samples=[sample])
        return protos.PredictLongRunningResponse(generate_video_response=video)


def test_every_rpc() -> None:
    """Each RPC is called once, with what it needs from those before it."""
    script = Painter()
    script.reply("Hello").reply("It", " streams").reply("Live").reply("Hello")
    with serve(script, users={"ada@example.com": "a-key"}) as server:
        completed = subprocess.run(
            [interpreter_of("genai_grpc+google-ai-generativelanguage"), PROGRAM, server.address],
            check=False,
            capture_output=True,
            text=True,
        )
    paths = sorted(each.path for each in METHODS.values())
    expected = OUTPUT + "".join(f"{path}\n" for path in paths)
    assert (completed.stdout, completed.returncode) == (expected, 0), completed.stderr
