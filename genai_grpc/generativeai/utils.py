"""The names of `google.generativeai.utils`."""

from genai_grpc._coerce.update_mask import flatten as flatten_update_paths
from genai_grpc.generativeai._missing import module_getattr

__all__ = ["flatten_update_paths"]

__getattr__ = module_getattr(__name__)
