"""The names of `google.generativeai.types.helper_types`."""

from typing import Any, TypeAlias

from genai_grpc.generativeai._missing import module_getattr
from genai_grpc.types._calls import RequestOptions, RequestOptionsType

__all__ = ["RequestOptions", "RequestOptionsDict", "RequestOptionsType"]

RequestOptionsDict: TypeAlias = dict[str, Any]

__getattr__ = module_getattr(__name__)
