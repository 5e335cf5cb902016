from __future__ import annotations

from typing import Any

import pytest

from genai_grpc import protos, types
from genai_grpc._coerce.resource_names import to_model_name


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("gemini-pro", "models/gemini-pro"),
        ("models/gemini-pro", "models/gemini-pro"),
        ("tunedModels/mine", "tunedModels/mine"),
        (protos.Model(name="models/a"), "models/a"),
        (types.TunedModel(name="tunedModels/mine"), "tunedModels/mine"),
    ],
)
def test_model_name(name: object, expected: str) -> None:
    """A bare name is prefixed with models/; a name with a collection is unchanged; a model stands for its name."""
    assert to_model_name(name) == expected


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("", ValueError, r"^the model name is empty; genai_grpc.list_models\(\) lists the available models$"),
        ("  ", ValueError, "the model name is empty"),
        (None, TypeError, "a model name is a str such as 'gemini-pro', or a Model; got NoneType"),
        (types.TunedModel(), TypeError, "or a Model; got TunedModel"),
        (3, TypeError, "a model name is a str such as 'gemini-pro', or a Model; got int"),
    ],
)
def test_invalid_names(name: Any, error: type[Exception], message: str) -> None:
    """An invalid name raises an error that shows an example, or how to list the names."""
    with pytest.raises(error, match=message):
        to_model_name(name)
