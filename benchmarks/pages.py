"""Pages of docs/ with generated blocks, each between two marker comments."""

from __future__ import annotations

import os
import platform
import re
from importlib.metadata import version
from pathlib import Path
from typing import Final

__all__ = ["BULK", "CAPACITY", "PERFORMANCE", "PROFILE", "SCALE", "TRANSPORTS", "environment", "write"]

BULK: Final = Path("docs/bulk.md")
CAPACITY: Final = Path("docs/capacity.md")
PERFORMANCE: Final = Path("docs/performance.md")
PROFILE: Final = Path("docs/profile.md")
SCALE: Final = Path("docs/scale.md")
TRANSPORTS: Final = Path("docs/transports.md")


def environment() -> str:
    """Versions and hardware of the measurement."""
    return (
        f"Python {platform.python_version()}, grpcio {version('grpcio')}, protobuf {version('protobuf')}, "
        f"{os.cpu_count()} cores, {platform.machine()}."
    )


def write(page: Path, name: str, text: str) -> None:
    """Print a generated block, and replace it in the page, between its markers.

    Raises:
        ValueError: The page does not have the markers exactly once.
    """
    print(text)
    before = page.read_text()
    block = re.compile(rf"(<!-- {name}: written by [A-Za-z =-]+ -->\n).*?(<!-- end of {name} -->)", re.DOTALL)
    after, found = block.subn(lambda match: f"{match[1]}\n{text}\n\n{match[2]}", before)
    if found != 1:
        raise ValueError(
            f"{page} has {found} blocks named {name}; add one: a line '<!-- {name}: written by make ... -->', "
            f"and after it a line '<!-- end of {name} -->'"
        )
    page.write_text(after)
