"""Which models there are, and what each can do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from genai_grpc import protos
from genai_grpc._coerce.resource_names import to_model_name
from genai_grpc._coerce.settings import to_options
from genai_grpc._rpc.call import SERVICES, Call, Method, Operation, Yield, identity
from genai_grpc.client import Client, default_client

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from genai_grpc.types import RequestOptionsType

__all__ = ["get_model", "get_model_async", "list_models", "list_models_async"]

GET_MODEL: Final = Method(f"{SERVICES}ModelService/GetModel", protos.GetModelRequest, protos.Model, route="name")
LIST_MODELS: Final = Method(f"{SERVICES}ModelService/ListModels", protos.ListModelsRequest, protos.ListModelsResponse)


def list_models(
    *, page_size: int = 50, client: Client | None = None, request_options: RequestOptionsType | None = None
) -> Iterator[protos.Model]:
    """The models of the service, page by page as they are asked for.

    Args:
        page_size: How many to ask for at once, 1 to 1000.
        client: By default the one that `configure` sets.
        request_options: Deadline, retries and metadata of each page's call.

    Raises:
        APIError: A call failed, when its page is asked for.

    >>> for m in list_models():
    ...     if "generateContent" in m.supported_generation_methods:
    ...         print(m.name)
    models/...
    models/gemini-pro
    """
    return (client or default_client()).iterate(_pages(page_size, request_options))


def list_models_async(
    *, page_size: int = 50, client: Client | None = None, request_options: RequestOptionsType | None = None
) -> AsyncIterator[protos.Model]:
    """The async twin of `list_models`; read it with `async for`."""
    return (client or default_client()).iterate_async(_pages(page_size, request_options))


def get_model(
    name: str, *, client: Client | None = None, request_options: RequestOptionsType | None = None
) -> protos.Model:
    """One model: its token limits, the methods it supports, its default sampling settings.

    Args:
        name: The resource name; a bare name is put under `models/`.
        client: By default the one that `configure` sets.
        request_options: Deadline, retries and metadata of the call.

    Raises:
        NotFound: There is no such model.
        APIError: The call failed otherwise.

    >>> get_model("gemini-pro").name
    'models/gemini-pro'
    """
    return (client or default_client()).call(_getting(name, request_options))


async def get_model_async(
    name: str, *, client: Client | None = None, request_options: RequestOptionsType | None = None
) -> protos.Model:
    """The async twin of `get_model`."""
    return await (client or default_client()).call_async(_getting(name, request_options))


def _getting(name: str, request_options: RequestOptionsType | None) -> Call[Any, Any, protos.Model]:
    return Call(GET_MODEL, protos.GetModelRequest(name=to_model_name(name)), identity, to_options(request_options))


def _pages(page_size: int, request_options: RequestOptionsType | None) -> Operation[None]:
    """The models of every page (https://google.aip.dev/158)."""
    options = to_options(request_options)
    token = ""
    while True:
        request = protos.ListModelsRequest(page_size=page_size, page_token=token)
        page: protos.ListModelsResponse = yield Call(LIST_MODELS, request, identity, options)
        yield Yield(tuple(page.models))
        token = page.next_page_token
        if not token:
            return
