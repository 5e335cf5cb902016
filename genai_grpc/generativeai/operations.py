"""The names of `google.generativeai.operations`."""

from genai_grpc.generativeai._missing import module_getattr
from genai_grpc.operations import CreateTunedModelOperation, delete_operation, get_operation, list_operations

__all__ = ["CreateTunedModelOperation", "delete_operation", "get_operation", "list_operations"]

__getattr__ = module_getattr(__name__)
