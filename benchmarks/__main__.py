"""Command line of the benchmarks: python -m benchmarks COMMAND. See benchmarks/README.md."""

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
    "table": "compare the clients at each kind of work; updates docs/performance.md",
    "latency": "measure the latency of streamed chunks; updates docs/performance.md",
    "conveniences": "measure the conveniences of the message classes; updates docs/performance.md",
    "schemas": "measure schemas of types, and the parsing of answers; updates docs/performance.md",
    "check": "fail if the client costs more than its bounds",
    "scale": "measure more threads, calls in flight, chunks, turns and bytes; updates docs/scale.md",
    "capacity": "plan capacity, from the results of table and scale and a simulation; updates docs/capacity.md",
    "profile": "profile the CPU per call; updates docs/profile.md",
    "transports": "measure other transports than gRPC's; updates docs/transports.md",
    "conformance": "test whether those keep gRPC's guarantees; updates docs/transports.md",
    "plots": "draw the diagrams of docs/images/ again, from the results of table and scale",
    "bulk": "measure the throughput of bulk runs; updates docs/bulk.md",
    "ray": "run bulk work on a Ray cluster of two nodes (downloads up to 200 MB)",
    "merge": "measure the merging of a stream's chunks",
    "images": "measure the encoding of an image in memory",
    "soak": "test for leaks of memory and file descriptors over a million calls",
    "grpcio_leaks": "measure the memory that plain grpcio does not free",
    "telemetry": "measure the overhead of the OpenTelemetry interceptor",
}
ROUNDS: Final = {"table": 11, "scale": 7, "transports": 7}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, summary in COMMANDS.items():
        commands.add_parser(name, help=summary, description=summary)
    for name, rounds in ROUNDS.items():
        commands.choices[name].add_argument("--rounds", type=int, default=rounds, help="rounds per kind of work")
    commands.choices["table"].add_argument(
        "--runs", type=int, default=3, help="runs of the whole table; the other clients take part in the first only"
    )
    commands.choices["soak"].add_argument("--calls", type=int, default=1_000_000, help="number of calls")
    commands.choices["bulk"].add_argument("--rows", type=int, default=10_000, help="rows of each run")
    arguments = parser.parse_args()
    match arguments.command:
        case "table":
            measure_table(arguments.rounds, arguments.runs)
        case "latency":
            from benchmarks.latency import latency_table

            pages.write(pages.PERFORMANCE, "latency", latency_table())
        case "conveniences":
            from benchmarks.conveniences import conveniences_table

            pages.write(pages.PERFORMANCE, "conveniences", conveniences_table())
        case "schemas":
            from benchmarks.micro.schemas import schemas_table

            pages.write(pages.PERFORMANCE, "schemas", f"{schemas_table()}\n\n{pages.environment()}")
        case "bulk":
            from benchmarks.bulk import bulk_table

            pages.write(pages.BULK, "bulk", f"{bulk_table(arguments.rows)}\n\n{pages.environment()}")
        case "ray":
            from benchmarks.ray_cluster import run

            run()
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
            from benchmarks.profile import profiles

            found = profiles.profiles()
            profiles.write_flame_graphs(found)
            pages.write(pages.PROFILE, "profile", f"{profiles.profile_tables(found)}\n\n{pages.environment()}")
        case "transports":
            from benchmarks.transports.costs import transport_table

            text = f"{transport_table(arguments.rounds)}\n\n{pages.environment()}"
            pages.write(pages.TRANSPORTS, "transports", text)
        case "conformance":
            from benchmarks.transports.conformance import conformance_table

            pages.write(pages.TRANSPORTS, "conformance", conformance_table())
        case "plots":
            draw()
        case "soak":
            from benchmarks.soak import soak

            soak(arguments.calls)
        case name:
            importlib.import_module(f"benchmarks.micro.{name}").main()


def measure_table(rounds: int, runs: int) -> None:
    from benchmarks import table

    found = [table.measure(rounds)]
    save("table", found[0])
    for number in range(2, runs + 1):
        print(f"run {number}", flush=True)
        found.append(table.measure(rounds, (table.BASE, table.OURS)))
    pages.write(pages.PERFORMANCE, "table", f"{table.table(found[0])}\n\n{pages.environment()}")
    pages.write(pages.PERFORMANCE, "runs", table.runs_table(found))
    draw()


def measure_scale(rounds: int) -> None:
    from benchmarks.scale import page, sweeps

    figures = sweeps.measure(rounds)
    save("scale", figures)
    blocks = page.blocks(figures)
    blocks["environment"] = pages.environment()
    for name, text in blocks.items():
        pages.write(pages.SCALE, name, text)
    draw()


def draw() -> None:
    """Draw the diagrams of the saved results."""
    from benchmarks import plots, table
    from benchmarks.scale import sweeps

    if (saved := load("scale")) is not None:
        plots.draw_scale(sweeps.from_json(saved))
    if (saved := load("table")) is not None:
        plots.draw_table({name: table.Row(*row) for name, row in saved.items()})


def save(name: str, results: Any) -> None:
    (RESULTS / f"{name}.json").write_text(json.dumps(results))


def load(name: str) -> Any:
    """The saved results of a command; None if there are none."""
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else None


if __name__ == "__main__":
    main()
