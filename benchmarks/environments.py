"""The peers' Pythons: this one, and a virtual environment for each client that is not this project's."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Final

from benchmarks.peers import TRANSPORTS, spec_of

__all__ = ["python_of"]

PLACE: Final = Path("build/peers")


def python_of(peer: str) -> str:
    """The interpreter that has the peer, installed now if it is not yet.

    grpcio is everywhere the same, so that what is compared is what is built on it; so is protobuf below transports.
    """
    spec = spec_of(peer)
    if not spec.requirements:
        return sys.executable
    place = PLACE / spec.module
    wanted = (*spec.requirements, f"uvloop=={version('uvloop')}")
    if peer in TRANSPORTS:
        wanted = tuple(f"protobuf=={version('protobuf')}" if each == "protobuf" else each for each in wanted)
    elif not any("google-genai" in requirement for requirement in wanted):
        wanted = (*wanted, f"grpcio=={version('grpcio')}")
    stamp = place / "installed"
    python = str(place / "bin" / "python")
    if not stamp.exists() or stamp.read_text() != "\n".join(wanted):
        print(f"set-up: {spec.title}, into {place}", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(place)], check=True)  # noqa: S603
        subprocess.run([python, "-m", "pip", "install", "--quiet", *wanted], check=True)  # noqa: S603
        stamp.write_text("\n".join(wanted))
    return python
