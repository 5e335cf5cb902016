"""Bulk work on a Ray cluster of two nodes: the rate that a cluster-wide limit keeps, and what is lost by kills.

`run` installs Ray into an environment of its own, and runs this file there, on a server with fixed replies. So does
tests/libraries/test_ray.py.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

__all__ = ["run"]

METHOD: Final = "/google.ai.generativelanguage.v1beta.GenerativeService/GenerateContent"
ENVIRONMENT: Final = Path("build/ray")
ROWS: Final = 600
RATE: Final = 50.0
"""Requests per second."""
KILLS: Final = 4
"""Actors that are killed in the middle of a block: as many as there are at first."""


def run() -> None:
    """Run the cluster, and print what was seen."""
    from genai_grpc import testing

    python = ENVIRONMENT / "bin" / "python"
    if not python.exists():
        print(f"set-up: Ray, into {ENVIRONMENT}", flush=True)
        subprocess.run([sys.executable, "-m", "venv", str(ENVIRONMENT)], check=True)  # noqa: S603
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", "ray[data]", "grpcio", "protobuf"], check=True)  # noqa: S603
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([os.getcwd(), f"{os.getcwd()}/generated/python"])}
    with testing.LoadServer({METHOD: [testing.response("Done.")]}) as server, tempfile.TemporaryDirectory() as folder:
        subprocess.run([str(python), __file__, server.endpoint, folder], check=True, env=environment)  # noqa: S603


def main(endpoint: str, folder: str) -> None:
    """Three jobs on a cluster of two nodes with four CPUs; prints what was seen of each, as JSON."""
    import ray
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2})
    cluster.add_node(num_cpus=2)
    connect(cluster.address)
    for name, job in {"limit": limited, "actors killed": actors_killed, "driver killed": driver_killed}.items():
        path = Path(folder, name)
        path.mkdir()
        print(json.dumps({name: job(endpoint, path, cluster.address)}), flush=True)
    ray.shutdown()
    cluster.shutdown()


def connect(address: str) -> None:
    """Connect this process to the cluster."""
    import ray

    ray.init(address=address, log_to_driver=False, logging_level="error")
    ray.data.DataContext.get_current().enable_progress_bars = False


def limited(endpoint: str, folder: Path, address: str) -> dict[str, Any]:
    """`Generate` in `map_batches`, by four actors that keep one limit."""
    import ray

    from genai_grpc.bulk.ray_data import Generate

    options = {
        "template": "Row {id}.",
        "client": {"endpoint": endpoint},
        "concurrency": 20,
        "rate_limit": limit(),
        "request_options": {"on_attempt": noting(folder)},
    }
    rows = ray.data.from_items([{"id": number} for number in range(ROWS)], override_num_blocks=16)
    replies = rows.map_batches(
        Generate,
        batch_format="pyarrow",
        batch_size=50,
        compute=ray.data.ActorPoolStrategy(size=4),
        num_cpus=1,
        fn_constructor_kwargs=options,
    )
    return summary(replies.take_all(), "id") | attempts(folder)


def actors_killed(endpoint: str, folder: Path, address: str) -> dict[str, Any]:
    """`engine="ray"`, where each actor is killed once, with calls in flight."""
    for number in range(KILLS):
        Path(folder, f"kill-{number}").touch()
    generate(endpoint, folder)
    left = len(list(folder.glob("kill-*")))
    return summary(results(folder), "n") | attempts(folder) | {"killed": KILLS - left}


def driver_killed(endpoint: str, folder: Path, address: str) -> dict[str, Any]:
    """`engine="ray"`, where the program is killed as soon as there are parts, and runs again."""
    parts = Path(folder, "out.jsonl.parts")
    with subprocess.Popen([sys.executable, __file__, endpoint, str(folder), address]) as driver:  # noqa: S603
        while driver.poll() is None and len(list(parts.glob("*.jsonl"))) < 3:
            time.sleep(0.05)
        driver.kill()
    resumed = generate(endpoint, folder).resumed
    return summary(results(folder), "n") | attempts(folder) | {"resumed": resumed}


def generate(endpoint: str, folder: Path) -> Any:
    """A run of four actors on the cluster."""
    import genai_grpc as genai
    from genai_grpc import bulk

    rows = [{"prompt": f"Row {number}.", "n": number} for number in range(ROWS)]
    options: dict[str, Any] = {"request_options": {"on_attempt": noting(folder)}, "concurrency": 10, "actors": 4}
    with genai.Client(endpoint=endpoint, rate_limit=limit()) as client:
        model = genai.GenerativeModel(client=client)
        return bulk.generate(model, rows, out=Path(folder, "out.jsonl"), engine="ray", **options)


def limit() -> Any:
    """The limit of the cluster."""
    from genai_grpc.bulk.ray_data import ClusterRateLimit

    return ClusterRateLimit("quota", requests_per_minute=60 * RATE, burst_seconds=0.1)


def noting(folder: Path) -> Any:
    """A function for `on_attempt` that notes the time, and kills its process if it finds a file `kill-...`."""
    made: list[int] = []

    def note(_: int) -> None:
        with Path(folder, f"{os.getpid()}.times").open("a") as file:
            file.write(f"{time.time()}\n")
        made.append(1)
        if len(made) == 50:
            for path in folder.glob("kill-*"):
                try:
                    path.unlink()
                except FileNotFoundError:
                    continue  # of another actor
                os.kill(os.getpid(), signal.SIGKILL)

    return note


def results(folder: Path) -> list[dict[str, Any]]:
    """The results of a run."""
    return [json.loads(line) for line in Path(folder, "out.jsonl").read_text().splitlines()]


def summary(rows: list[dict[str, Any]], column: str) -> dict[str, Any]:
    """The counts of the rows that came back."""
    different = len({row[column] for row in rows})
    failed = sum(row["error"] is not None for row in rows)
    return {"rows": len(rows), "missing": ROWS - different, "repeated": len(rows) - different, "failed": failed}


def attempts(folder: Path) -> dict[str, Any]:
    """The processes that sent something, and the requests per second without the start and the end."""
    files = list(folder.glob("*.times"))
    times = sorted(float(line) for file in files for line in file.read_text().splitlines())
    middle = times[len(times) // 10 : -len(times) // 10]
    rate = (len(middle) - 1) / (middle[-1] - middle[0])
    return {"processes": len(files), "attempts": len(times), "requests per second": round(rate, 1)}


if __name__ == "__main__":
    if len(sys.argv) == 4:
        connect(sys.argv[3])
        generate(sys.argv[1], Path(sys.argv[2]))
    else:
        main(*sys.argv[1:])
