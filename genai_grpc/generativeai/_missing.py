"""What modules of google.generativeai have that those of this folder have not, with the reason."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, Final

from genai_grpc.protos import PALM_NAMES, PALM_REASON

__all__ = ["REASONS", "module_getattr"]

# Modules of the folder, by the names that modules of google.generativeai have for each other.
_SUBMODULES: Final = (
    "answer caching client embedding files generative_models models operations permission protos responder retriever "
    "types utils version"
)
_TYPES: Final = (
    "answer_types caching_types citation_types content_types file_types generation_types helper_types model_types "
    "palm_safety_types permission_types retriever_types safety_types text_types"
)
_MODULES: Final = {
    "client_lib": "genai_grpc.generativeai.client",
    **{name: f"genai_grpc.generativeai.{name}" for name in _SUBMODULES.split()},
    **{name: f"genai_grpc.generativeai.types.{name}" for name in _TYPES.split()},
}

_BY_REASON: Final = {
    "schemas are built in one step, by types.FunctionDeclaration.from_function": (
        "add_object_type convert_to_nullable strip_additional_properties strip_titles unpack_defs"
    ),
    "enums are read from messages as enums; nothing has to be converted": (
        "convert_candidate_enums convert_filters_to_enums convert_rating_to_enum convert_ratings_to_enum "
        "convert_safety_feedback_to_enums convert_setting_to_enum"
    ),
    "errors of a stream are raised as they are; catch genai_grpc.errors.APIError": "rewrite_stream_error",
    "times are read from messages; call Timestamp.ToDatetime": "idecode_time",
    "operations are not made from those of google.api_core": "from_gapic",
    "genai_grpc.Client serves every service": "FileServiceAsyncClient FileServiceClient",
    "the Files service is not reached by discovery": "GENAI_API_DISCOVERY_URL",
    "pass user_agent to genai_grpc.Client": "USER_AGENT",
    "credentials are looked up by google-auth alone; pass credentials to genai_grpc.configure": (
        "patch_colab_gce_credentials"
    ),
    "it is the text of a docstring or an error message": (
        "ASYNC_GENERATE_CONTENT_RESPONSE_DOC GENERATE_CONTENT_RESPONSE_DOC INVALID_PERMISSION_ID_MSG NAME_ERROR_MSG "
        "TUNED_MODEL_NAME_ERROR_MSG"
    ),
    "it edits docstrings and reprs of google.generativeai": "string_utils prettyprint repr set_doc strip_oneof",
    "it is a type variable of google.generativeai's own code": "T",
    PALM_REASON: PALM_NAMES,
}
REASONS: Final = {name: reason for reason, names in _BY_REASON.items() for name in names.split()}


def module_getattr(module: str) -> Callable[[str], Any]:
    """The `__getattr__` of a module of this folder: its sibling modules, and errors that say where to go.

    Args:
        module: The `__name__` of the module.
    """

    def getattr_(name: str) -> Any:
        if name in _MODULES:
            return import_module(_MODULES[name])
        reason = f"; {REASONS[name]}" if name in REASONS else ""
        raise AttributeError(f"module {module!r} has no attribute {name!r}{reason}")

    return getattr_
