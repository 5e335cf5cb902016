"""The methods of `google.ai.generativelanguage.v1beta` that this package calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from genai_grpc._services.method import Method

if TYPE_CHECKING:
    from genai_grpc import protos
    from genai_grpc_protos.protobuf import Empty

__all__ = [
    "COUNT_TOKENS",
    "CREATE_CACHED_CONTENT",
    "DELETE_CACHED_CONTENT",
    "GENERATE_CONTENT",
    "GET_CACHED_CONTENT",
    "GET_MODEL",
    "GET_TUNED_MODEL",
    "LIST_CACHED_CONTENTS",
    "LIST_MODELS",
    "STREAM_GENERATE_CONTENT",
    "UPDATE_CACHED_CONTENT",
]


# A model may think for minutes; nothing else takes long.
_GENERATION_TIMEOUT: Final = 600.0


def _method(name: str, *, timeout: float = 60.0, idempotent: bool = True) -> Method[Any, Any]:
    return Method(f"google.ai.generativelanguage.v1beta.{name}", timeout=timeout, idempotent=idempotent)


GENERATE_CONTENT: Final[Method[protos.GenerateContentRequest, protos.GenerateContentResponse]] = _method(
    "GenerativeService.GenerateContent", timeout=_GENERATION_TIMEOUT
)
STREAM_GENERATE_CONTENT: Final[Method[protos.GenerateContentRequest, protos.GenerateContentResponse]] = _method(
    "GenerativeService.StreamGenerateContent", timeout=_GENERATION_TIMEOUT
)
COUNT_TOKENS: Final[Method[protos.CountTokensRequest, protos.CountTokensResponse]] = _method(
    "GenerativeService.CountTokens"
)

GET_MODEL: Final[Method[protos.GetModelRequest, protos.Model]] = _method("ModelService.GetModel")
GET_TUNED_MODEL: Final[Method[protos.GetTunedModelRequest, protos.TunedModel]] = _method("ModelService.GetTunedModel")
LIST_MODELS: Final[Method[protos.ListModelsRequest, protos.ListModelsResponse]] = _method("ModelService.ListModels")

# A second attempt could store, and bill, a prompt twice, reset a ttl, or not find what was already deleted.
CREATE_CACHED_CONTENT: Final[Method[protos.CreateCachedContentRequest, protos.CachedContent]] = _method(
    "CacheService.CreateCachedContent", idempotent=False
)
UPDATE_CACHED_CONTENT: Final[Method[protos.UpdateCachedContentRequest, protos.CachedContent]] = _method(
    "CacheService.UpdateCachedContent", idempotent=False
)
DELETE_CACHED_CONTENT: Final[Method[protos.DeleteCachedContentRequest, Empty]] = _method(
    "CacheService.DeleteCachedContent", idempotent=False
)
GET_CACHED_CONTENT: Final[Method[protos.GetCachedContentRequest, protos.CachedContent]] = _method(
    "CacheService.GetCachedContent"
)
LIST_CACHED_CONTENTS: Final[Method[protos.ListCachedContentsRequest, protos.ListCachedContentsResponse]] = _method(
    "CacheService.ListCachedContents"
)
