"""The names of `google.generativeai.permission`."""

from genai_grpc.generativeai._missing import module_getattr
from genai_grpc.permissions import get_permission, get_permission_async

__all__ = ["get_permission", "get_permission_async"]

__getattr__ = module_getattr(__name__)
