"""The options of a run: how rows become contents, and how results are written."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, TypedDict

__all__ = ["Run", "RunOptions"]


class RunOptions(TypedDict, total=False):
    """The options of a run, which every function of this package takes.

    Attributes:
        template: The contents, as text with the names of columns in braces, such as `"Translate: {text}"`.
        contents: A function that makes the contents of a row's values; by default they are in its column `contents` or
            `prompt`.
        id: A column to repeat as `id`.
        columns: The columns to repeat; by default all that JSON can hold.
        concurrency: Calls in flight, at most, or for `embed` rows; by default 100, or 400 rows. The client's limits
            hold, too.
        ordered: Whether results are written in the order of the rows; by default as they finish.
        resume: Whether to go on with an output that exists, as by default; otherwise it is replaced.
        retry_failed: Whether to do the rows again that failed in an earlier run.
        progress: Whether to show a bar; by default on a terminal, if tqdm is installed.
        request_options: The options of each call.
        engine: "ray" for the actors of a Ray cluster, to which rows and model are sent; by default this process. The
            output is then a path or URL of fsspec, which all nodes reach.
        actors: Actors of the cluster, each with a client and `concurrency` calls in flight; one per node by default.
    """

    template: str | None
    contents: Callable[[dict[str, Any]], Any] | None
    id: str | None
    columns: Sequence[str] | None
    concurrency: int
    ordered: bool
    resume: bool
    retry_failed: bool
    progress: bool | None
    request_options: Mapping[str, Any] | None
    engine: Literal["ray"] | None
    actors: int | None


class Run(NamedTuple):
    """The options of a run, with their defaults."""

    template: str | None = None
    contents: Callable[[dict[str, Any]], Any] | None = None
    id: str | None = None
    columns: Sequence[str] | None = None
    concurrency: int = 100
    ordered: bool = False
    resume: bool = True
    retry_failed: bool = False
    progress: bool | None = None
    request_options: Mapping[str, Any] | None = None
    engine: Literal["ray"] | None = None
    actors: int | None = None

    @classmethod
    def of(cls, options: RunOptions) -> Run:
        """Check options.

        Raises:
            TypeError: One is unknown, or `columns` is a str.
            ValueError: `concurrency` or `actors` is less than 1; there is no such engine.
        """
        if unknown := options.keys() - set(cls._fields):
            raise TypeError(f"{', '.join(sorted(unknown))}: no such option; there are {', '.join(cls._fields)}")
        run = cls(**options)
        if run.concurrency < 1:
            raise ValueError(f"concurrency is 1 or more; got {run.concurrency}")
        if run.engine not in (None, "ray"):
            raise ValueError(f'engine is "ray" or None; got {run.engine!r}')
        if run.actors is not None and (run.engine is None or run.actors < 1):
            raise ValueError(f'actors are those of engine="ray", 1 or more; got {run.actors}')
        if isinstance(run.columns, str):
            raise TypeError(f"columns is a list of names; got {run.columns!r}")
        return run
