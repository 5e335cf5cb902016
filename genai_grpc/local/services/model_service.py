"""The service of models and tuned models."""

from __future__ import annotations

from genai_grpc import protos
from genai_grpc.local.services.errors import Context, abort_on_error
from genai_grpc.local.services.paging import parse_page
from genai_grpc.local.services.tuned_models import TunedModelMethods

__all__ = ["ModelService"]


class ModelService(TunedModelMethods):
    """Describes the models of a registry, and tunes them."""

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
