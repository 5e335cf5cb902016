"""The one logger of this package. What it says names methods, tries, times and status codes, and never a key."""

from __future__ import annotations

import logging
from typing import Final

__all__ = ["LOG"]

LOG: Final = logging.getLogger("genai_grpc")
# A program that sets up no logging is told nothing.
LOG.addHandler(logging.NullHandler())
