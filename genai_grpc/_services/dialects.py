"""The APIs that a client speaks, as data: messages, methods, names of resources, and what requests name differently."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, cached_property
from typing import Any, Final, NamedTuple

from genai_grpc._services.api_versions import PACKAGE
from genai_grpc._services.generative_language import method
from genai_grpc._services.messages import GEMINI, VERTEX, Protos
from genai_grpc._services.method import Method

__all__ = ["GEMINI_API", "GENERATION_PATHS", "Dialect", "vertex_ai", "vertex_methods"]


class Dialect:
    """An API, with the place of its resources. There is one object of each, so that `is` compares them.

    Args:
        shape: What does not depend on the place.
        parent: `projects/…/locations/…`; "" for the Gemini API, and for Vertex AI without a project (express mode).
        models: What is put before a bare name of a model.
        names: The beginnings of names that are not complete, and what each becomes.
        publishers: What is put before `publisher/name` of a model; None where models have no publisher.
        cached_contents: What is put before a bare name of a cached content.

    Attributes:
        protos: Its messages.
    """

    def __init__(
        self,
        shape: Shape,
        *,
        parent: str,
        models: str,
        names: Mapping[str, str],
        cached_contents: str,
        publishers: str | None = None,
    ) -> None:
        self.shape = shape
        self.protos = shape.protos
        self.parent = parent
        self.models = models
        self.names = names
        self.cached_contents = cached_contents
        self.publishers = publishers

    @cached_property
    def generate(self) -> Method[Any, Any]:
        """GenerateContent."""
        return self.method("GenerateContent")

    @cached_property
    def stream(self) -> Method[Any, Any]:
        """StreamGenerateContent."""
        return self.method("StreamGenerateContent")

    def method(self, verb: str) -> Method[Any, Any]:
        """The method with this name, such as "GenerateContent"."""
        return method(f"{self.shape.services[verb]}.{verb}", self.protos.package)

    def has(self, verb: str) -> bool:
        """Whether it has a method of this name."""
        return verb in self.shape.services

    def scope(self) -> dict[str, str]:
        """The fields that place a new resource, or a list of resources.

        Raises:
            ValueError: It needs a place, and there is none.
        """
        if not self.shape.scoped:
            return {}
        if not self.parent:
            raise ValueError(f"cached contents of {self.protos.title} are in a project; pass Vertex(project=...)")
        return {"parent": self.parent}

    def __reduce__(self) -> Any:
        return (vertex_ai, (self.parent,)) if self.protos is VERTEX else "GEMINI_API"

    def __repr__(self) -> str:
        return f"<{self.protos.title}{self.parent and f', {self.parent}'}>"


class Shape(NamedTuple):
    """What an API names differently.

    Attributes:
        protos: Its messages.
        services: The service of each method, by the method's name.
        count_names: The fields of a CountTokensRequest that name the model.
        count_fields: The fields of a request for content that a CountTokensRequest has itself; None if it has the
            request as a whole.
        scoped: Whether resources are in a project and a location.
        provider: Its name in the conventions of OpenTelemetry.
    """

    protos: Protos
    services: Mapping[str, str]
    count_names: tuple[str, ...]
    count_fields: tuple[str, ...] | None
    scoped: bool
    provider: str


_CACHE_METHODS: Final = (
    "CreateCachedContent",
    "DeleteCachedContent",
    "GetCachedContent",
    "ListCachedContents",
    "UpdateCachedContent",
)
_GEMINI: Final = Shape(
    GEMINI,
    {
        "BatchEmbedContents": "GenerativeService",
        "CountTokens": "GenerativeService",
        "EmbedContent": "GenerativeService",
        "GenerateContent": "GenerativeService",
        "StreamGenerateContent": "GenerativeService",
        **dict.fromkeys(_CACHE_METHODS, "CacheService"),
    },
    count_names=("model",),
    count_fields=None,
    scoped=False,
    provider="gcp.gemini",
)
_VERTEX: Final = Shape(
    VERTEX,
    {
        "ComputeTokens": "LlmUtilityService",
        "CountTokens": "LlmUtilityService",
        "EmbedContent": "PredictionService",
        "GenerateContent": "PredictionService",
        "StreamGenerateContent": "PredictionService",
        **dict.fromkeys(_CACHE_METHODS, "GenAiCacheService"),
    },
    count_names=("endpoint", "model"),
    count_fields=("contents", "system_instruction", "tools", "generation_config"),
    scoped=True,
    provider="gcp.vertex_ai",
)

GENERATION_PATHS: Final = {
    f"/{package}.{shape.services[verb]}/{verb}": shape.provider
    for shape, packages in ((_GEMINI, (GEMINI.package, f"{PACKAGE}.v1")), (_VERTEX, (VERTEX.package,)))
    for package in packages
    for verb in ("GenerateContent", "StreamGenerateContent")
}
"""The paths of the methods that generate, and the provider of each."""

GEMINI_API: Final = Dialect(_GEMINI, parent="", models="models/", names={}, cached_contents="cachedContents/")


@cache
def vertex_ai(parent: str) -> Dialect:
    """Vertex AI with its resources in `projects/…/locations/…`, or "" for those of no project.

    >>> vertex_ai("projects/p/locations/global").models
    'projects/p/locations/global/publishers/google/models/'
    """
    place = f"{parent}/" if parent else ""
    publishers = f"{place}publishers/"
    models = f"{publishers}google/models/"
    names = {
        "models/": models,
        "publishers/": publishers,
        "endpoints/": f"{place}endpoints/",
        "projects/": "projects/",
    }
    return Dialect(
        _VERTEX,
        parent=parent,
        models=models,
        names=names,
        cached_contents=f"{place}cachedContents/",
        publishers=publishers,
    )


def vertex_methods() -> tuple[Method[Any, Any], ...]:
    """Every method of Vertex AI."""
    return tuple(map(vertex_ai("").method, _VERTEX.services))
