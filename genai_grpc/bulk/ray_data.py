"""Bulk work on a cluster, by Ray Data: calls for each row of a dataset, and one rate limit for all of the cluster.

    import ray
    from genai_grpc.bulk.ray_data import ClusterRateLimit, Generate

    dataset = ray.data.read_parquet("s3://bucket/prompts")
    options = {"template": "Translate: {text}", "rate_limit": ClusterRateLimit("gemini", requests_per_minute=3000)}
    actors = ray.data.ActorPoolStrategy(size=4)
    replies = dataset.map_batches(
        Generate, batch_format="pyarrow", batch_size=1000, compute=actors, fn_constructor_kwargs=options
    )
    replies.write_parquet("s3://bucket/replies")

Ray Data schedules, restarts actors that die, and repeats their batches.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from importlib import import_module
from math import inf
from typing import Any, Final

from genai_grpc.bulk._calls import generate_call, performer
from genai_grpc.bulk._contents import contents_maker
from genai_grpc.bulk._rows import Row
from genai_grpc.bulk._runner import run
from genai_grpc.client import Client
from genai_grpc.generative_model import GenerativeModel
from genai_grpc.types import RateLimit

__all__ = ["ClusterRateLimit", "Generate"]


class ClusterRateLimit:
    """Limit on requests and tokens per minute of all clients of a Ray cluster, for `Client(rate_limit=...)`.

    A named actor keeps it. It is created at the first call, lives as long as the cluster, and serves all its jobs. If
    its node dies, it starts anew elsewhere. The object can be pickled, and so be an argument of tasks and actors.

    Args:
        name: The name of the quota: objects of the same name share it, and should have the same numbers.
        requests_per_minute: None for no limit.
        tokens_per_minute: None for no limit.
        burst_seconds: Seconds' worth of the rate that may be sent at once after a pause.

    Raises:
        ValueError: A number is out of range.
    """

    def __init__(
        self,
        name: str,
        requests_per_minute: float | None = None,
        tokens_per_minute: float | None = None,
        burst_seconds: float = 1.0,
    ) -> None:
        self._name = name
        self._limit = RateLimit(requests_per_minute, tokens_per_minute, burst_seconds)
        self._actor: Any = None

    def reserve(self, tokens: float, max_wait: float) -> float | None:
        """Reserve an attempt; see `types.SharedRateLimiter`."""
        wait: float | None = _ray().get(self._reservation(tokens, max_wait))
        return wait

    async def reserve_async(self, tokens: float, max_wait: float) -> float | None:
        """The async twin of `reserve`."""
        wait: float | None = await self._reservation(tokens, max_wait)
        return wait

    def _reservation(self, tokens: float, max_wait: float) -> Any:
        if self._actor is None:
            actor: Any = _ray().remote(_Reservations)
            # Detached, since another actor would end with the process that was the first to call.
            options: dict[str, Any] = {
                "name": f"genai_grpc {self._name}",
                "namespace": "genai_grpc",
                "lifetime": "detached",
            }
            options |= {"get_if_exists": True, "num_cpus": 0, "max_restarts": -1, "max_task_retries": -1}
            self._actor = actor.options(**options).remote()
        return self._actor.reserve.remote(self._limit, tokens, max_wait)

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"_actor": None}

    def __repr__(self) -> str:
        return f"ClusterRateLimit({self._name!r}, {self._limit!r})"


def _ray() -> Any:
    return import_module("ray")  # optional, and not installed where types are checked


class _Reservations:
    """The actor: GCRA (ITU-T I.371), one for requests and one for tokens, as in a client."""

    def __init__(self) -> None:
        self._arrivals = [-inf, -inf]  # of requests and tokens

    def reserve(self, limit: RateLimit, tokens: float, max_wait: float) -> float | None:
        """Seconds to wait; None if they are more than `max_wait`."""
        now = time.monotonic()
        wait = max(0.0, *(arrival - limit.burst_seconds - now for arrival in self._arrivals))
        if wait > max_wait:
            return None
        limits = limit.requests_per_minute, limit.tokens_per_minute
        for kind, (per_minute, amount) in enumerate(zip(limits, (1.0, tokens), strict=True)):
            if per_minute is not None:
                self._arrivals[kind] = max(self._arrivals[kind], now) + amount * 60 / per_minute
        return wait


class Generate:
    """Generates content for each row, in `Dataset.map_batches(Generate, batch_format="pyarrow", ...)`.

    A row gets the columns `text`, `finish_reason`, `prompt_tokens`, `reply_tokens`, `error` (JSON; null without one)
    and `attempts`, and with `parsed` also `parsed` (JSON). Its own columns of these names get " (input)" after them. A
    row that fails has an error; it ends nothing.

    Args:
        model: The name of the model.
        template: The prompt, with the names of columns in braces.
        contents: A function that makes the contents of a row, in place of a template; by default they are in the column
            `contents` or `prompt`.
        parsed: Whether to add the value of a reply that is JSON.
        concurrency: Calls in flight, at most, of each actor.
        rate_limit: A limit for all actors.
        client: Further arguments of the `Client`, of which each actor has one.
        request_options: The options of each call.
        options: Further arguments of the `GenerativeModel`, such as `generation_config`.

    Raises:
        ConfigurationError: There is no key.
        TypeError, ValueError: An argument is wrong.
    """

    def __init__(
        self,
        model: str = "gemini-flash-latest",
        *,
        template: str | None = None,
        contents: Callable[[dict[str, Any]], Any] | None = None,
        parsed: bool = False,
        concurrency: int = 100,
        rate_limit: ClusterRateLimit | RateLimit | None = None,
        client: Mapping[str, Any] | None = None,
        request_options: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> None:
        self._client = Client(rate_limit=rate_limit, **(client or {}))
        generative_model = GenerativeModel(model, client=self._client, **options)
        call = generate_call(generative_model, contents_maker(template, contents), parsed, {})
        self._perform = performer(call, (), None, request_options)
        self._concurrency = concurrency
        self._parsed = parsed
        self._loop = asyncio.new_event_loop()

    def __call__(self, batch: Any) -> Any:
        """The rows of a batch, a table of pyarrow, with their results."""
        rows = (Row(number, values) for number, values in enumerate(batch.to_pylist()))
        results: list[dict[str, Any]] = []
        self._loop.run_until_complete(run(rows, self._perform, results.append, self._concurrency, ordered=True))
        columns = _COLUMNS | (_PARSED if self._parsed else {})
        names = [f"{name} (input)" if name in columns else name for name in batch.column_names]
        table = batch.rename_columns(names)
        for name, (kind, read) in columns.items():
            table = table.append_column(name, _array([read(result.get(name)) for result in results], kind))
        return table


def _array(values: list[Any], kind: str) -> Any:
    import pyarrow

    return pyarrow.array(values, pyarrow.type_for_alias(kind))


def _json(value: Any) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=False)


def _same(value: Any) -> Any:
    return value


_COLUMNS: Final[dict[str, tuple[str, Callable[[Any], Any]]]] = {
    "text": ("string", _same),
    "finish_reason": ("string", _same),
    "prompt_tokens": ("int64", _same),
    "reply_tokens": ("int64", _same),
    "error": ("string", _json),
    "attempts": ("int32", _same),
}
_PARSED: Final[dict[str, tuple[str, Callable[[Any], Any]]]] = {"parsed": ("string", _json)}
