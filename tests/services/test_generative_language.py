from __future__ import annotations

from typing import Any

import pytest

from genai_grpc._services import generative_language
from genai_grpc._services.method import Method

METHODS: dict[str, Method[Any, Any]] = {
    name: getattr(generative_language, name) for name in generative_language.__all__
}


@pytest.mark.parametrize(("name", "method"), METHODS.items(), ids=list(METHODS))
def test_name(name: str, method: Method[Any, Any]) -> None:
    """A constant is named as the method that it calls."""
    assert method.path.rpartition("/")[2] == name.title().replace("_", "")


def test_timeouts() -> None:
    """Generation may take 600 seconds by default, every other call 60 seconds."""
    generation = {"GENERATE_CONTENT", "STREAM_GENERATE_CONTENT"}
    assert {name: method.timeout for name, method in METHODS.items()} == {
        name: 600 if name in generation else 60 for name in METHODS
    }


def test_idempotent() -> None:
    """Calls that create, update or delete are not idempotent; all others are."""
    changes = {"CREATE_CACHED_CONTENT", "UPDATE_CACHED_CONTENT", "DELETE_CACHED_CONTENT"}
    assert {name for name, method in METHODS.items() if not method.idempotent} == changes
