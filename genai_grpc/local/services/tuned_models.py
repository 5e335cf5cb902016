"""The methods of tuned models, and their prompts."""

from __future__ import annotations

import asyncio
import re
import secrets
from typing import Any, Final

from genai_grpc import protos
from genai_grpc.errors import FailedPrecondition, InvalidArgument, NotFound
from genai_grpc.local._received_request import current_caller
from genai_grpc.local.services.errors import Context, abort_on_error
from genai_grpc.local.services.models import ModelRegistry
from genai_grpc.local.services.paging import parse_page
from genai_grpc.local.services.tuned_model_filter import parse_filter
from genai_grpc.local.services.tuned_model_settings import check_settings, check_steps
from genai_grpc.local.services.tuner import NOTE, Tuner, embed_text, steps_of
from genai_grpc.local.services.update_mask import apply_update
from genai_grpc.local.state.access import PERMISSIONS, Role, Users, check_access
from genai_grpc.local.state.database import Transaction
from genai_grpc.local.state.tunings import OPERATIONS, TUNED_MODELS, TuningStore, Vectors, finish
from genai_grpc_protos.longrunning import Operation
from genai_grpc_protos.protobuf import Empty
from genai_grpc_protos.rpc import Status
from genai_grpc_protos.v1beta.model_service_pb2_grpc import ModelServiceServicer

__all__ = ["PREFIX", "TunedModelMethods", "with_examples"]

PREFIX: Final = "tunedModels/"

_ID: Final = re.compile(r"[a-z]([a-z0-9-]{0,38}[a-z0-9])?")
_MAX_ID_OF_NAME: Final = 27
_MAX_EXAMPLES: Final = 10_000
_NEAREST: Final = 3
"""Examples that a prompt gets."""

_MUTABLE: Final = ("display_name", "description", "temperature", "top_p", "top_k", "reader_project_numbers")


class TunedModelMethods(ModelServiceServicer):
    """The methods of the model service for tuned models.

    Args:
        registry: The engines that can be tuned.
        store: The store.
        tuner: Works on the tunings.
        users: The known callers.
    """

    def __init__(self, registry: ModelRegistry, store: TuningStore, tuner: Tuner, users: Users) -> None:
        self._registry = registry
        self._users = users
        self._tunings = store
        self._tuner = tuner

    async def CreateTunedModel(  # noqa: N802 -- gRPC's
        self, request: protos.CreateTunedModelRequest, context: Context
    ) -> Operation:
        """Begin to tune a model."""
        async with abort_on_error(context):
            caller = current_caller()
            model = await self._tunings.transact(lambda rows: _to_model(rows, request, caller, self._users))
            self._registry.engine(_base_model(model))
            examples = model.tuning_task.training_data.examples
            _check_examples(examples)
            epochs, _, total = steps_of(model, len(examples.examples))
            check_steps(epochs, total)
            model.tuning_task.hyperparameters.epoch_count = epochs
            metadata = protos.CreateTunedModelMetadata(tuned_model=model.name, total_steps=total)
            model.tuning_task.ClearField("training_data")  # INPUT_ONLY
            operation = await self._tunings.create(model, caller, self._users.email(caller), examples, metadata)
            await context.send_initial_metadata((("genai-grpc-tuning", NOTE),))
            self._tuner.wake()
            return operation

    async def GetTunedModel(  # noqa: N802 -- gRPC's
        self, request: protos.GetTunedModelRequest, context: Context
    ) -> protos.TunedModel:
        """Describe one tuned model."""
        async with abort_on_error(context):
            caller = current_caller()  # here, since a transaction runs on another thread
            return await self._tunings.transact(
                lambda rows: _find(rows, request.name, caller, self._users, Role.READER)
            )

    async def ListTunedModels(  # noqa: N802 -- gRPC's
        self, request: protos.ListTunedModelsRequest, context: Context
    ) -> protos.ListTunedModelsResponse:
        """Describe a page of the tuned models that the filter admits."""
        async with abort_on_error(context):
            page, caller = parse_page(request, default_size=10), current_caller()
            wanted = parse_filter(request.filter)

            def admitted(rows: Transaction) -> list[tuple[int, protos.TunedModel]]:
                models = TUNED_MODELS.page(rows, page.after, -1)
                return [pair for pair in models if wanted.admits(rows, pair[1], caller, self._users)]

            models = await self._tunings.transact(admitted)
            tuned_models, next_page_token = page.split(models[: page.limit])
            return protos.ListTunedModelsResponse(tuned_models=tuned_models, next_page_token=next_page_token)

    async def UpdateTunedModel(  # noqa: N802 -- gRPC's
        self, request: protos.UpdateTunedModelRequest, context: Context
    ) -> protos.TunedModel:
        """Change the texts and the default settings of a tuned model."""
        async with abort_on_error(context):
            caller = current_caller()

            def update(rows: Transaction) -> protos.TunedModel:
                model = _find(rows, request.tuned_model.name, caller, self._users, Role.WRITER)
                apply_update(model, request.tuned_model, request.update_mask, _MUTABLE)
                check_settings(model)
                model.update_time.FromMicroseconds(rows.now)
                TUNED_MODELS.replace(rows, model)
                return model

            return await self._tunings.transact(update)

    async def DeleteTunedModel(  # noqa: N802 -- gRPC's
        self, request: protos.DeleteTunedModelRequest, context: Context
    ) -> Empty:
        """Delete a tuned model, and end its tuning."""
        async with abort_on_error(context):
            caller = current_caller()

            def delete(rows: Transaction) -> None:
                _find(rows, request.name, caller, self._users, Role.OWNER)
                for _, operation in OPERATIONS.page(rows, 0, -1, parent=request.name):
                    finish(rows, operation.name, Status(code=1, message=f"{request.name} was deleted"))
                PERMISSIONS.delete_children(rows, request.name)
                TUNED_MODELS.delete(rows, request.name)

            await self._tunings.transact(delete)
            return Empty()


