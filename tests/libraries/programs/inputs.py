"""What the jobs send."""

from __future__ import annotations

import os
from typing import Final

__all__ = ["KEY", "RED_PIXEL"]

KEY: Final = os.environ["GOOGLE_API_KEY"]
# A PNG of one pixel.
RED_PIXEL: Final = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de"
    "0000000c49444154789c63f8cfc0000003010100c9fe92ef0000000049454e44ae426082"
)
