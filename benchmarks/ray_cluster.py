"""Bulk work on a Ray cluster of two nodes: the rate that a cluster-wide limit keeps, and an actor that is killed.

`run` installs Ray into an environment of its own, and runs this file there, on a server with fixed replies.
"""

from __future__ import annotations

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
    """Two jobs on a cluster of two nodes with two actors each; in the second one an actor is killed."""
    ray = start_cluster()
    sent: Any = ray.remote(Sent).options(name="sent", num_cpus=0).remote()
    found = replies(ray, endpoint, folder).take_all()
    times, pids = ray.get(sent.report.remote())
    middle = times[len(times) // 10 : -len(times) // 10]
    rate = (len(middle) - 1) / (middle[-1] - middle[0])
    print(f"{len(ray.nodes())} nodes, {len(pids)} actors: {rate:.1f} requests/s of {RATE:.0f}; {summary(found)}")
    Path(folder, "kill").touch()
    found = replies(ray, endpoint, folder).take_all()
    killed = not Path(folder, "kill").exists()
    print(f"{'an actor was killed' if killed else 'no actor was killed'}: {summary(found)}")


def start_cluster() -> Any:
    """Ray, connected to a cluster of two nodes on this machine."""
    import ray
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2})
    cluster.add_node(num_cpus=2)
    ray.init(address=cluster.address, log_to_driver=False, logging_level="error")
    ray.data.DataContext.get_current().enable_progress_bars = False
    return ray


def replies(ray: Any, endpoint: str, folder: str) -> Any:
    """The dataset of replies to rows, by four actors."""
    from genai_grpc.bulk.ray_data import ClusterRateLimit

    options = {
        "folder": folder,
        "template": "Row {id}.",
        "client": {"endpoint": endpoint},
        "concurrency": 20,
        "rate_limit": ClusterRateLimit("quota", requests_per_minute=60 * RATE, burst_seconds=0.1),
    }
    rows = ray.data.from_items([{"id": number} for number in range(ROWS)], override_num_blocks=16)
    return rows.map_batches(
        noted_class(),
        batch_format="pyarrow",
        batch_size=50,
        compute=ray.data.ActorPoolStrategy(size=4),
        num_cpus=1,
        fn_constructor_kwargs=options,
    )


def summary(rows: list[dict[str, Any]]) -> str:
    """The counts of the rows that came back."""
    errors = {row["error"] for row in rows if row["error"] is not None}
    missing = ROWS - len({row["id"] for row in rows})
    return f"{len(rows)} rows, {missing} missing, errors: {errors or 'none'}"


class Sent:
    """An actor that notes when calls were sent, and by which processes."""

    def __init__(self) -> None:
        self._times: list[float] = []
        self._pids: set[int] = set()

    def note(self, pid: int, times: list[float]) -> None:
        """A batch has ended."""
        self._times += times
        self._pids.add(pid)

    def report(self) -> tuple[list[float], list[int]]:
        """All times, and all processes."""
        return sorted(self._times), sorted(self._pids)


def noted_class() -> Any:
    """A `Generate` that reports to `Sent`, and kills its process once if it finds the file `kill`."""
    import ray

    from genai_grpc.bulk.ray_data import Generate

    class Noted(Generate):
        def __init__(self, folder: str, **options: Any) -> None:
            self._kill = Path(folder, "kill")
            self._sent: Any = ray.get_actor("sent")
            self._times: list[float] = []
            super().__init__(request_options={"on_attempt": lambda _: self._times.append(time.time())}, **options)

        def __call__(self, batch: Any) -> Any:
            if self._kill.exists() and batch.num_rows:
                self._kill.unlink()
                os.kill(os.getpid(), signal.SIGKILL)
            table = super().__call__(batch)
            ray.get(self._sent.note.remote(os.getpid(), self._times))
            self._times.clear()
            return table

    return Noted


if __name__ == "__main__":
    main(*sys.argv[1:])
