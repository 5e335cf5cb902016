"""The names of `google.generativeai.operations`."""

from genai_grpc._not_yet import CreateTunedModelOperation, delete_operation, get_operation, list_operations
from genai_grpc.generativeai._missing import module_getattr

__all__ = ["CreateTunedModelOperation", "delete_operation", "get_operation", "list_operations"]

__getattr__ = module_getattr(__name__)
