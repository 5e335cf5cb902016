"""The models of the service: their names, limits and supported methods."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

from genai_grpc import protos, types
from genai_grpc._coerce.resource_names import to_base_model_name, to_model_name, to_tuned_model_name
from genai_grpc._coerce.settings import to_options
from genai_grpc._rpc.call import Call
from genai_grpc._rpc.operation import Operation
from genai_grpc._rpc.pager import list_pages
from genai_grpc._services.generative_language import GET_MODEL, GET_TUNED_MODEL, LIST_MODELS
from genai_grpc.client import Client, async_transport, default_client, sync_transport
from genai_grpc.types._models import Model, TunedModel

__all__ = [
    "Model",
    "TunedModel",
    "get_base_model",
    "get_base_model_async",
    "get_model",
    "get_model_async",
    "get_tuned_model",
    "get_tuned_model_async",
    "list_models",
    "list_models_async",
]


def list_models(
    *, page_size: int | None = 50, client: Client | None = None, request_options: types.RequestOptionsType | None = None
) -> Iterator[Model]:
    """List the models of the service; a page is fetched when its models are needed.

    Args:
        page_size: Models per page, 1 to 1000; None leaves it to the service.
        client: By default the one that `configure` sets.
        request_options: Timeouts, retry policy and metadata of each page's call.

    Raises:
        APIError: A call failed, when its page is needed.

    >>> for m in list_models():
    ...     if "generateContent" in m.supported_generation_methods:
    ...         print(m.name)
    models/...
    models/gemini-pro
    """
    return sync_transport(client or default_client()).iterate(_list(page_size, request_options))


def list_models_async(
    *, page_size: int | None = 50, client: Client | None = None, request_options: types.RequestOptionsType | None = None
) -> AsyncIterator[Model]:
    """The async twin of `list_models`; read it with `async for`."""
    return async_transport(client or default_client()).iterate(_list(page_size, request_options))


def get_model(
    name: types.AnyModelNameOptions,
    *,
    client: Client | None = None,
    request_options: types.RequestOptionsType | None = None,
) -> Model | TunedModel:
    """Get a model or a tuned model: its token limits, supported methods and default sampling settings.

    Args:
        name: The resource name, `models/…` or `tunedModels/…`, or a Model or TunedModel of that name; `models/` is put
            before a bare name.
        client: By default the one that `configure` sets.
        request_options: Timeouts, retry policy and metadata of the call.

    Raises:
        NotFound: There is no such model.
        APIError: The call failed otherwise.
        ValueError: The name is that of no model.

    >>> get_model("gemini-pro").name
    'models/gemini-pro'
    """
    return sync_transport(client or default_client()).call(_get_call(name, request_options))


async def get_model_async(
    name: types.AnyModelNameOptions,
    *,
    client: Client | None = None,
    request_options: types.RequestOptionsType | None = None,
) -> Model | TunedModel:
    """The async twin of `get_model`."""
    return await async_transport(client or default_client()).call(_get_call(name, request_options))


def get_base_model(
    name: types.BaseModelNameOptions,
    *,
    client: Client | None = None,
    request_options: types.RequestOptionsType | None = None,
) -> Model:
    """Get a model that is not tuned.

    Args:
        name: The resource name, `models/…`, or a Model of that name; `models/` is put before a bare name.
        client: By default the one that `configure` sets.
        request_options: Timeouts, retry policy and metadata of the call.

    Raises:
        NotFound: There is no such model.
        APIError: The call failed otherwise.
        ValueError: The name is not `models/…`.

    >>> get_base_model("gemini-pro").version
    '1'
    """
    return sync_transport(client or default_client()).call(_get_base_call(name, request_options))


async def get_base_model_async(
    name: types.BaseModelNameOptions,
    *,
    client: Client | None = None,
    request_options: types.RequestOptionsType | None = None,
) -> Model:
    """The async twin of `get_base_model`."""
    return await async_transport(client or default_client()).call(_get_base_call(name, request_options))


def get_tuned_model(
    name: types.TunedModelNameOptions,
    *,
    client: Client | None = None,
    request_options: types.RequestOptionsType | None = None,
) -> TunedModel:
    """Get a tuned model.

    Args:
        name: The resource name, `tunedModels/…`, or a TunedModel of that name.
        client: By default the one that `configure` sets.
        request_options: Timeouts, retry policy and metadata of the call.

    Raises:
        NotFound: There is no such model.
        APIError: The call failed otherwise.
        ValueError: The name is not `tunedModels/…`.

    >>> get_tuned_model("tunedModels/mine")
    Traceback (most recent call last):
    genai_grpc.errors.NotFound: 404 there is no tuned model 'tunedModels/mine', ...
    """
    return sync_transport(client or default_client()).call(_get_tuned_call(name, request_options))


async def get_tuned_model_async(
    name: types.TunedModelNameOptions,
    *,
    client: Client | None = None,
    request_options: types.RequestOptionsType | None = None,
) -> TunedModel:
    """The async twin of `get_tuned_model`."""
    return await async_transport(client or default_client()).call(_get_tuned_call(name, request_options))


def _get_call(
    name: types.AnyModelNameOptions, request_options: types.RequestOptionsType | None
) -> Call[Any, Any, Model | TunedModel]:
    is_tuned = to_model_name(name).startswith("tunedModels/")
    call: Call[Any, Any, Any] = (_get_tuned_call if is_tuned else _get_base_call)(name, request_options)
    return call


def _get_base_call(name: object, request_options: types.RequestOptionsType | None) -> Call[Any, Any, Model]:
    request = protos.GetModelRequest(name=to_base_model_name(name))
    return Call(GET_MODEL, request, lambda reply: Model.from_proto(reply[0]), to_options(request_options))


def _get_tuned_call(name: object, request_options: types.RequestOptionsType | None) -> Call[Any, Any, TunedModel]:
    request = protos.GetTunedModelRequest(name=to_tuned_model_name(name))
    return Call(GET_TUNED_MODEL, request, lambda reply: TunedModel.from_proto(reply[0]), to_options(request_options))


def _list(page_size: int | None, request_options: types.RequestOptionsType | None) -> Operation[None]:
    return list_pages(LIST_MODELS, page_size, _models_of, to_options(request_options))


def _models_of(page: protos.ListModelsResponse) -> Iterator[Model]:
    return map(Model.from_proto, page.models)
