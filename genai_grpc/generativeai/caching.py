"""The names of `google.generativeai.caching`."""

from genai_grpc.caching import CachedContent
from genai_grpc.generativeai._missing import module_getattr
from genai_grpc.generativeai.client import get_default_cache_client

__all__ = ["CachedContent", "get_default_cache_client"]

__getattr__ = module_getattr(__name__)
