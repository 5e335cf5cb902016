"""Types: settings, aliases of the accepted values, and the errors of responses.

>>> from genai_grpc import types
>>> types.GenerationConfig(temperature=0.2, max_output_tokens=64).to_dict()
{'max_output_tokens': 64, 'temperature': 0.2}

Aliases such as `ContentsType` are typing objects, for annotations of programs: `types.ContentsType | None`.
"""

import os.path
from typing import TYPE_CHECKING

from genai_grpc._lazy import attach

if TYPE_CHECKING:
    from genai_grpc import protos as protos
    from genai_grpc._coerce.tools import CallableFunctionDeclaration, FunctionDeclaration, FunctionLibrary, Tool
    from genai_grpc._rpc.adaptive_limit import AdaptiveLimit
    from genai_grpc._rpc.client_stats import ClientStats
    from genai_grpc._rpc.interceptors import CallInfo, Interceptor
    from genai_grpc._rpc.rate_limiter import RateLimit
    from genai_grpc._rpc.response_metadata import ResponseMetadata
    from genai_grpc._rpc.retry_policy import RetryPolicy
    from genai_grpc._rpc.shared_rate_limiter import SharedRateLimiter
    from genai_grpc._transport.tls import TLS
    from genai_grpc.errors import (
        BlockedPromptException,
        BrokenResponseError,
        IncompleteIterationError,
        StopCandidateException,
    )
    from genai_grpc.responses import AsyncGenerateContentResponse, GenerateContentResponse
    from genai_grpc.types._caching import ExpireTimeType, TTLType
    from genai_grpc.types._calls import AutomaticFunctionCalling, RequestOptions, RequestOptionsType
    from genai_grpc.types._contents import (
        BlobDict,
        BlobType,
        ContentDict,
        ContentsType,
        ContentType,
        PartDict,
        PartMessage,
        PartType,
        StrictContentType,
    )
    from genai_grpc.types._files import File, FileDataDict, FileDataType
    from genai_grpc.types._generation import GenerationConfig, GenerationConfigDict, GenerationConfigType
    from genai_grpc.types._live import LiveConfigDict, LiveConfigType
    from genai_grpc.types._models import (
        AnyModelNameOptions,
        BaseModelNameOptions,
        Hyperparameters,
        Model,
        ModelNameOptions,
        TunedModel,
        TunedModelNameOptions,
        TuningSnapshot,
        TuningTask,
    )
    from genai_grpc.types._models import ModelsIterable as ModelsIterable
    from genai_grpc.types._results import BatchEmbeddingDict, EmbeddingDict, EmbeddingTaskTypeOptions
    from genai_grpc.types._results import CitationMetadataDict as CitationMetadataDict
    from genai_grpc.types._results import CitationSourceDict as CitationSourceDict
    from genai_grpc.types._safety import BlockedReason as BlockedReason
    from genai_grpc.types._safety import HarmBlockThreshold, HarmCategory, SafetySettingDict, SafetySettingOptions
    from genai_grpc.types._safety import HarmProbability as HarmProbability
    from genai_grpc.types._tools import (
        FunctionDeclarationType,
        FunctionLibraryType,
        ToolConfigType,
        ToolDict,
        ToolsType,
        ToolType,
    )

