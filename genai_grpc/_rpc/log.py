"""The package's logger. Its messages name methods, attempts, times and status codes, never a key or a prompt."""

from __future__ import annotations

import logging
import sys
from typing import Final

from genai_grpc.errors import ConfigurationError

__all__ = ["LEVELS", "LOG", "enable"]

LEVELS: Final = ("debug", "info", "warning", "error")

LOG: Final = logging.getLogger("genai_grpc")
# Silent in a program that configures no logging.
LOG.addHandler(logging.NullHandler())


def enable(level: str) -> None:
    """Set the logger's level, and print its lines to stderr while the program has no handler for them.

    Once in a process: a level that the program sets later stays.

    Args:
        level: One of `LEVELS`, in any case, from the environment: `info` for a line per call, `debug` for each failed
            attempt, too.

    Raises:
        ConfigurationError: It is something else.
    """
    if level.lower() not in LEVELS:
        raise ConfigurationError(f"GENAI_GRPC_LOG is {', '.join(LEVELS[:-1])} or {LEVELS[-1]}, or unset; got {level!r}")
    if not any(isinstance(each, _StderrHandler) for each in LOG.handlers):
        LOG.addHandler(_StderrHandler())
        LOG.setLevel(level.upper())


class _StderrHandler(logging.Handler):
    """Prints to stderr what no other handler gets, as `logging.lastResort` does; so no line appears twice."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        if _has_handler(logging.getLogger(record.name)):
            return
        try:
            sys.stderr.write(f"{self.format(record)}\n")
        except Exception:
            self.handleError(record)


def _has_handler(logger: logging.Logger | None) -> bool:
    """Whether the program has configured a handler for the records of a logger."""
    while logger is not None:
        if not all(isinstance(each, (_StderrHandler, logging.NullHandler)) for each in logger.handlers):
            return True
        logger = logger.parent if logger.propagate else None
    return False
