"""The names of `google.generativeai.models`."""

from genai_grpc._not_yet import (
    create_tuned_model,
    delete_tuned_model,
    get_base_model_name,
    list_tuned_models,
    update_tuned_model,
)
from genai_grpc.generativeai._conversions import flatten_update_paths
from genai_grpc.generativeai._missing import module_getattr
from genai_grpc.generativeai.client import get_default_model_client
from genai_grpc.models import get_base_model, get_model, get_tuned_model, list_models

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
