"""The names of `google.generativeai.types.palm_safety_types`, which are those of `safety_types`."""

from genai_grpc.generativeai._missing import module_getattr
from genai_grpc.generativeai.types.safety_types import *  # noqa: F403 -- the same names
from genai_grpc.generativeai.types.safety_types import __all__ as __all__

__getattr__ = module_getattr(__name__)
