"""Tuned models: created from examples, listed, changed and deleted.

>>> import genai_grpc as genai
>>> operation = genai.tuning.create_tuned_model("gemini-pro", [("1", "2"), ("2", "3")], id="next-number")
>>> genai.GenerativeModel(operation.result(timeout=60).name).model_name
'tunedModels/next-number'
>>> genai.tuning.delete_tuned_model("next-number")
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from typing import Any, TypeAlias

from genai_grpc import protos, types
from genai_grpc._coerce.resource_names import to_any_model_name, to_tuned_model_name
from genai_grpc._coerce.settings import to_options
from genai_grpc._coerce.update_mask import changed_fields, to_update
from genai_grpc._rpc.call import Call, reply_message
from genai_grpc._rpc.operation import Operation
from genai_grpc._rpc.options import CallOptions
from genai_grpc._rpc.pager import list_pages
from genai_grpc._services.generative_language import GET_TUNED_MODEL, method
from genai_grpc._training_files import read_dataset
from genai_grpc.client import Client, async_transport, default_client, sync_transport
from genai_grpc.operations import CreateTunedModelOperation
from genai_grpc.types._models import TunedModel
from genai_grpc_protos._convert import to_message

__all__ = [
    "TrainingData",
    "create_tuned_model",
    "create_tuned_model_async",
    "delete_tuned_model",
    "delete_tuned_model_async",
    "list_tuned_models",
    "list_tuned_models_async",
    "update_tuned_model",
    "update_tuned_model_async",
]

TrainingData: TypeAlias = (
    str
    | os.PathLike[str]
    | protos.Dataset
    | Mapping[str, Iterable[Any]]
    | Iterable[protos.TuningExample | Mapping[str, str] | tuple[str, str] | list[str]]
)
"""What a model can be tuned on; a pandas DataFrame, too."""


def create_tuned_model(
    source_model: types.AnyModelNameOptions,
    training_data: TrainingData,
    *,
    id: str | None = None,  # noqa: A002 -- the name in google.generativeai
    display_name: str | None = None,
    description: str | None = None,
    temperature: float | None = None,
    top_p: float | None = None,
    top_k: int | None = None,
    epoch_count: int | None = None,
    batch_size: int | None = None,
    learning_rate: float | None = None,
    input_key: str = "text_input",
    output_key: str = "output",
    client: Client | None = None,
    request_options: types.RequestOptionsType | None = None,
) -> CreateTunedModelOperation:
    """Begin to tune a model on examples. The service goes on when the program has ended.

    Retried only after ResourceExhausted, since after any other error the tuning may have begun all the same.

    Args:
        source_model: The model to tune, which may be a tuned one; `models/` is put before a bare name.
        training_data: A `protos.Dataset`; an iterable of examples, each a dict, a pair or a `protos.TuningExample`; a
            dict of columns, or a DataFrame of pandas; the path or the URL of a CSV file with a header, or of a JSON
            file (.json) of examples or columns; or the URL of a Google Sheets document.
        id: The last part of the resource name, `tunedModels/{id}`; by default the service makes one.
        display_name: A name for people, at most 40 characters.
        description: What the model is for.
        temperature: Default randomness of the tuned model.
        top_p: Default of `top_p`.
        top_k: Default of `top_k`.
        epoch_count: Passes over the examples; by default the service decides, as for the next two.
        batch_size: Examples of a step.
        learning_rate: Step size.
        input_key: The key of examples that are dicts, or the column, with the inputs.
        output_key: That with the outputs.
        client: By default the one that `configure` sets.
        request_options: Timeouts, retry policy and metadata of each call.

    Raises:
        KeyError: A key or column is missing; the message names those there are.
        OSError: The file or the URL cannot be read.
        TypeError: The data is of another type.
        ValueError: There are no examples, columns have different lengths, a value is missing (None, NaN, NA or NaT of
            pandas, or an empty cell of a CSV file), or a file is no CSV or JSON in UTF-8.
        AlreadyExists: There is a tuned model of this id.
        APIError: The call failed otherwise.

    >>> examples = [{"text_input": "one", "output": "two"}, {"text_input": "two", "output": "three"}]
    >>> operation = create_tuned_model("gemini-pro", examples, id="next-word", epoch_count=3)
    >>> operation.result(timeout=60).state.name
    'ACTIVE'
    >>> delete_tuned_model("next-word")
    """
    client = client or default_client()
    dataset = read_dataset(training_data, input_key, output_key)
    hyperparameters = {"epoch_count": epoch_count, "batch_size": batch_size, "learning_rate": learning_rate}
    model = _to_model(dataset, hyperparameters, display_name, description, temperature, top_p, top_k)
    operation = _create(to_any_model_name(source_model), model, id, client, to_options(request_options))
    return sync_transport(client).run(operation)


async def create_tuned_model_async(
    source_model: types.AnyModelNameOptions,
    training_data: TrainingData,
    *,
    id: str | None = None,  # noqa: A002 -- as above
    display_name: str | None = None,
    description: str | None = None,
    temperature: float | None = None,
    top_p: float | None = None,
    top_k: int | None = None,
    epoch_count: int | None = None,
    batch_size: int | None = None,
    learning_rate: float | None = None,
    input_key: str = "text_input",
    output_key: str = "output",
    client: Client | None = None,
    request_options: types.RequestOptionsType | None = None,
) -> CreateTunedModelOperation:
    """The async twin of `create_tuned_model`. A file or URL is read on another thread."""
    import asyncio  # loaded in every program that calls this

    client = client or default_client()
    dataset = await asyncio.to_thread(read_dataset, training_data, input_key, output_key)
    hyperparameters = {"epoch_count": epoch_count, "batch_size": batch_size, "learning_rate": learning_rate}
    model = _to_model(dataset, hyperparameters, display_name, description, temperature, top_p, top_k)
    operation = _create(to_any_model_name(source_model), model, id, client, to_options(request_options))
    return await async_transport(client).run(operation)


def list_tuned_models(
    *,
    filter: str = "",  # noqa: A002 -- the name of the field
    page_size: int | None = 50,
    client: Client | None = None,
    request_options: types.RequestOptionsType | None = None,
) -> Iterator[TunedModel]:
    """List the tuned models that the caller may read; a page is fetched when its models are needed.

    Args:
        filter: Words of the display name or description, and "owner:me", "writers:me", "readers:me" for those on which
            the caller has this role, or "readers:everyone" for those that everyone may read, which are left out
            without it.
        page_size: Models per page, 1 to 1000; None leaves it to the service.
        client: By default the one that `configure` sets.
        request_options: Timeouts, retry policy and metadata of each page's call.

    Raises:
        APIError: A call failed, when its page is needed.

    >>> list(list_tuned_models())
    []
    """
    return sync_transport(client or default_client()).iterate(_list(filter, page_size, request_options))


def list_tuned_models_async(
    *,
    filter: str = "",  # noqa: A002 -- the name of the field
    page_size: int | None = 50,
    client: Client | None = None,
    request_options: types.RequestOptionsType | None = None,
) -> AsyncIterator[TunedModel]:
    """The async twin of `list_tuned_models`; read it with `async for`."""
    return async_transport(client or default_client()).iterate(_list(filter, page_size, request_options))


def update_tuned_model(
    tuned_model: str | TunedModel | protos.TunedModel,
    updates: Mapping[str, Any] | None = None,
    *,
    client: Client | None = None,
    request_options: types.RequestOptionsType | None = None,
) -> TunedModel:
    """Change a tuned model: its texts, and its default settings.

    Args:
        tuned_model: The resource name, with `updates`; or the message with the new values, without: the fields in which
            it differs from what the service has are changed.
        updates: New values by field, or by dotted path.
        client: By default the one that `configure` sets.
        request_options: Timeouts, retry policy and metadata of each call.

    Raises:
        TypeError: A name without `updates`, or `updates` is no dict.
        ValueError: Both a message and `updates`, nothing to update, or an unknown field.
        NotFound: There is no such model.
        APIError: The call failed otherwise.

    >>> operation = create_tuned_model("gemini-pro", [("1", "2")], id="next")
    >>> update_tuned_model("tunedModels/next", {"display_name": "The next number", "temperature": 0.5}).display_name
    'The next number'
    >>> delete_tuned_model("tunedModels/next")
    """
    operation = _update(tuned_model, updates, to_options(request_options))
    return sync_transport(client or default_client()).run(operation)


async def update_tuned_model_async(
    tuned_model: str | TunedModel | protos.TunedModel,
    updates: Mapping[str, Any] | None = None,
    *,
    client: Client | None = None,
    request_options: types.RequestOptionsType | None = None,
) -> TunedModel:
    """The async twin of `update_tuned_model`."""
    operation = _update(tuned_model, updates, to_options(request_options))
    return await async_transport(client or default_client()).run(operation)


def delete_tuned_model(
    tuned_model: types.TunedModelNameOptions,
    *,
    client: Client | None = None,
    request_options: types.RequestOptionsType | None = None,
) -> None:
    """Delete a tuned model.

    Args:
        tuned_model: The resource name, or a TunedModel of that name; `tunedModels/` is put before a bare name.
        client: By default the one that `configure` sets.
        request_options: Timeouts, retry policy and metadata of the call.

    Raises:
        NotFound: There is no such model.
        APIError: The call failed otherwise.

    >>> operation = create_tuned_model("gemini-pro", [("1", "2")], id="next")
    >>> delete_tuned_model("next")
    """
    sync_transport(client or default_client()).call(_delete_call(tuned_model, request_options))


async def delete_tuned_model_async(
    tuned_model: types.TunedModelNameOptions,
    *,
    client: Client | None = None,
    request_options: types.RequestOptionsType | None = None,
) -> None:
    """The async twin of `delete_tuned_model`."""
    await async_transport(client or default_client()).call(_delete_call(tuned_model, request_options))


def _to_model(
    dataset: protos.Dataset,
    hyperparameters: dict[str, Any],
    display_name: str | None,
    description: str | None,
    temperature: float | None,
    top_p: float | None,
    top_k: int | None,
) -> protos.TunedModel:
    """The tuned model to create, without the model to tune."""
    settings = {name: value for name, value in hyperparameters.items() if value is not None}
    return protos.TunedModel(
        display_name=display_name or "",
        description=description or "",
        temperature=temperature,
        top_p=top_p,
        top_k=top_k,
        tuning_task=protos.TuningTask(training_data=dataset, hyperparameters=protos.Hyperparameters(**settings)),
    )


def _create(
    source: str, model: protos.TunedModel, model_id: str | None, client: Client, options: CallOptions
) -> Operation[CreateTunedModelOperation]:
    if source.startswith("tunedModels/"):
        tuned = yield Call(GET_TUNED_MODEL, protos.GetTunedModelRequest(name=source), reply_message, options)
        model.tuned_model_source.tuned_model = source
        model.tuned_model_source.base_model = tuned.tuned_model_source.base_model or tuned.base_model
    else:
        model.base_model = source
    request = protos.CreateTunedModelRequest(tuned_model_id=model_id, tuned_model=model)
    record = yield Call(method("ModelService.CreateTunedModel"), request, reply_message, options)
    return CreateTunedModelOperation(record, client=client)


def _update(tuned_model: Any, updates: Any, options: CallOptions) -> Operation[TunedModel]:
    if isinstance(tuned_model, str):
        if updates is None:
            raise TypeError("update_tuned_model takes a name and a dict of updates; the dict is missing")
        model, mask = to_update(protos.TunedModel, to_tuned_model_name(_full(tuned_model)), updates)
    else:
        if updates is not None:
            raise ValueError("update_tuned_model takes a message, or a name and updates; got a message and updates")
        if isinstance(tuned_model, TunedModel):
            raise TypeError("pass a protos.TunedModel, or the name of the model and a dict of updates")
        model = to_message(protos.TunedModel, tuned_model)
        request = protos.GetTunedModelRequest(name=model.name)
        before = yield Call(GET_TUNED_MODEL, request, reply_message, options)
        mask = changed_fields(before, model)
    update = protos.UpdateTunedModelRequest(tuned_model=model, update_mask=mask)
    updated = yield Call(method("ModelService.UpdateTunedModel"), update, reply_message, options)
    return TunedModel.from_proto(updated)


def _delete_call(tuned_model: Any, request_options: Any) -> Call[Any, Any, None]:
    request = protos.DeleteTunedModelRequest(name=to_tuned_model_name(_full(tuned_model)))
    return Call(method("ModelService.DeleteTunedModel"), request, lambda _: None, to_options(request_options))


def _full(name: Any) -> Any:
    return f"tunedModels/{name}" if isinstance(name, str) and name and "/" not in name else name


def _list(words: str, page_size: int | None, request_options: Any) -> Operation[None]:
    def models_of(page: protos.ListTunedModelsResponse) -> Iterator[TunedModel]:
        return map(TunedModel.from_proto, page.tuned_models)

    options = to_options(request_options)
    return list_pages(method("ModelService.ListTunedModels"), page_size, models_of, options, filter=words)
