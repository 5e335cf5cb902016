"""The pages of docs/ that figures are written into, each between marks of its own."""

from __future__ import annotations

import os
import platform
import re
from importlib.metadata import version
from pathlib import Path
from typing import Final

__all__ = ["CAPACITY", "PERFORMANCE", "PROFILE", "SCALE", "TRANSPORTS", "circumstances", "write"]

CAPACITY: Final = Path("docs/capacity.md")
PERFORMANCE: Final = Path("docs/performance.md")
PROFILE: Final = Path("docs/profile.md")
SCALE: Final = Path("docs/scale.md")
TRANSPORTS: Final = Path("docs/transports.md")


def circumstances() -> str:
    """What was measured on."""
    return (
        f"Python {platform.python_version()}, grpcio {version('grpcio')}, protobuf {version('protobuf')}, "
        f"{os.cpu_count()} cores, {platform.machine()}."
    )


def write(page: Path, name: str, text: str) -> None:
    """Print a result, and put it into the page between its marks.

    Raises:
        ValueError: The page has no such marks.
    """
    print(text)
    before = page.read_text()
    marks = re.compile(rf"(<!-- {name}: written by [a-z -]+ -->\n).*?(<!-- end of {name} -->)", re.DOTALL)
    after, found = marks.subn(lambda match: f"{match[1]}\n{text}\n\n{match[2]}", before)
    if found != 1:
        raise ValueError(
            f"{page} has no place for {name}: a line '<!-- {name}: written by make ... -->', "
            f"and after it a line '<!-- end of {name} -->'"
        )
    page.write_text(after)