async def with_examples(
    registry: ModelRegistry, store: TuningStore, users: Users, request: protos.GenerateContentRequest
) -> protos.GenerateContentRequest:
    """The request to the base model that a request to a tuned model becomes; other requests as they are.

    Raises:
        FailedPrecondition: The tuning has not ended, or has failed.
        PermissionDenied: It belongs to another caller.
    """
    caller = current_caller()

    def read(rows: Transaction) -> tuple[protos.TunedModel, bytes, Any] | None:
        if rows.find(TUNED_MODELS.table, request.model, "position") is None:
            return None  # an alias may have this name
        model = _find(rows, request.model, caller, users, Role.READER)
        examples, vectors = TUNED_MODELS.columns(rows, request.model, "examples", "vectors")
        return model, vectors, TUNED_MODELS.parse(rows, request.model, examples, protos.TuningExamples)

    if (found := await store.transact(read)) is None:
        return request
    model, vectors, examples = found
    if model.state != protos.TunedModel.State.ACTIVE:
        state = protos.TunedModel.State.Name(model.state)
        raise FailedPrecondition(f"{model.name} is {state}; wait for the end of its tuning, operation.result()")
    tuned = protos.GenerateContentRequest()
    tuned.CopyFrom(request)
    tuned.model = _base_model(model)
    for field in ("temperature", "top_p", "top_k"):
        if model.HasField(field) and not tuned.generation_config.HasField(field):
            setattr(tuned.generation_config, field, getattr(model, field))
    text = "\n".join(part.text for part in request.contents[-1].parts if part.text) if request.contents else ""
    vector = await embed_text(registry, text, is_document=False)
    nearest = await asyncio.to_thread(lambda: Vectors.from_bytes(vectors).nearest(vector, _NEAREST))
    turns = [
        protos.Content(role=role, parts=[protos.Part(text=line or " ")])
        for index in nearest
        for role, line in (("user", examples.examples[index].text_input), ("model", examples.examples[index].output))
    ]
    del tuned.contents[:]
    tuned.contents.extend([*turns, *request.contents])
    return tuned


def _to_model(
    rows: Transaction, request: protos.CreateTunedModelRequest, caller: str, users: Users
) -> protos.TunedModel:
    """The tuned model to create, with its name."""
    given = request.tuned_model
    model = protos.TunedModel()
    model.CopyFrom(given)
    match given.WhichOneof("source_model"):
        case "base_model":
            pass
        case "tuned_model_source":
            source = _find(rows, given.tuned_model_source.tuned_model, caller, users, Role.READER)
            if source.state != protos.TunedModel.State.ACTIVE:
                raise FailedPrecondition(f"{source.name} is not ACTIVE; wait for the end of its tuning")
            model.tuned_model_source.base_model = _base_model(source)
        case _:
            raise InvalidArgument("tuned_model has no base_model and no tuned_model_source; set one")
    model.name = PREFIX + _to_id(request)
    model.state = protos.TunedModel.State.CREATING
    model.description = given.description or NOTE
    check_settings(model)
    return model


def _to_id(request: protos.CreateTunedModelRequest) -> str:
    if request.tuned_model_id:
        if not _ID.fullmatch(request.tuned_model_id):
            raise InvalidArgument(
                f"tuned_model_id is {request.tuned_model_id!r}; it begins with a lower-case letter, and has up to 40 "
                "lower-case letters, digits and inner dashes"
            )
        return request.tuned_model_id
    words = re.sub(r"[^a-z0-9]+", "-", request.tuned_model.display_name.lower()).strip("-0123456789")
    return f"{words[:_MAX_ID_OF_NAME].strip('-') or 'model'}-{secrets.token_hex(6)}"


def _check_examples(examples: protos.TuningExamples) -> None:
    if not 1 <= len(examples.examples) <= _MAX_EXAMPLES:
        raise InvalidArgument(
            f"tuning_task.training_data has {len(examples.examples)} examples; give 1 to {_MAX_EXAMPLES:,}"
        )
    for index, example in enumerate(examples.examples):
        if not example.text_input or not example.output:
            field = "output" if example.text_input else "text_input"
            raise InvalidArgument(f"tuning_task.training_data.examples[{index}].{field} is empty")


def _find(rows: Transaction, name: str, caller: str, users: Users, role: int) -> protos.TunedModel:
    if not name.startswith(PREFIX):
        raise NotFound(f"{name!r} is no tuned model; its name begins with {PREFIX!r}")
    check_access(rows, TUNED_MODELS, name, caller, users, role)
    return TUNED_MODELS.get(rows, name)


def _base_model(model: protos.TunedModel) -> str:
    return model.tuned_model_source.base_model or model.base_model
