"""The wire tests run over gRPC and over HTTP/JSON, and those of `OVER_BOTH_APIS` over Vertex AI's gRPC, too.

A module is in that list if it is about what a call sends or returns: generation, streams, chats, functions, structured
output, tokens, caches, embeddings, retries, limits, errors and defaults of calls. Connections, proxies, secrets and the
like are the same code for both APIs, whose bytes differ. A test of what only the Gemini API has is marked with
`gemini_only`.
"""

from __future__ import annotations

from typing import Any, Final

import pytest

OVER_BOTH_APIS: Final = frozenset(
    {
        "test_abandoned_streams",
        "test_caching",
        "test_chat",
        "test_chat_models",
        "test_client",
        "test_embeddings",
        "test_function_calling",
        "test_generate",
        "test_parsed",
        "test_stream",
        "test_telemetry",
    }
)
OVER_EACH: Final = (("grpc", "gemini"), ("rest", "gemini"), ("grpc", "vertex"))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test over each transport, and over each API where that differs."""
    if "transport" not in metafunc.fixturenames:
        return
    both = metafunc.module.__name__.rpartition(".")[2] in OVER_BOTH_APIS
    both = both and metafunc.definition.get_closest_marker("gemini_only") is None
    marks = metafunc.definition.iter_markers("parametrize")
    if any("transport" in str(mark.args[0]) for mark in marks):  # of what only one transport has
        metafunc.parametrize("dialect", ["gemini", "vertex"] if both else ["gemini"], ids=["", "vertex"][: 1 + both])
        return
    if "dialect" not in metafunc.fixturenames:  # builds its clients itself
        metafunc.parametrize("transport", ["grpc", "rest"])
        return
    combinations = OVER_EACH if both else OVER_EACH[:2]
    metafunc.parametrize(("transport", "dialect"), combinations, ids=["grpc", "rest", "vertex"][: len(combinations)])


@pytest.fixture
def transport() -> Any:
    """The transport of `client`; given by each test's parameters."""
    raise AssertionError


@pytest.fixture
def dialect() -> Any:
    """The API of `client`; given likewise."""
    raise AssertionError
