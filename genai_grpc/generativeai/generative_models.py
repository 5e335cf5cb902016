"""The names of `google.generativeai.generative_models`."""

from genai_grpc.chat import ChatSession
from genai_grpc.generative_model import GenerativeModel
from genai_grpc.generativeai._missing import module_getattr

__all__ = ["ChatSession", "GenerativeModel"]

__getattr__ = module_getattr(__name__)
