"""The models of the service: their names, limits and supported methods."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from genai_grpc import protos
from genai_grpc._coerce.resource_names import to_model_name
from genai_grpc._coerce.settings import to_options
from genai_grpc._rpc.call import Call, identity
from genai_grpc._rpc.operation import Operation
from genai_grpc._rpc.pager import list_pages
from genai_grpc._services.generative_language import GET_MODEL, LIST_MODELS
from genai_grpc.client import Client, async_transport, default_client, sync_transport

if TYPE_CHECKING:
    from genai_grpc.types import RequestOptionsType

__all__ = ["get_base_model", "get_model", "get_model_async", "list_models", "list_models_async"]


def list_models(
    *, page_size: int = 50, client: Client | None = None, request_options: RequestOptionsType | None = None
) -> Iterator[protos.Model]:
    """List the models of the service; a page is fetched when its models are needed.

    Args:
        page_size: Models per page, 1 to 1000.
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
    *, page_size: int = 50, client: Client | None = None, request_options: RequestOptionsType | None = None
) -> AsyncIterator[protos.Model]:
    """The async twin of `list_models`; read it with `async for`."""
    return async_transport(client or default_client()).iterate(_list(page_size, request_options))


def get_model(
    name: str, *, client: Client | None = None, request_options: RequestOptionsType | None = None
) -> protos.Model:
    """Get a model: its token limits, supported methods and default sampling settings.

    Args:
        name: The resource name; `models/` is put before a bare name.
        client: By default the one that `configure` sets.
        request_options: Timeouts, retry policy and metadata of the call.

    Raises:
        NotFound: There is no such model.
        APIError: The call failed otherwise.

    >>> get_model("gemini-pro").name
    'models/gemini-pro'
    """
    return sync_transport(client or default_client()).call(_get_call(name, request_options))


def get_base_model(
    name: str, *, client: Client | None = None, request_options: RequestOptionsType | None = None
) -> protos.Model:
    """Get a model that is not tuned, as `get_model` does.

    Raises:
        ValueError: The name starts with something else than `models/`.
        NotFound: There is no such model.
        APIError: The call failed otherwise.

    >>> get_base_model("gemini-pro").name
    'models/gemini-pro'
    """
    if not to_model_name(name).startswith("models/"):
        raise ValueError(f"the name of a base model starts with 'models/'; got {name!r}")
    return get_model(name, client=client, request_options=request_options)


async def get_model_async(
    name: str, *, client: Client | None = None, request_options: RequestOptionsType | None = None
) -> protos.Model:
    """The async twin of `get_model`."""
    return await async_transport(client or default_client()).call(_get_call(name, request_options))


def _get_call(name: str, request_options: RequestOptionsType | None) -> Call[Any, Any, protos.Model]:
    return Call(GET_MODEL, protos.GetModelRequest(name=to_model_name(name)), identity, to_options(request_options))


def _list(page_size: int, request_options: RequestOptionsType | None) -> Operation[None]:
    return list_pages(LIST_MODELS, page_size, attrgetter("models"), to_options(request_options))
