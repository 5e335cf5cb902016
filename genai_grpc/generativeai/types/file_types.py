"""The names of `google.generativeai.types.file_types`."""

from genai_grpc.generativeai._conversions import to_file_data
from genai_grpc.generativeai._missing import module_getattr
from genai_grpc.generativeai.client import get_default_file_client
from genai_grpc.types._files import File, FileDataDict, FileDataType
from genai_grpc_protos.rpc import Status

__all__ = ["File", "FileDataDict", "FileDataType", "Status", "get_default_file_client", "to_file_data"]

__getattr__ = module_getattr(__name__)
