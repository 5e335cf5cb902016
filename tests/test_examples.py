"""The examples that need no framework; those that do are in tests/libraries/test_examples.py."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from genai_grpc import protos, testing
from genai_grpc.local import ScriptEngine, serve

ROOT: Final = Path(__file__).parents[1]


class Repeats(ScriptEngine):
    """Replies with the prompt; "fail" is an error while `fails` is set, and "block" has no reply."""

    fails = True

    async def generate(self, request: protos.GenerateContentRequest) -> Any:
        prompt = request.contents[0].parts[0].text
        if prompt == "fail" and self.fails:
            raise testing.api_error("INVALID_ARGUMENT", "as asked")
        yield testing.response(finish_reason="SAFETY") if prompt == "block" else testing.response(prompt)


def test_batch(tmp_path: Path) -> None:
    """Each row gets a reply or an error of its own, and a second run repeats those without a reply."""
    source, target = tmp_path / "prompts.jsonl", tmp_path / "replies.jsonl"
    prompts = ["fail", "block", *(f"prompt {number}" for number in range(200))]
    source.write_text("".join(json.dumps({"id": prompt, "prompt": prompt}) + "\n" for prompt in prompts))
    engine = Repeats()
    with serve(engine) as server:
        path = os.pathsep.join(map(str, (ROOT, ROOT / "generated" / "python")))
        environment = os.environ | {"PYTHONPATH": path, "GENAI_GRPC_ENDPOINT": server.endpoint}

        def run() -> tuple[str, list[dict[str, Any]]]:
            program = subprocess.run(
                [sys.executable, ROOT / "examples" / "python" / "batch.py", source, target],
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
                env=environment,
            )
            return program.stderr, sorted(map(json.loads, target.read_text().splitlines()), key=lambda row: row["row"])

        message, (failed, blocked, *others) = run()
        assert message == "2 rows failed; run it again to repeat them\n"
        assert (failed["id"], failed["error"]) == ("fail", {"status": "INVALID_ARGUMENT", "message": "as asked"})
        assert "SAFETY" in blocked["error"]["message"]
        assert [(row["id"], row["text"]) for row in others] == [(prompt, prompt) for prompt in prompts[2:]]

        engine.fails = False
        message, rows = run()
        assert message.startswith("1 rows failed")
        assert (rows[0]["text"], rows[0]["error"]) == ("fail", None)
        assert rows[1:] == [blocked, *others]
