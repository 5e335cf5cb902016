"""The first import of grpc in a process."""

from __future__ import annotations

import os
import sys
from typing import Final

__all__ = ["load_grpc"]

VERBOSITY: Final = "GRPC_VERBOSITY"
# With these, a program sets what gRPC prints.
SETTINGS: Final = (VERBOSITY, "GRPC_TRACE")


def load_grpc() -> None:
    """Import grpc so that it prints errors only, unless the program has imported it or sets what it prints.

    At its default, gRPC prints a line to stderr for each TLS handshake that fails, with what the error of the call says
    too. It reads the variable once, when it is imported (1.85) or at its first channel (1.71).
    """
    if "grpc" in sys.modules or any(name in os.environ for name in SETTINGS):
        return
    os.environ[VERBOSITY] = "ERROR"
    try:
        import grpc

        grpc.insecure_channel("unix:/nowhere").close()
    finally:
        os.environ.pop(VERBOSITY, None)  # so that child processes do not inherit it
