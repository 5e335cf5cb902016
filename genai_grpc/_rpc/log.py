"""The package's logger. Its messages name methods, attempts, times and status codes, never a key or a prompt."""

from __future__ import annotations

import logging
from typing import Final

__all__ = ["LOG"]

LOG: Final = logging.getLogger("genai_grpc")
# Silent in a program that configures no logging.
LOG.addHandler(logging.NullHandler())
