"""Python interpreters of the peers: this one, and a virtual environment for each of the others."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Final

from benchmarks.peers import TRANSPORTS, spec_of

__all__ = ["python_of"]

ENVIRONMENTS: Final = Path("build/peers")


def python_of(peer: str) -> str:
    """The interpreter that has the peer; installs it on first use.

    All environments have the same grpcio, those of transports the same protobuf, so that the comparison is of what is
    built on them.
    """
    spec = spec_of(peer)
    if not spec.requirements:
        return sys.executable
    environment = ENVIRONMENTS / spec.module
    requirements = (*spec.requirements, f"uvloop=={version('uvloop')}")
    if peer in TRANSPORTS:
        protobuf = f"protobuf=={version('protobuf')}"
        requirements = tuple(protobuf if each == "protobuf" else each for each in requirements)
    elif not any("google-genai" in requirement for requirement in requirements):
        requirements = (*requirements, f"grpcio=={version('grpcio')}")
    stamp = environment / "installed"
    python = str(environment / "bin" / "python")
    if not stamp.exists() or stamp.read_text() != "\n".join(requirements):
        print(f"set-up: {spec.title}, into {environment}", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(environment)], check=True)  # noqa: S603
        subprocess.run([python, "-m", "pip", "install", "--quiet", *requirements], check=True)  # noqa: S603
        stamp.write_text("\n".join(requirements))
    return python
