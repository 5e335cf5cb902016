"""docs/vertex.md agrees with the descriptors, and its programs run.

`pytest tests/test_vertex_page.py --rewrite` writes its table anew.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from genai_grpc import testing
from genai_grpc._services.messages import GEMINI, VERTEX
from genai_grpc.local import ScriptEngine, serve
from genai_grpc_protos._by_name import _RENAMED
from genai_grpc_protos._pool import POOL

ROOT: Final = Path(__file__).parents[1]
PAGE: Final = ROOT / "docs" / "vertex.md"
TABLE: Final = re.compile(r"(<!-- fields -->\n)\n.*?(?=\n\n)", re.DOTALL)
# The messages from which what a program sends or gets is reached.
ROOTS: Final = (
    "GenerateContentRequest",
    "GenerateContentResponse",
    "CountTokensResponse",
    "CachedContent",
    "EmbedContentRequest",
)


def counterparts() -> dict[Any, Any]:
    """The messages that are reached, and those of the other API."""
    found: dict[Any, Any] = {}
    waiting = [(message(GEMINI.package, name), message(VERTEX.package, name)) for name in ROOTS]
    while waiting:
        ours, theirs = waiting.pop(0)
        if ours in found or ours.file.package != GEMINI.package or theirs.file.package != VERTEX.package:
            continue
        found[ours] = theirs
        for field in ours.fields:
            other = theirs.fields_by_name.get(field.name)
            if other is not None and field.message_type is not None and not field.message_type.GetOptions().map_entry:
                waiting.append((field.message_type, other.message_type))
    return found


def message(package: str, name: str) -> Any:
    """A message of an API."""
    __import__({GEMINI.package: "genai_grpc_protos.v1beta", VERTEX.package: "genai_grpc_protos.aiplatform_v1"}[package])
    return POOL.FindMessageTypeByName(f"{package}.{name}")  # type: ignore[no-untyped-call, unused-ignore]  # typed in some releases of the stubs only


def fields() -> Iterator[str]:
    """A row for each message that has fields, or values of enums, in one API only."""
    yield "| message | only the Gemini API | only Vertex AI |"
    yield "|---|---|---|"
    rows = {}
    for ours, theirs in counterparts().items():
        renamed = {name for owner, name in _RENAMED if owner == ours.name}
        only = [
            [
                field.name
                for field in side.fields
                if field.name not in other.fields_by_name and field.name not in renamed
            ]
            for side, other in ((ours, theirs), (theirs, ours))
        ]
        for field in ours.fields:
            other = theirs.fields_by_name.get(field.name)
            if other is None or field.enum_type is None:
                continue
            enums = field.enum_type, other.enum_type
            for number, (side, opposite) in enumerate((enums, enums[::-1])):
                only[number] += [
                    f"{field.name}={value.name}"
                    for value in side.values[1:]
                    if value.name not in opposite.values_by_name
                ]
        if any(only):
            name = ours.full_name.removeprefix(f"{GEMINI.package}.")
            cells = (", ".join(f"`{item}`" for item in items) for items in only)
            rows[name] = f"| `{name}` | {' | '.join(cells)} |"
    yield from (row for _, row in sorted(rows.items()))


def test_table(request: pytest.FixtureRequest) -> None:
    """What each API has is what its descriptors say."""
    text, table = PAGE.read_text(), "\n".join(fields())
    expected = TABLE.sub(lambda found: f"{found[1]}\n{table}", text)
    if request.config.getoption("--rewrite"):
        PAGE.write_text(expected)
    assert request.config.getoption("--rewrite") or text == expected


def test_example() -> None:
    """examples/python/vertex.py runs on the local server, for both APIs."""
    call = testing.response(testing.function_call("opening_hours", day="Sunday"))
    for option, name in (
        ("", "projects/my-project/locations/global/publishers/google/models/"),
        ("--gemini", "models/"),
    ):
        script = ScriptEngine().reply("Light is", " scattered.").reply(call).reply("No.").reply("A tale.")
        with serve(script) as server:
            path = os.pathsep.join(map(str, (ROOT, ROOT / "generated" / "python")))
            environment = os.environ | {"PYTHONPATH": path, "GENAI_GRPC_ENDPOINT": server.endpoint}
            environment.pop("GOOGLE_CLOUD_PROJECT", None)
            program = ROOT / "examples" / "python" / "vertex.py"
            done = subprocess.run(
                [sys.executable, program, *option.split()],
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
                env=environment,
            )
            answers = "Light is scattered.\nNo.\n9 tokens\nA tale.\n"
            assert done.stdout == f"{name}gemini-2.5-flash: {answers}", done.stderr
