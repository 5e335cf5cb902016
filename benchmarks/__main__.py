"""The benchmarks' commands: python -m benchmarks COMMAND."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Final

from benchmarks import table

RESULTS: Final = Path("build/bench")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("command", choices=["table"])
    parser.add_argument("--rounds", type=int, default=11)
    arguments = parser.parse_args()
    rows = table.measure(arguments.rounds)
    (RESULTS / "table.json").write_text(json.dumps(rows))
    print(table.table(rows))


if __name__ == "__main__":
    main()
