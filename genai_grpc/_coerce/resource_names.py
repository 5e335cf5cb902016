"""Resource names."""

from __future__ import annotations

__all__ = ["to_model_name"]


def to_model_name(name: str) -> str:
    """A model's resource name: a bare one is put under `models/`.

    >>> to_model_name("gemini-pro"), to_model_name("tunedModels/my-model")
    ('models/gemini-pro', 'tunedModels/my-model')
    """
    if not isinstance(name, str):
        raise TypeError(f"a model is named by a str such as 'gemini-pro'; got {type(name).__name__}")
    if not name.strip():
        raise ValueError("the model name is empty; genai_grpc.list_models() lists those there are")
    return name if "/" in name else f"models/{name}"
