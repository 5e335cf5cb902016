"""Bulk work on a cluster of Ray: two nodes on this machine."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest

from genai_grpc import testing
from tests.libraries.environments import ROOT, interpreter_of

pytestmark = [pytest.mark.libraries, pytest.mark.venv, pytest.mark.timeout(900)]

PROGRAM: Final = ROOT / "benchmarks" / "ray_cluster.py"
METHOD: Final = "/google.ai.generativelanguage.v1beta.GenerativeService/GenerateContent"
COMPLETE: Final = {"rows": 600, "missing": 0, "repeated": 0, "failed": 0}


def test_cluster(tmp_path: Path) -> None:
    """Four actors keep one limit; neither a kill of each actor nor one of the program loses or repeats a row."""
    with testing.LoadServer({METHOD: [testing.response("Done.")]}) as server:
        command: list[str | Path] = [interpreter_of("genai_grpc+ray"), PROGRAM, server.endpoint, tmp_path]
        output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=tmp_path, env=environment())
    seen: dict[str, dict[str, Any]] = {}
    for line in output.stdout.splitlines():
        if line.startswith("{"):
            seen |= json.loads(line)
    assert {name: job.items() >= COMPLETE.items() for name, job in seen.items()} == {
        "limit": True,
        "actors killed": True,
        "driver killed": True,
    }, seen
    assert (seen["limit"]["processes"], seen["limit"]["attempts"]) == (4, 600)
    assert seen["limit"]["requests per second"] <= 1.05 * 50  # slow machines send less
    assert (seen["actors killed"]["killed"], seen["actors killed"]["processes"]) == (4, 8)
    assert 0 < seen["driver killed"]["resumed"] < 600


def environment() -> dict[str, str]:
    """That of this process, for the programs of another interpreter."""
    return {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
