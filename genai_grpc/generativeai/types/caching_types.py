"""The names of `google.generativeai.types.caching_types`."""

from genai_grpc.generativeai._conversions import to_optional_expire_time, to_optional_ttl
from genai_grpc.generativeai._missing import module_getattr
from genai_grpc.types._caching import TTL, ExpireTime
from genai_grpc.types._caching import ExpireTimeType as ExpireTimeTypes
from genai_grpc.types._caching import TTLType as TTLTypes

__all__ = ["TTL", "ExpireTime", "ExpireTimeTypes", "TTLTypes", "to_optional_expire_time", "to_optional_ttl"]

__getattr__ = module_getattr(__name__)