__all__ = [
    "TLS",
    "AdaptiveLimit",
    "AnyModelNameOptions",
    "AsyncGenerateContentResponse",
    "AutomaticFunctionCalling",
    "BaseModelNameOptions",
    "BatchEmbeddingDict",
    "BlobDict",
    "BlobType",
    "BlockedPromptException",
    "BrokenResponseError",
    "CallInfo",
    "CallableFunctionDeclaration",
    "ClientStats",
    "ContentDict",
    "ContentType",
    "ContentsType",
    "EmbeddingDict",
    "EmbeddingTaskTypeOptions",
    "ExpireTimeType",
    "File",
    "FileDataDict",
    "FileDataType",
    "FunctionDeclaration",
    "FunctionDeclarationType",
    "FunctionLibrary",
    "FunctionLibraryType",
    "GenerateContentResponse",
    "GenerationConfig",
    "GenerationConfigDict",
    "GenerationConfigType",
    "HarmBlockThreshold",
    "HarmCategory",
    "Hyperparameters",
    "IncompleteIterationError",
    "Interceptor",
    "LiveConfigDict",
    "LiveConfigType",
    "Model",
    "ModelNameOptions",
    "PartDict",
    "PartMessage",
    "PartType",
    "RateLimit",
    "RequestOptions",
    "RequestOptionsType",
    "ResponseMetadata",
    "RetryPolicy",
    "SafetySettingDict",
    "SafetySettingOptions",
    "SharedRateLimiter",
    "StopCandidateException",
    "StrictContentType",
    "TTLType",
    "Tool",
    "ToolConfigType",
    "ToolDict",
    "ToolType",
    "ToolsType",
    "TunedModel",
    "TunedModelNameOptions",
    "TuningSnapshot",
    "TuningTask",
]

_HOMES = {
    "genai_grpc": "protos",
    "genai_grpc._coerce.tools": "CallableFunctionDeclaration FunctionDeclaration FunctionLibrary Tool",
    "._metadata": "ChunkData Condition CustomMetadata MetadataFilter",
    "._permissions": "Permission Permissions",
    "genai_grpc._rpc.adaptive_limit": "AdaptiveLimit",
    "genai_grpc._rpc.client_stats": "ClientStats",
    "genai_grpc._rpc.interceptors": "CallInfo Interceptor",
    "genai_grpc._rpc.rate_limiter": "RateLimit",
    "genai_grpc._rpc.response_metadata": "ResponseMetadata",
    "genai_grpc._rpc.retry_policy": "RetryPolicy",
    "genai_grpc._rpc.shared_rate_limiter": "SharedRateLimiter",
    "genai_grpc._transport.tls": "TLS",
    "genai_grpc.errors": ("BlockedPromptException BrokenResponseError IncompleteIterationError StopCandidateException"),
    "genai_grpc.responses": "AsyncGenerateContentResponse GenerateContentResponse",
    "genai_grpc_protos.rpc": "Status",
    "._caching": "ExpireTimeType TTLType",
    "._calls": "AutomaticFunctionCalling RequestOptions RequestOptionsType",
    "._contents": (
        "BlobDict BlobType ContentDict ContentType ContentsType PartDict PartMessage PartType StrictContentType"
    ),
    "._files": "File FileDataDict FileDataType",
    "._generation": "GenerationConfig GenerationConfigDict GenerationConfigType",
    "._live": "LiveConfigDict LiveConfigType",
    "._models": (
        "AnyModelNameOptions BaseModelNameOptions Hyperparameters Model ModelNameOptions ModelsIterable TunedModel "
        "TunedModelNameOptions TunedModelState TuningSnapshot TuningTask"
    ),
    "._results": ("BatchEmbeddingDict CitationMetadataDict CitationSourceDict EmbeddingDict EmbeddingTaskTypeOptions"),
    "._safety": (
        "BlockedReason ContentFilterDict HarmBlockThreshold HarmCategory HarmProbability SafetyFeedbackDict "
        "SafetyRatingDict SafetySettingDict SafetySettingOptions"
    ),
    "._tools": "FunctionDeclarationType FunctionLibraryType ToolConfigType ToolDict ToolType ToolsType",
    ".file_types": "get_default_file_client to_file_data",
}
# The modules of `google.generativeai.types`.
_MODULES = (
    "answer_types caching_types citation_types content_types file_types generation_types helper_types model_types "
    "palm_safety_types permission_types retriever_types safety_types text_types"
)
__path__.append(os.path.join(os.path.dirname(__path__[0]), "generativeai", "types"))

__getattr__, __dir__ = attach(
    __name__,
    {name: home for home, names in _HOMES.items() for name in names.split()}
    | {name: f".{name}" for name in _MODULES.split()},
)
