"""The benchmarks' commands: python -m benchmarks COMMAND. benchmarks/README.md describes them."""

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
    "scale": "what more threads, calls, chunks, turns and bytes cost, into docs/scale.md",
    "capacity": "what many calls need, by what table and scale saved and a simulation, into docs/capacity.md",
    "profile": "whose the CPU of a call is, into docs/profile.md",
    "transports": "what calls would cost over other transports, into docs/transports.md",
    "fitness": "whether those would be as safe, into docs/transports.md",
    "plots": "the pictures of docs/images/, from what table and scale saved",
    "fold": "what folding chunks costs",
    "images": "what an image in memory costs to send",
    "soak": "whether a million calls leave memory and descriptors where they were",
    "telemetry": "what telemetry costs",
}
ROUNDS: Final = {"table": 11, "scale": 7, "transports": 7}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, says in COMMANDS.items():
        commands.add_parser(name, help=says, description=says)
    for name, rounds in ROUNDS.items():
        commands.choices[name].add_argument("--rounds", type=int, default=rounds, help="of each kind of work")
    commands.choices["table"].add_argument(
        "--runs", type=int, default=3, help="of the whole, the other clients in the first one only"
    )
    commands.choices["soak"].add_argument("--calls", type=int, default=1_000_000)
    arguments = parser.parse_args()
    match arguments.command:
        case "table":
            measure_table(arguments.rounds, arguments.runs)
        case "latency":
            from benchmarks.latency import latency_table

            pages.write(pages.PERFORMANCE, "latency", latency_table())
        case "check":
            from benchmarks.check import check

            sys.exit(not check())
        case "scale":
            measure_scale(arguments.rounds)
        case "capacity":
            from benchmarks.capacity.page import write_page

            for name, text in write_page(Path()).items():
                pages.write(pages.CAPACITY, name, text)
        case "profile":
            from benchmarks import profiles

            found = profiles.profiles()
            profiles.write_pictures(found)
            pages.write(pages.PROFILE, "profile", f"{profiles.profile_tables(found)}\n\n{pages.circumstances()}")
        case "transports":
            from benchmarks.transports import transport_table

            text = f"{transport_table(arguments.rounds)}\n\n{pages.circumstances()}"
            pages.write(pages.TRANSPORTS, "transports", text)
        case "fitness":
            from benchmarks.fitness import fitness_table

            pages.write(pages.TRANSPORTS, "fitness", fitness_table())
        case "plots":
            draw()
        case "soak":
            from benchmarks.soak import soak

            soak(arguments.calls)
        case alone:
            importlib.import_module(f"benchmarks.{alone}").main()


def measure_table(rounds: int, runs: int) -> None:
    from benchmarks import table

    found = [table.measure(rounds)]
    save("table", found[0])
    for number in range(2, runs + 1):
        print(f"run {number}", flush=True)
        found.append(table.measure(rounds, (table.BASE, table.OURS)))
    pages.write(pages.PERFORMANCE, "table", f"{table.table(found[0])}\n\n{pages.circumstances()}")
    pages.write(pages.PERFORMANCE, "runs", table.runs_table(found))
    draw()


def measure_scale(rounds: int) -> None:
    from benchmarks import scale, scale_page

    figures = scale.measure(rounds)
    save("scale", figures)
    blocks = scale_page.blocks(figures)
    blocks["circumstances"] = pages.circumstances()
    for name, text in blocks.items():
        pages.write(pages.SCALE, name, text)
    draw()


def draw() -> None:
    """Draw what there are figures of."""
    from benchmarks import plots, scale, table

    if (saved := saved_as("scale")) is not None:
        plots.draw_scale(scale.from_json(saved))
    if (saved := saved_as("table")) is not None:
        plots.draw_table({name: table.Row(*row) for name, row in saved.items()})


def save(name: str, results: Any) -> None:
    (RESULTS / f"{name}.json").write_text(json.dumps(results))


def saved_as(name: str) -> Any:
    """What a command saved, None if it did not."""
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else None


if __name__ == "__main__":
    main()
