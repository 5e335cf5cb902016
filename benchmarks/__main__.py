"""The benchmarks' commands: python -m benchmarks COMMAND."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Final

from benchmarks import fitness, latency, profiles, table, transports
from benchmarks.capacity.page import PAGE_NAME
from benchmarks.capacity.page import write_page as capacity
from benchmarks.check import check

RESULTS: Final = Path("build/bench")
PAGE: Final = Path("docs/performance.md")
PROFILE: Final = Path("docs/profile.md")
TRANSPORTS: Final = Path("docs/transports.md")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "command", choices=["table", "latency", "profile", "transports", "fitness", "capacity", "check"]
    )
    parser.add_argument("--rounds", type=int, default=11, help="of each kind of work")
    arguments = parser.parse_args()
    match arguments.command:
        case "table":
            rows = table.measure(arguments.rounds)
            (RESULTS / "table.json").write_text(json.dumps(rows))
            write("table", f"{table.table(rows)}\n\n{circumstances()}")
        case "latency":
            write("latency", latency.latency_table())
        case "profile":
            found = profiles.profiles()
            profiles.write_pictures(found)
            write("profile", f"{profiles.profile_tables(found)}\n\n{circumstances()}", PROFILE)
        case "transports":
            write("transports", f"{transports.transport_table(arguments.rounds)}\n\n{circumstances()}", TRANSPORTS)
        case "fitness":
            write("fitness", fitness.fitness_table(), TRANSPORTS)
        case "check":
            sys.exit(not check())
        case "capacity":
            for name, text in capacity(Path()).items():
                write(name, text, Path(PAGE_NAME), "make bench-capacity")


def circumstances() -> str:
    """What was measured on."""
    return (
        f"Python {platform.python_version()}, grpcio {version('grpcio')}, protobuf {version('protobuf')}, "
        f"{os.cpu_count()} cores, {platform.machine()}."
    )


def write(name: str, text: str, page: Path = PAGE, by: str = "make bench") -> None:
    """Print a result, and put it into a page between its marks."""
    print(text)
    begin, end = f"<!-- {name}: written by {by} -->", f"<!-- end of {name} -->"
    before, found, rest = page.read_text().partition(begin)
    if not found or end not in rest:
        raise ValueError(f"{page} has no place for {name}: a line {begin!r}, and a line {end!r} after it")
    page.write_text(f"{before}{begin}\n\n{text}\n\n{end}{rest.partition(end)[2]}")


if __name__ == "__main__":
    main()
