from __future__ import annotations

from typing import Any

import pytest

from genai_grpc._services import generative_language
from genai_grpc._services.generative_language import method
from genai_grpc._services.method import Method
from genai_grpc_protos._pool import POOL

CONSTANTS: dict[str, Method[Any, Any]] = {
    name: getattr(generative_language, name) for name in generative_language.__all__ if name.isupper()
}
SERVICES = ("Cache", "File", "Generative", "Model", "Permission", "Prediction", "Retriever")


def names(service: str) -> list[str]:
    """The methods of a service, by their full name in the pool."""
    descriptor: Any = POOL.FindServiceByName(service)  # type: ignore[no-untyped-call, unused-ignore]
    return [f"{descriptor.name}.{each.name}" for each in descriptor.methods]


METHODS: dict[str, Method[Any, Any]] = {
    name: method(name)
    for service in (
        *(f"google.ai.generativelanguage.v1beta.{service}Service" for service in SERVICES),
        "google.longrunning.Operations",
    )
    for name in names(service)
}


@pytest.mark.parametrize(("name", "constant"), CONSTANTS.items(), ids=list(CONSTANTS))
def test_name(name: str, constant: Method[Any, Any]) -> None:
    """A constant is named as the method that it calls."""
    assert constant.path.rpartition("/")[2] == name.title().replace("_", "")


def test_timeouts() -> None:
    """Calls that generate may take 600 seconds by default, every other call 60 seconds."""
    generation = {"GenerateContent", "StreamGenerateContent", "GenerateAnswer", "Predict"}
    assert {name: each.timeout for name, each in METHODS.items()} == {
        name: 600 if name.partition(".")[2] in generation else 60 for name in METHODS
    }


def test_idempotent() -> None:
    """Calls that get, list, query, count, embed or generate are idempotent; those that change something are not."""
    reads = ("Get", "List", "Query", "Count", "Embed", "BatchEmbed", "Generate", "StreamGenerate", "Bidi", "Download")
    expected = {name for name in METHODS if not name.partition(".")[2].startswith((*reads, "WaitOperation"))}
    expected -= {"PredictionService.Predict"}
    assert {name for name, each in METHODS.items() if not each.idempotent} == expected
    assert "RetrieverService.BatchDeleteChunks" in expected
