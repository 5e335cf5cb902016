"""The models that the server has, and the service that describes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from genai_grpc import protos
from genai_grpc.errors import InvalidArgument, NotFound
from genai_grpc.local.engines.engine import Engine
from genai_grpc.local.services.errors import Context, abort_on_error, error_info
from genai_grpc.local.services.paging import parse_page
from genai_grpc_protos.v1beta.model_service_pb2_grpc import ModelServiceServicer

__all__ = ["ALIAS", "ModelRegistry", "ModelService"]

ALIAS: Final = "models/gemini-pro"
"""An alias of the first engine's model, since it is the default of `GenerativeModel`."""


class ModelRegistry:
    """Engines and their models by resource name.

    Raises:
        ValueError: Two engines have the same name, or a name does not begin with "models/".
    """

    def __init__(self, engines: Sequence[Engine]) -> None:
        self._engines: dict[str, Engine] = {}
        self._models: dict[str, protos.Model] = {}
        for engine in engines:
            name = engine.model.name
            if not name.startswith("models/"):
                raise ValueError(f"an engine is called {name!r}; a model's name begins with 'models/'")
            if name in self._engines:
                raise ValueError(f"two engines are called {name}; give each a name of its own")
            self._engines[name], self._models[name] = engine, _with_caching(engine.model)
        if ALIAS not in self._engines:
            self._engines[ALIAS], self._models[ALIAS] = engines[0], _alias(self._models[engines[0].model.name])

    def engine(self, name: str) -> Engine:
        """The engine of a model; raises as `model` does."""
        self.model(name)
        return self._engines[name]

    def model(self, name: str) -> protos.Model:
        """A model by its resource name.

        Raises:
            InvalidArgument: The name does not begin with "models/".
            NotFound: No engine serves the model.
        """
        if found := self._models.get(name):
            return found
        info = error_info("MODEL_NOT_FOUND", model=name)
        if "/" not in name:
            instruction = f"write 'models/{name}'" if name else "name one, e.g. 'models/gemini-pro'"
            raise InvalidArgument(f"model is {name!r}; {instruction}", details=[info])
        raise NotFound(f"{name} is not served here; genai_grpc.list_models() lists the models that are", details=[info])

    def page(self, after: int, limit: int) -> list[tuple[int, protos.Model]]:
        """Up to `limit` models after a position, each with its own position; the first has position 1."""
        return list(enumerate(self._models.values(), start=1))[after : after + limit]


def _with_caching(model: protos.Model) -> protos.Model:
    """A copy that lists createCachedContent: the server caches for every engine that generates."""
    served = protos.Model()
    served.CopyFrom(model)
    methods = served.supported_generation_methods
    if "generateContent" in methods and "createCachedContent" not in methods:
        methods.append("createCachedContent")
    return served


def _alias(model: protos.Model) -> protos.Model:
    alias = protos.Model()
    alias.CopyFrom(model)
    alias.name, alias.base_model_id = ALIAS, ALIAS.removeprefix("models/")
    alias.display_name = f"{model.display_name or model.base_model_id} as {alias.base_model_id}"
    alias.description = f"An alias of {model.name}, for programs that name no other model. {model.description}".strip()
    return alias


class ModelService(ModelServiceServicer):
    """Describes the models of a registry; the methods for tuned models are UNIMPLEMENTED."""

    def __init__(self, registry: ModelRegistry) -> None:
        self._registry = registry

    async def GetModel(self, request: protos.GetModelRequest, context: Context) -> protos.Model:  # noqa: N802 -- gRPC's
        """Describe one model."""
        async with abort_on_error(context):
            return self._registry.model(request.name)

    async def ListModels(  # noqa: N802 -- gRPC's
        self, request: protos.ListModelsRequest, context: Context
    ) -> protos.ListModelsResponse:
        """Describe a page of the models, the alias last."""
        async with abort_on_error(context):
            page = parse_page(request)
            models, next_page_token = page.split(self._registry.page(page.after, page.limit))
            return protos.ListModelsResponse(models=models, next_page_token=next_page_token)
