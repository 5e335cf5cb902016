"""docs/rpcs.md agrees with the descriptors, with the package, and with the local server."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import grpc
import pytest

import genai_grpc
from genai_grpc.local import ScriptEngine, serve
from tests.services.test_generative_language import METHODS

PAGE = Path(__file__).parents[1] / "docs" / "rpcs.md"
FOUND = re.findall(r"^\| `(\w+\.\w+)` \| (.+?) \| (.+?) \|$", PAGE.read_text(), re.MULTILINE)
ROWS: dict[str, tuple[str, str]] = {rpc: (python, server) for rpc, python, server in FOUND}


def test_every_rpc_has_a_row() -> None:
    """The table has the RPCs of the descriptors, in their order by service, and no other."""
    assert set(ROWS) == set(METHODS)
    assert len(FOUND) == len(ROWS)


@pytest.mark.parametrize("rpc", ROWS)
def test_public_names(rpc: str) -> None:
    """What the table names is public, and has an async twin unless it is async itself."""
    names = re.findall(r"`([\w.]+)`", ROWS[rpc][0])
    assert names or ROWS[rpc][0] == "the stub"
    for name in names:
        owner: Any = genai_grpc
        *path, last = name.split(".")
        for each in path:
            owner = getattr(owner, each)
        assert callable(getattr(owner, last))
        assert callable(getattr(owner, f"{last}_async", None)) or "async only" in ROWS[rpc][0]


@pytest.mark.parametrize("rpc", ROWS)
def test_local_server(rpc: str) -> None:
    """The local server implements what the table does not call UNIMPLEMENTED."""
    method = METHODS[rpc]
    descriptor = method._descriptor
    kind = f"{'stream' if descriptor.client_streaming else 'unary'}_{'stream' if method.streaming else 'unary'}"
    status = "UNIMPLEMENTED" if ROWS[rpc][1] == "UNIMPLEMENTED" else "INVALID_ARGUMENT"
    with serve(ScriptEngine()) as server, grpc.insecure_channel(server.address) as channel:
        call = getattr(channel, kind)(method.path)
        request = iter([b"\xff\xff\xff"]) if descriptor.client_streaming else b"\xff\xff\xff"
        with pytest.raises(grpc.RpcError, match=status):
            list(call(request, timeout=30))
