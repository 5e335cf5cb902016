"""Predictions: the method of Google's models of images and videos.

>>> import genai_grpc as genai
>>> genai.prediction.predict("imagen", [{"prompt": "A girl with a magic backpack"}])
Traceback (most recent call last):
genai_grpc.errors.NotFound: 404 models/imagen is not served here; ...
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from genai_grpc import protos, types
from genai_grpc._coerce.resource_names import to_any_model_name
from genai_grpc._coerce.settings import to_options
from genai_grpc._long_running import Operation
from genai_grpc._rpc.call import Call
from genai_grpc._services.generative_language import method
from genai_grpc.client import Client, async_transport, default_client, sync_transport
from genai_grpc_protos._json import from_json_dict, to_json_dict
from genai_grpc_protos.protobuf import Value

__all__ = ["predict", "predict_async", "predict_long_running", "predict_long_running_async"]


def predict(
    model: types.AnyModelNameOptions,
    instances: Iterable[Any],
    *,
    parameters: Any = None,
    client: Client | None = None,
    request_options: types.RequestOptionsType | None = None,
) -> list[Any]:
    """Predict, and return the predictions as JSON values.

    Args:
        model: The resource name, or a Model; `models/` is put before a bare name.
        instances: What to predict for, each a JSON value, such as `{"prompt": "..."}`.
        parameters: A JSON value, such as `{"sampleCount": 1}`.
        client: By default the one that `configure` sets.
        request_options: Timeouts, retry policy and metadata of the call.

    Raises:
        ValueError: A value has no JSON.
        NotFound: There is no such model.
        FailedPrecondition: The model does not predict.
        APIError: The call failed otherwise.
    """
    return sync_transport(client or default_client()).call(_predict_call(model, instances, parameters, request_options))


async def predict_async(
    model: types.AnyModelNameOptions,
    instances: Iterable[Any],
    *,
    parameters: Any = None,
    client: Client | None = None,
    request_options: types.RequestOptionsType | None = None,
) -> list[Any]:
    """The async twin of `predict`."""
    return await async_transport(client or default_client()).call(
        _predict_call(model, instances, parameters, request_options)
    )


def predict_long_running(
    model: types.AnyModelNameOptions,
    instances: Iterable[Any],
    *,
    parameters: Any = None,
    client: Client | None = None,
    request_options: types.RequestOptionsType | None = None,
) -> Operation[protos.PredictLongRunningResponse]:
    """Begin a prediction that takes minutes, such as a video; its result is a message.

    Args:
        model: The resource name, or a Model; `models/` is put before a bare name.
        instances: What to predict for, each a JSON value, such as `{"prompt": "..."}`.
        parameters: A JSON value, such as `{"sampleCount": 1}`.
        client: By default the one that `configure` sets.
        request_options: Timeouts, retry policy and metadata of the call.

    Raises:
        ValueError: A value has no JSON.
        NotFound: There is no such model.
        FailedPrecondition: The model does not predict.
        APIError: The call failed otherwise.
    """
    return sync_transport(client or default_client()).call(
        _begin_call(model, instances, parameters, client, request_options)
    )


async def predict_long_running_async(
    model: types.AnyModelNameOptions,
    instances: Iterable[Any],
    *,
    parameters: Any = None,
    client: Client | None = None,
    request_options: types.RequestOptionsType | None = None,
) -> Operation[protos.PredictLongRunningResponse]:
    """The async twin of `predict_long_running`."""
    return await async_transport(client or default_client()).call(
        _begin_call(model, instances, parameters, client, request_options)
    )


def _predict_call(model: Any, instances: Any, parameters: Any, request_options: Any) -> Call[Any, Any, list[Any]]:
    request = protos.PredictRequest(model=to_any_model_name(model), **_to_values(instances, parameters))
    return Call(
        method("PredictionService.Predict"),
        request,
        lambda reply: [to_json_dict(each) for each in reply[0].predictions],
        to_options(request_options),
    )


def _begin_call(
    model: Any, instances: Any, parameters: Any, client: Client | None, request_options: Any
) -> Call[Any, Any, Operation[protos.PredictLongRunningResponse]]:
    request = protos.PredictLongRunningRequest(model=to_any_model_name(model), **_to_values(instances, parameters))
    return Call(
        method("PredictionService.PredictLongRunning"),
        request,
        lambda reply: Operation(reply[0], client=client),
        to_options(request_options),
    )


def _to_values(instances: Any, parameters: Any) -> dict[str, Any]:
    values: dict[str, Any] = {"instances": [from_json_dict(Value, each) for each in instances]}
    if parameters is not None:
        values["parameters"] = from_json_dict(Value, parameters)
    return values
