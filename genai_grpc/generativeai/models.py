"""The names of `google.generativeai.models`."""

from typing import Any

from genai_grpc._coerce.update_mask import flatten as flatten_update_paths
from genai_grpc.client import Client
from genai_grpc.generativeai._missing import module_getattr
from genai_grpc.generativeai.client import get_default_model_client
from genai_grpc.models import get_base_model, get_model, get_tuned_model, list_models
from genai_grpc.tuning import create_tuned_model, delete_tuned_model, list_tuned_models, update_tuned_model

__all__ = [
    "create_tuned_model",
    "delete_tuned_model",
    "flatten_update_paths",
    "get_base_model",
    "get_base_model_name",
    "get_default_model_client",
    "get_model",
    "get_tuned_model",
    "list_models",
    "list_tuned_models",
    "update_tuned_model",
]

__getattr__ = module_getattr(__name__)


def get_base_model_name(model: Any, client: Client | None = None) -> str:
    """The name of the base model of a model or tuned model, which is asked for if its name is all that is given.

    >>> get_base_model_name("gemini-pro")
    'gemini-pro'
    """
    if isinstance(model, str):
        if not model.startswith("tunedModels/"):
            return model
        model = get_tuned_model(model, client=client)
    source = getattr(model, "tuned_model_source", None)
    name = getattr(model, "base_model", None) or getattr(source, "base_model", None) or getattr(model, "name", None)
    if not isinstance(name, str):
        raise TypeError(f"a model is a str, a Model or a TunedModel; got {type(model).__name__}")
    return name
