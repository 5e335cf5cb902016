from __future__ import annotations

from typing import Any

import pytest

from genai_grpc._coerce.resource_names import to_model_name


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("gemini-pro", "models/gemini-pro"),
        ("models/gemini-pro", "models/gemini-pro"),
        ("tunedModels/mine", "tunedModels/mine"),
    ],
)
def test_model_name(name: str, expected: str) -> None:
    """A bare name is put under models/; one with a collection stays."""
    assert to_model_name(name) == expected


@pytest.mark.parametrize(
    ("name", "error", "words"),
    [
        ("", ValueError, "empty; genai_grpc.list_models.. lists those there are"),
        ("  ", ValueError, "the model name is empty"),
        (None, TypeError, "a model is named by a str such as 'gemini-pro'; got NoneType"),
        (3, TypeError, "a model is named by a str such as 'gemini-pro'; got int"),
    ],
)
def test_refusals(name: Any, error: type[Exception], words: str) -> None:
    """What is no name is refused with what one looks like, or how to find one."""
    with pytest.raises(error, match=words):
        to_model_name(name)
