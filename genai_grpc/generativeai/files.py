"""The names of `google.generativeai.files`."""

from genai_grpc.files import delete_file, get_file, list_files, upload_file
from genai_grpc.generativeai._missing import module_getattr
from genai_grpc.generativeai.client import get_default_file_client

__all__ = ["delete_file", "get_default_file_client", "get_file", "list_files", "upload_file"]

__getattr__ = module_getattr(__name__)
