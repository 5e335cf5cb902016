"""Resource names."""

from __future__ import annotations

from typing import Any, Final

from genai_grpc._services.dialects import GEMINI_API, Dialect

__all__ = [
    "to_any_model_name",
    "to_base_model_name",
    "to_file_name",
    "to_full_name",
    "to_model_name",
    "to_tuned_model_name",
]

# Their classes by name, whichever package they are of: dataclasses, our messages and those of Google's packages.
_MODELS: Final = frozenset({"Model", "TunedModel"})


def to_model_name(name: object, dialect: Dialect = GEMINI_API) -> str:
    """Return a model's resource name; a bare name is prefixed with `models/`, or what the API has for it.

    Args:
        name: The name, or a Model or TunedModel of that name. A model of another publisher than Google is
            `publisher/name`, where models have one.
        dialect: The API.

    Raises:
        TypeError: It is of another type.
        ValueError: It is empty, or names no model of the API.

    >>> to_model_name("gemini-pro"), to_model_name("tunedModels/my-model")
    ('models/gemini-pro', 'tunedModels/my-model')
    """
    if not isinstance(name, str):
        name = _name_of(name)
    if not name.strip():
        raise ValueError("the model name is empty; genai_grpc.list_models() lists the available models")
    if dialect.publishers:
        publisher, _, model = name.partition("/")
        if model and "/" not in model and publisher.islower() and f"{publisher}/" not in dialect.names:
            return f"{dialect.publishers}{publisher}/models/{model}"
    return to_full_name(name, dialect.models, dialect)


def to_full_name(name: str, prefix: str, dialect: Dialect) -> str:
    """Return the complete name of a resource: a bare one gets the prefix, and another one its place.

    Raises:
        ValueError: The API has no resources of this kind.

    >>> from genai_grpc._services.dialects import vertex_ai
    >>> to_full_name("models/a", "", vertex_ai("projects/p/locations/l"))
    'projects/p/locations/l/publishers/google/models/a'
    """
    if "/" not in name:
        return prefix + name
    if not dialect.names:
        return name
    for beginning, replacement in dialect.names.items():
        if name.startswith(beginning):
            return replacement + name.removeprefix(beginning)
    raise ValueError(f"{dialect.protos.title} has no {name!r}; names begin with {', '.join(dialect.names)}")


def to_any_model_name(name: object, dialect: Dialect = GEMINI_API) -> str:
    """Return the resource name of a model, tuned or not; raises as `to_model_name`, or ValueError for another."""
    full = to_model_name(name, dialect)
    return full if dialect.names else _in_collection(("models/", "tunedModels/"), full)


def to_base_model_name(name: object) -> str:
    """Return the resource name of a model that is not tuned; raises as `to_model_name`, or ValueError for another."""
    return _in_collection(("models/",), to_model_name(name))


def to_tuned_model_name(name: object) -> str:
    """Return the resource name of a tuned model; raises as `to_model_name`, or ValueError for another."""
    return _in_collection(("tunedModels/",), to_model_name(name))


def to_file_name(name: object) -> str:
    """Return the resource name of a file; a bare name is prefixed with `files/`.

    Args:
        name: The name, or a File of that name.

    Raises:
        TypeError: It is of another type.
        ValueError: It is empty, or the name of something else.

    >>> to_file_name("tale")
    'files/tale'
    """
    if not isinstance(name, str):
        if not any(cls.__name__ == "File" for cls in type(name).__mro__):
            raise TypeError(f"the name of a file is a str such as 'files/tale', or a File; got {type(name).__name__}")
        file: Any = name
        name = str(file.name)
    full = name if "/" in name else f"files/{name}"
    if not full.startswith("files/") or full == "files/":
        raise ValueError(f"the name of a file starts with 'files/'; got {name!r}")
    return full


def _in_collection(collections: tuple[str, ...], name: str) -> str:
    if not name.startswith(collections):
        raise ValueError(
            f"the name of a model starts with 'models/', and that of a tuned model with 'tunedModels/'; got {name!r}"
        )
    return name


def _name_of(model: Any) -> str:
    if any(cls.__name__ in _MODELS for cls in type(model).__mro__) and isinstance(model.name, str):
        return model.name
    raise TypeError(f"a model name is a str such as 'gemini-pro', or a Model; got {type(model).__name__}")
