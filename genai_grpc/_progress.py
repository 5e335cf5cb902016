"""Progress of uploads and downloads: a function of the program, or a bar."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

__all__ = ["Progress", "import_tqdm", "open_progress"]

Progress: TypeAlias = Callable[[int, int | None], object]
"""Called with the bytes that have been transferred, and those in all; None while that is unknown."""


@contextmanager
def open_progress(progress: Progress | bool, description: str) -> Iterator[Progress]:
    """The function that reports the progress; a bar of tqdm for True, which is closed at the end.

    Raises:
        ImportError: A bar is asked for, and tqdm is not installed.
        TypeError: `progress` is neither a bool nor callable.
    """
    if callable(progress):
        yield progress
    elif not isinstance(progress, bool):
        raise TypeError(f"progress is a function of two arguments, or True for a bar; got {type(progress).__name__}")
    elif not progress:
        yield _ignore
    else:
        with import_tqdm()(desc=description, unit="B", unit_scale=True, unit_divisor=1024) as bar:

            def update(done: int, total: int | None) -> None:
                bar.total = total
                bar.update(done - bar.n)

            yield update


def import_tqdm() -> Any:
    """The class `tqdm.auto.tqdm`.

    Raises:
        ImportError: It is not installed.
    """
    try:
        from tqdm.auto import tqdm  # optional
    except ImportError as error:
        raise ImportError("a progress bar needs tqdm, which is not installed; pip install tqdm", name="tqdm") from error
    return tqdm


def _ignore(done: int, total: int | None) -> None:
    """No progress is reported."""
