"""The service of predictions, for engines that make them: Google's make images and videos."""

from __future__ import annotations

import secrets

from genai_grpc import protos
from genai_grpc.errors import FailedPrecondition
from genai_grpc.local._received_request import current_caller
from genai_grpc.local.engines.engine import PredictionEngine
from genai_grpc.local.services.errors import Context, abort_on_error, engine_errors
from genai_grpc.local.services.models import ModelRegistry
from genai_grpc.local.state.database import Database
from genai_grpc.local.state.tunings import OPERATIONS
from genai_grpc_protos.longrunning import Operation
from genai_grpc_protos.v1beta.prediction_service_pb2_grpc import PredictionServiceServicer

__all__ = ["PredictionService"]


class PredictionService(PredictionServiceServicer):
    """Predicts with the engines that can.

    Args:
        registry: The engines.
        database: The state, for operations.
    """

    def __init__(self, registry: ModelRegistry, database: Database) -> None:
        self._registry = registry
        self._database = database

    async def Predict(  # noqa: N802 -- gRPC's
        self, request: protos.PredictRequest, context: Context
    ) -> protos.PredictResponse:
        """Predict for the instances of a request."""
        async with abort_on_error(context):
            engine = self._engine(request.model)
            with engine_errors(engine):
                return await engine.predict(request)

    async def PredictLongRunning(  # noqa: N802 -- gRPC's
        self, request: protos.PredictLongRunningRequest, context: Context
    ) -> Operation:
        """Predict, and return an operation that has ended."""
        async with abort_on_error(context):
            engine, caller = self._engine(request.model), current_caller()
            with engine_errors(engine):
                response = await engine.predict_long_running(request)
            operation = Operation(name=f"{request.model}/operations/{secrets.token_hex(8)}", done=True)
            operation.metadata.Pack(protos.PredictLongRunningMetadata())
            operation.response.Pack(response)
            await self._database.transact(
                lambda rows: OPERATIONS.insert(rows, operation, owner=caller, done=1, leased_until=0, lease="")
            )
            return operation

    def _engine(self, name: str) -> PredictionEngine:
        engine = self._registry.engine(name)
        if not isinstance(engine, PredictionEngine):
            raise FailedPrecondition(
                f"{name} does not predict: it is a language model. Predictions are for models of images and videos, "
                "which this server has none of; an engine with `predict` makes them"
            )
        return engine
