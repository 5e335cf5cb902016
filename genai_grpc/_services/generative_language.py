"""The methods of `google.ai.generativelanguage.v1beta` that this package calls."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from genai_grpc._services.method import Method
from genai_grpc_protos._pool import POOL

if TYPE_CHECKING:
    from genai_grpc import protos
    from genai_grpc_protos.protobuf import Empty

__all__ = [
    "BATCH_EMBED_CONTENTS",
    "BIDI_GENERATE_CONTENT",
    "COUNT_TOKENS",
    "CREATE_CACHED_CONTENT",
    "DELETE_CACHED_CONTENT",
    "EMBED_CONTENT",
    "GENERATE_CONTENT",
    "GET_CACHED_CONTENT",
    "GET_MODEL",
    "GET_TUNED_MODEL",
    "LIST_CACHED_CONTENTS",
    "LIST_MODELS",
    "STREAM_GENERATE_CONTENT",
    "UPDATE_CACHED_CONTENT",
    "all_methods",
    "method",
]


_SERVICES: Final = ("Cache", "File", "Generative", "Model", "Permission", "Prediction", "Retriever")
_PACKAGE: Final = "google.ai.generativelanguage.v1beta"

# A model may think for minutes; nothing else takes long.
_GENERATION_TIMEOUT: Final = 600.0
_SLOW: Final = frozenset({"GenerateContent", "StreamGenerateContent", "GenerateAnswer", "Predict"})

# What begins with a verb that changes something. A second attempt could store, and bill, a prompt twice, reset a ttl,
# or not find what was already deleted.
_CHANGES: Final = re.compile("(Batch)?(Create|Update|Delete)|Transfer|Cancel|PredictLongRunning")


@cache
def method(name: str, package: str = _PACKAGE) -> Method[Any, Any]:
    """A method by its name, `Service.Method`; `Operations` is the service of long-running operations.

    Args:
        name: Its name.
        package: The proto package of its service.

    Its default timeout and whether it is idempotent follow from its verb.

    >>> method("FileService.GetFile").idempotent, method("FileService.DeleteFile").idempotent
    (True, False)
    """
    verb = name.partition(".")[2]
    package = "google.longrunning" if name.startswith("Operations.") else package
    timeout = _GENERATION_TIMEOUT if verb in _SLOW else 60.0
    return Method(f"{package}.{name}", timeout=timeout, idempotent=_CHANGES.match(verb) is None)


def all_methods() -> tuple[Method[Any, Any], ...]:
    """Every method of the API, and those of long-running operations."""
    services: list[Any] = [POOL.FindServiceByName(f"{_PACKAGE}.{name}Service") for name in _SERVICES]  # type: ignore[no-untyped-call, unused-ignore]  # typed in some releases of the stubs only
    services.append(POOL.FindServiceByName("google.longrunning.Operations"))  # type: ignore[no-untyped-call, unused-ignore]  # as above
    return tuple(method(f"{service.name}.{each.name}") for service in services for each in service.methods)


GENERATE_CONTENT: Final[Method[protos.GenerateContentRequest, protos.GenerateContentResponse]] = method(
    "GenerativeService.GenerateContent"
)
STREAM_GENERATE_CONTENT: Final[Method[protos.GenerateContentRequest, protos.GenerateContentResponse]] = method(
    "GenerativeService.StreamGenerateContent"
)
BIDI_GENERATE_CONTENT: Final[
    Method[protos.BidiGenerateContentClientMessage, protos.BidiGenerateContentServerMessage]
] = method("GenerativeService.BidiGenerateContent")
COUNT_TOKENS: Final[Method[protos.CountTokensRequest, protos.CountTokensResponse]] = method(
    "GenerativeService.CountTokens"
)
EMBED_CONTENT: Final[Method[protos.EmbedContentRequest, protos.EmbedContentResponse]] = method(
    "GenerativeService.EmbedContent"
)
BATCH_EMBED_CONTENTS: Final[Method[protos.BatchEmbedContentsRequest, protos.BatchEmbedContentsResponse]] = method(
    "GenerativeService.BatchEmbedContents"
)

GET_MODEL: Final[Method[protos.GetModelRequest, protos.Model]] = method("ModelService.GetModel")
GET_TUNED_MODEL: Final[Method[protos.GetTunedModelRequest, protos.TunedModel]] = method("ModelService.GetTunedModel")
LIST_MODELS: Final[Method[protos.ListModelsRequest, protos.ListModelsResponse]] = method("ModelService.ListModels")

CREATE_CACHED_CONTENT: Final[Method[protos.CreateCachedContentRequest, protos.CachedContent]] = method(
    "CacheService.CreateCachedContent"
)
UPDATE_CACHED_CONTENT: Final[Method[protos.UpdateCachedContentRequest, protos.CachedContent]] = method(
    "CacheService.UpdateCachedContent"
)
DELETE_CACHED_CONTENT: Final[Method[protos.DeleteCachedContentRequest, Empty]] = method(
    "CacheService.DeleteCachedContent"
)
GET_CACHED_CONTENT: Final[Method[protos.GetCachedContentRequest, protos.CachedContent]] = method(
    "CacheService.GetCachedContent"
)
LIST_CACHED_CONTENTS: Final[Method[protos.ListCachedContentsRequest, protos.ListCachedContentsResponse]] = method(
    "CacheService.ListCachedContents"
)
