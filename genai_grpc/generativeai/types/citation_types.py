"""The names of `google.generativeai.types.citation_types`."""

from genai_grpc.generativeai._missing import module_getattr
from genai_grpc.types._results import CitationMetadataDict, CitationSourceDict

__all__ = ["CitationMetadataDict", "CitationSourceDict"]

__getattr__ = module_getattr(__name__)
