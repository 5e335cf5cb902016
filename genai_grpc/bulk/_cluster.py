"""Runs on a cluster: actors of Ray Data make the calls and write parts, which are joined at the end."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from itertools import islice
from typing import Any

from genai_grpc.bulk._calls import RowCall, performer
from genai_grpc.bulk._options import Run
from genai_grpc.bulk._parts import Parts, PartWriter
from genai_grpc.bulk._prices import Cost
from genai_grpc.bulk._progress import BulkSummary, Progress
from genai_grpc.bulk._rows import count_rows, to_rows
from genai_grpc.bulk._runner import run
from genai_grpc.errors import GenAIError

__all__ = ["Worker", "run_on_cluster"]


async def run_on_cluster(call: RowCall, rows: Any, out: str, options: Run, cost: Cost | None) -> BulkSummary:
    """Run on the cluster of `ray.init()`, to which the rows are copied first.

    Raises:
        Exception: As for a run on one machine.
        ImportError: Ray is not installed.
    """
    stopped = threading.Event()
    try:
        return await asyncio.to_thread(_run, call, rows, out, options, cost, stopped)
    except asyncio.CancelledError:
        stopped.set()
        raise


def _run(call: RowCall, rows: Any, out: str, options: Run, cost: Cost | None, stopped: threading.Event) -> BulkSummary:
    ray = _ray()
    source, count = to_rows(rows), count_rows(rows)
    parts = Parts(out, resume=options.resume, retry_failed=options.retry_failed)
    resumed = parts.rows
    if not ray.is_initialized():
        ray.init()
    actors = options.actors or sum(node["Alive"] for node in ray.nodes())
    size = block_size(options.concurrency, None if count is None else count - resumed, actors)
    left = (row for row in source if not parts.has(row.number))
    blocks = list(_blocks(ray, left, size))
    progress = Progress(options.progress, count, resumed, cost)
    try:
        for result in _results(ray, blocks, call, options, parts.writer, actors):
            progress.add(result)
            if stopped.is_set():
                raise asyncio.CancelledError
    finally:
        progress.close()
    parts.join()
    counts = progress.prompt_tokens, progress.reply_tokens, progress.cost, progress.seconds
    return BulkSummary(out, parts.rows, parts.failed, resumed, *counts)


def block_size(concurrency: int, rows: int | None, actors: int) -> int:
    """Rows of a part: ten times the calls in flight, or fewer so that each actor has four of them."""
    size = 10 * concurrency
    return size if rows is None else max(1, min(size, rows // (4 * actors)))


def _blocks(ray: Any, rows: Iterator[Any], size: int) -> Iterator[Any]:
    """References to the rows in the cluster's object store, which spills to disk."""
    pyarrow = import_module("pyarrow")
    while block := list(islice(rows, size)):
        yield ray.put(pyarrow.table({"rows": [ray.cloudpickle.dumps(block)]}))


def _results(
    ray: Any, blocks: list[Any], call: RowCall, options: Run, writer: PartWriter, actors: int
) -> Iterator[dict[str, Any]]:
    """The counts of each row that was done, as they come."""
    if not blocks:
        return
    arguments = {
        "call": ray.cloudpickle.dumps(call),
        "columns": options.columns,
        "id_column": options.id,
        "options": options.request_options,
        "concurrency": options.concurrency,
        "writer": writer,
    }
    done = ray.data.from_arrow_refs(blocks).map_batches(
        Worker,
        batch_size=None,
        batch_format="pyarrow",
        compute=ray.data.ActorPoolStrategy(size=min(actors, len(blocks))),
        num_cpus=1,
        fn_constructor_kwargs=arguments,
    )
    for batch in done.iter_batches(batch_size=None, batch_format="pyarrow"):
        if "failure" in batch.column_names:
            raise ray.cloudpickle.loads(batch.column("failure")[0].as_py())
        yield from batch.to_pylist()


class Worker:
    """The actor: makes the calls of a block of rows, and writes their results as a part."""

    def __init__(
        self,
        call: bytes,
        columns: Sequence[str] | None,
        id_column: str | None,
        options: Mapping[str, Any] | None,
        concurrency: int,
        writer: PartWriter,
    ) -> None:
        self._cloudpickle = _ray().cloudpickle
        self._perform = performer(self._cloudpickle.loads(call), columns, id_column, options)
        self._concurrency = concurrency
        self._writer = writer
        self._loop = asyncio.new_event_loop()

    def __call__(self, batch: Any) -> Any:
        """The counts of each row; a batch that is repeated, after an actor died, has the same part."""
        try:
            return self._counts(self._results(batch))
        except GenAIError as error:  # an exception of Ray would have its text alone
            return import_module("pyarrow").table({"failure": [self._cloudpickle.dumps(error)]})

    def _results(self, batch: Any) -> list[dict[str, Any]]:
        results: list[dict[str, Any]] = []
        for block in batch.column("rows").to_pylist():
            rows = iter(self._cloudpickle.loads(block))
            self._loop.run_until_complete(run(rows, self._perform, results.append, self._concurrency, ordered=True))
        self._writer.write(results)
        return results

    def _counts(self, results: list[dict[str, Any]]) -> Any:
        pyarrow = import_module("pyarrow")
        columns = {
            "prompt_tokens": [result.get("prompt_tokens") for result in results],
            "reply_tokens": [result.get("reply_tokens") for result in results],
            "error": [None if result["error"] is None else True for result in results],
        }
        types = {"prompt_tokens": "int64", "reply_tokens": "int64", "error": "bool"}
        arrays = {name: pyarrow.array(column, types[name]) for name, column in columns.items()}
        return pyarrow.table(arrays)


def _ray() -> Any:
    try:
        ray = import_module("ray")  # optional
        import_module("ray.data")
    except ImportError as error:
        raise ImportError("engine=\"ray\" needs Ray; pip install 'genai-grpc[ray]'", name="ray") from error
    return ray
