"""Paths of RPCs in HTTP, and their templates."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genai_grpc import protos
from genai_grpc._services.http_rules import PathTemplate, bindings_of
from tests.services.test_generative_language import METHODS

GOLDEN = Path(__file__).with_name("http_rules.json")


def test_table() -> None:
    """Every RPC has its paths, which do not change by accident."""
    table = {
        name: [f"{binding.verb} {binding.template.text} {binding.body}".rstrip() for binding in bindings_of(method)]
        for name, method in METHODS.items()
    }
    assert table == json.loads(GOLDEN.read_text())


def test_v1() -> None:
    """Methods of v1 have paths of v1."""
    method = METHODS["GenerativeService.GenerateContent"].v1
    assert method is not None
    texts = [binding.template.text for binding in bindings_of(method)]
    assert texts[:2] == ["/v1/{model=models/*}:generateContent", "/v1/{model=tunedModels/*}:generateContent"]


@pytest.mark.parametrize(
    ("text", "name", "path"),
    [
        ("/v1beta/{name=models/*}", "models/gemini", "/v1beta/models/gemini"),
        ("/v1beta/{name=models/*}", "models/a b/c", None),
        ("/v1beta/{name=models/*}", "models/", None),
        ("/v1beta/{name=models/*}", "files/a", None),
        ("/v1beta/{name=models/*}", "models/ü?#%", "/v1beta/models/%C3%BC%3F%23%25"),
        ("/v1beta/{name=models/*}:get", "models/a:b", "/v1beta/models/a%3Ab:get"),
        ("/v1/{name=operations/**}", "operations/a/b/c", "/v1/operations/a/b/c"),
        ("/v1beta/{name}", "a", "/v1beta/a"),
    ],
)
def test_expand(text: str, name: str, path: str | None) -> None:
    """A path has the fields of a request that have the form of the template."""
    assert PathTemplate(text).expand(protos.GetModelRequest(name=name)) == path


@pytest.mark.parametrize(
    ("text", "path", "fields"),
    [
        ("/v1beta/{name=models/*}", "/v1beta/models/gemini", {"name": "models/gemini"}),
        ("/v1beta/{name=models/*}", "/v1beta/models/a/b", None),
        ("/v1beta/{name=models/*}", "/v1beta/models/", None),
        ("/v1beta/{name=models/*}", "/v1beta/models/a%2Fb%2f..", {"name": "models/a%2Fb%2F.."}),
        ("/v1beta/{name=models/*}:get", "/v1beta/models/a:get", {"name": "models/a"}),
        ("/v1beta/{name=models/*}:get", "/v1beta/models/a", None),
        (
            "/v1beta/{parent=corpora/*}/documents",
            "/v1beta/corpora/%C3%BC/documents",
            {"parent": "corpora/ü"},
        ),
        ("/v1beta/{corpus.name=corpora/*}", "/v1beta/corpora/a", {"corpus.name": "corpora/a"}),
    ],
)
def test_match(text: str, path: str, fields: dict[str, str] | None) -> None:
    """The fields of a path are decoded, but for slashes that are no separators."""
    assert PathTemplate(text).match(path) == fields


@given(st.text(min_size=1).filter(lambda text: "/" not in text and "%2F" not in text and "\n" not in text))
def test_round_trip(name: str) -> None:
    """What a path was made from is read from it."""
    template = PathTemplate("/v1beta/{name=models/*}:generateContent")
    path = template.expand(protos.GetModelRequest(name=f"models/{name}"))
    assert path is not None
    assert path.isascii()
    assert template.match(path) == {"name": f"models/{name}"}
