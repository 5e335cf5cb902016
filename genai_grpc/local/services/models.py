"""The models that the server has."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Final, cast

from genai_grpc import protos
from genai_grpc.errors import InvalidArgument, NotFound
from genai_grpc.local.engines.engine import AnyEngine, EmbeddingEngine, Engine
from genai_grpc.local.services.errors import error_info

__all__ = ["ALIAS", "DEFAULT_ALIASES", "EMBEDDING_ALIASES", "ModelRegistry", "to_patterns"]

ALIAS: Final = "models/gemini-pro"
"""An alias of the first model that generates, since it is the default of `GenerativeModel`."""

EMBEDDING_ALIASES: Final = ("models/embedding-001", "models/gemini-embedding-001", "models/text-embedding-004")
"""Aliases of the first model that embeds: names of Google's models, which programs write. ListModels omits them."""

DEFAULT_ALIASES: Final = ("gemini-*",)
"""Further aliases, which ListModels omits: the names of Gemini's models."""

_GENERATE: Final = "generateContent"
_EMBED: Final = "embedContent"


def to_patterns(aliases: Iterable[str]) -> tuple[str, ...]:
    """Patterns of resource names, from patterns of model names.

    Raises:
        TypeError: A str was given in place of several.
        ValueError: One is empty, or no pattern of a resource name.

    >>> to_patterns(["gemini-*", "tunedModels/mine"])
    ('models/gemini-*', 'tunedModels/mine')
    """
    if isinstance(aliases, str):
        raise TypeError(f"aliases is {aliases!r}; give a list of names or patterns, e.g. [{aliases!r}]")
    patterns = tuple(alias if "/" in alias else f"models/{alias}" for alias in aliases)
    for pattern in patterns:
        if pattern.count("/") != 1 or pattern.startswith("/") or pattern.endswith("/"):
            raise ValueError(
                f"an alias is {pattern!r}; give the name of a model, e.g. 'gemini-2.5-flash' or 'gemini-*'"
            )
    return patterns


class ModelRegistry:
    """Engines and their models by resource name.

    Args:
        engines: The engines.
        patterns: Further aliases: resource names, or patterns of them such as "models/gemini-*". A name with
            "embedding" in it is one of the first model that embeds, any other one of the first model that generates.

    Raises:
        ValueError: Two engines have the same name, a name does not begin with "models/", or an engine lists a method
            that it does not have.
    """

    def __init__(self, engines: Sequence[AnyEngine], patterns: Sequence[str] = ()) -> None:
        self._patterns = patterns
        self._engines: dict[str, AnyEngine] = {}
        self._models: dict[str, protos.Model] = {}
        for engine in engines:
            name = engine.model.name
            if not name.startswith("models/"):
                raise ValueError(f"an engine is called {name!r}; a model's name begins with 'models/'")
            if name in self._engines:
                raise ValueError(f"two engines are called {name}; give each a name of its own")
            if _embeds(engine.model) and not hasattr(engine, "embed"):
                raise ValueError(f"the engine {name} lists {_EMBED}, and has no method `embed`")
            self._engines[name], self._models[name] = engine, _with_caching(engine.model)
        models = list(self._models.values())
        self._generator = next(filter(_generates, models), None)
        self._embedder = next(filter(_embeds, models), None)
        if self._generator is not None:
            self._add_alias(self._generator, ALIAS)
        self._listed = list(self._models.values())
        if self._embedder is not None:
            for name in EMBEDDING_ALIASES:
                self._add_alias(self._embedder, name)

    def _add_alias(self, model: protos.Model, name: str) -> None:
        if name not in self._engines:
            self._engines[name], self._models[name] = self._engines[model.name], _alias(model, name)

    @property
    def embedder(self) -> EmbeddingEngine | None:
        """The first engine that embeds."""
        return None if self._embedder is None else cast("EmbeddingEngine", self._engines[self._embedder.name])

    def engine(self, name: str) -> Engine:
        """The engine of a model that generates; raises as `model` does, also for one that only embeds."""
        engine, model = self._find(name)
        if not _generates(model):
            raise _not_for(name, _GENERATE)
        return cast("Engine", engine)

    def embedding_engine(self, name: str) -> EmbeddingEngine:
        """The engine of a model that embeds; raises as `model` does, also for one that only generates."""
        engine, model = self._find(name)
        if not _embeds(model):
            raise _not_for(name, _EMBED)
        return cast("EmbeddingEngine", engine)

    def model(self, name: str) -> protos.Model:
        """A model by its resource name.

        Raises:
            InvalidArgument: The name has no "/".
            NotFound: No engine serves the model; the message names those that are.
        """
        return self._find(name)[1]

    def _find(self, name: str) -> tuple[AnyEngine, protos.Model]:
        if found := self._models.get(name):
            return self._engines[name], found
        model = self._embedder if _is_embedding(name) else self._generator
        # A name has one "/", while the "*" of a pattern would match several.
        if model and name.count("/") == 1 and any(fnmatchcase(name, pattern) for pattern in self._patterns):
            return self._engines[model.name], _alias(model, name)
        info = error_info("MODEL_NOT_FOUND", model=name)
        if "/" not in name:
            instruction = f"write 'models/{name}'" if name else f"name one, e.g. '{ALIAS}'"
            raise InvalidArgument(f"model is {name!r}; {instruction}", details=[info])
        served = ", ".join((*(model.name for model in self._listed), *self._patterns))
        raise NotFound(f"{name} is not served here; {_LISTING}: {served}", details=[info])

    def page(self, after: int, limit: int) -> list[tuple[int, protos.Model]]:
        """Up to `limit` models after a position, each with its own position; the first has position 1."""
        return list(enumerate(self._listed, start=1))[after : after + limit]


_LISTING: Final = "genai_grpc.list_models() lists the models that are"


def _not_for(name: str, method: str) -> NotFound:
    """The error of Google's service, too."""
    return NotFound(
        f"{name} is not served for {method}; {_LISTING}, with their supported_generation_methods",
        details=[error_info("MODEL_NOT_FOUND", model=name)],
    )


def _embeds(model: protos.Model) -> bool:
    return _EMBED in model.supported_generation_methods


def _generates(model: protos.Model) -> bool:
    # An engine of a program may leave its methods out.
    return _GENERATE in model.supported_generation_methods or not _embeds(model)


def _with_caching(model: protos.Model) -> protos.Model:
    """A copy that lists createCachedContent: the server caches for every engine that generates."""
    served = protos.Model()
    served.CopyFrom(model)
    methods = served.supported_generation_methods
    if _GENERATE in methods and "createCachedContent" not in methods:
        methods.append("createCachedContent")
    return served


def _alias(model: protos.Model, name: str) -> protos.Model:
    alias = protos.Model()
    alias.CopyFrom(model)
    alias.name, alias.base_model_id = name, name.partition("/")[2]
    methods = model.supported_generation_methods
    alias.supported_generation_methods[:] = (
        [_EMBED] if _is_embedding(name) else [each for each in methods if each != _EMBED]
    )
    alias.display_name = f"{model.display_name or model.base_model_id} as {alias.base_model_id}"
    alias.description = f"An alias of {model.name}, for programs that name another model. {model.description}".strip()
    return alias


def _is_embedding(alias: str) -> bool:
    return "embedding" in alias
