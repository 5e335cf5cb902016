"""Resource names."""

from __future__ import annotations

__all__ = ["to_model_name"]


def to_model_name(name: str) -> str:
    """Return a model's resource name; a bare name is prefixed with `models/`.

    >>> to_model_name("gemini-pro"), to_model_name("tunedModels/my-model")
    ('models/gemini-pro', 'tunedModels/my-model')
    """
    if not isinstance(name, str):
        raise TypeError(f"a model name is a str such as 'gemini-pro'; got {type(name).__name__}")
    if not name.strip():
        raise ValueError("the model name is empty; genai_grpc.list_models() lists the available models")
    return name if "/" in name else f"models/{name}"
