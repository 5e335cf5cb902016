"""The benchmarks' commands: python -m benchmarks COMMAND."""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from pathlib import Path
from typing import Any, Final

from benchmarks import pages

RESULTS: Final = Path("build/bench")
COMMANDS: Final = {
    "table": "what each kind of work costs beside the other clients, into docs/performance.md",
    "latency": "how long a chunk is under way, into docs/performance.md",
    "check": "whether the client costs no more than its bounds",
    "fold": "what folding chunks costs",
    "images": "what an image in memory costs to send",
    "soak": "whether a million calls leave memory and descriptors where they were",
    "telemetry": "what telemetry costs",
}
ROUNDS: Final = {"table": 11}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, says in COMMANDS.items():
        commands.add_parser(name, help=says, description=says)
    for name, rounds in ROUNDS.items():
        commands.choices[name].add_argument("--rounds", type=int, default=rounds, help="of each kind of work")
    commands.choices["soak"].add_argument("--calls", type=int, default=1_000_000)
    arguments = parser.parse_args()
    match arguments.command:
        case "table":
            measure_table(arguments.rounds)
        case "latency":
            from benchmarks.latency import latency_table

            pages.write(pages.PERFORMANCE, "latency", latency_table())
        case "check":
            from benchmarks.check import check

            sys.exit(not check())
        case "soak":
            from benchmarks.soak import soak

            soak(arguments.calls)
        case alone:
            importlib.import_module(f"benchmarks.{alone}").main()


def measure_table(rounds: int) -> None:
    from benchmarks import table

    rows = table.measure(rounds)
    save("table", rows)
    pages.write(pages.PERFORMANCE, "table", f"{table.table(rows)}\n\n{pages.circumstances()}")


def save(name: str, results: Any) -> None:
    (RESULTS / f"{name}.json").write_text(json.dumps(results))


if __name__ == "__main__":
    main()
