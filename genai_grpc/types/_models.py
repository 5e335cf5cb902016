"""Models and tuned models, as dataclasses."""

from __future__ import annotations

import datetime
import pprint
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from typing import Any, TypeAlias

from google.protobuf.message import Message

from genai_grpc import protos
from genai_grpc._not_yet import not_yet

__all__ = [
    "AnyModelNameOptions",
    "BaseModelNameOptions",
    "Hyperparameters",
    "Model",
    "ModelNameOptions",
    "ModelsIterable",
    "TunedModel",
    "TunedModelNameOptions",
    "TunedModelState",
    "TunedModelsIterable",
    "TuningSnapshot",
    "TuningTask",
]


class _Printed:
    """Prints a dataclass with one field a line, as google.generativeai does."""

    def __repr__(self) -> str:
        dataclass_: Any = self
        lines = [_printed(f"{each.name}=", pprint.pformat(getattr(self, each.name))) for each in fields(dataclass_)]
        return _printed(f"{type(self).__name__}(", ",\n".join(lines)) + ")"


def _printed(prefix: str, text: str) -> str:
    return prefix + text.replace("\n", "\n" + " " * len(prefix))


@dataclass(repr=False)
class Model(_Printed):
    """A model: its token limits, supported methods and default sampling settings; a setting without a default is None.

    Attributes:
        name: The resource name, `models/…`.
        base_model_id: The name of the base model.
        version: The major version.
        display_name: The name for people.
        description: What the model is for.
        input_token_limit: Maximum number of input tokens.
        output_token_limit: Maximum number of output tokens.
        supported_generation_methods: Methods of the service, such as `generateContent`.
        temperature: Default temperature.
        max_temperature: Highest temperature.
        top_p: Default of `top_p`.
        top_k: Default of `top_k`.
        thinking: Whether the model thinks.

    >>> from genai_grpc import protos
    >>> Model.from_proto(protos.Model(name="models/gemini-pro", input_token_limit=4096, top_p=0.5)).top_p
    0.5
    """

    name: str
    base_model_id: str
    version: str
    display_name: str
    description: str
    input_token_limit: int
    output_token_limit: int
    supported_generation_methods: list[str]
    temperature: float | None = None
    max_temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    thinking: bool = False

    @classmethod
    def from_proto(cls, proto: protos.Model) -> Model:
        """The model of a message."""
        return cls(**_values(proto, *(each.name for each in fields(cls))))


@dataclass(repr=False)
class Hyperparameters(_Printed):
    """The settings of a tuning task.

    >>> Hyperparameters(epoch_count=5).epoch_count
    5
    """

    epoch_count: int = 0
    batch_size: int = 0
    learning_rate: float = 0.0


@dataclass(repr=False)
class TuningSnapshot(_Printed):
    """The state of a tuning task after a step.

    >>> import datetime
    >>> TuningSnapshot(step=1, epoch=1, mean_score=0.5, compute_time=datetime.datetime(2026, 1, 1)).step
    1
    """

    step: int
    epoch: int
    mean_score: float
    compute_time: datetime.datetime


@dataclass(repr=False)
class TuningTask(_Printed):
    """A tuning task: its times, settings, and a dict for each snapshot with `step`, `epoch` and `mean_loss`.

    >>> TuningTask(hyperparameters=Hyperparameters(epoch_count=5)).snapshots
    []
    """

    start_time: datetime.datetime | None = None
    complete_time: datetime.datetime | None = None
    snapshots: list[dict[str, Any]] = field(default_factory=list)
    hyperparameters: Hyperparameters | None = None

    @classmethod
    def from_proto(cls, proto: protos.TuningTask) -> TuningTask:
        """The task of a message."""
        settings = _values(proto.hyperparameters, "epoch_count", "batch_size", "learning_rate")
        return cls(
            **_values(proto, "start_time", "complete_time"),
            snapshots=[_values(item, "step", "epoch", "mean_loss", "compute_time") for item in proto.snapshots],
            hyperparameters=(
                Hyperparameters(**{name: value for name, value in settings.items() if value is not None})
                if proto.HasField("hyperparameters")
                else None
            ),
        )


@dataclass(repr=False)
class TunedModel(_Printed):
    """A tuned model. What the service did not say is None.

    Attributes:
        name: The resource name, `tunedModels/…`.
        source_model: The model that was tuned.
        base_model: The base model of that.
        display_name: The name for people.
        description: What the model is for.
        temperature: Default temperature.
        top_p: Default of `top_p`.
        top_k: Default of `top_k`.
        state: A value of `TunedModelState`.
        create_time: When it was created, in UTC.
        update_time: When it was last changed, in UTC.
        tuning_task: How it was tuned.
        reader_project_numbers: Projects that may read it.

    >>> from genai_grpc import protos
    >>> TunedModel.from_proto(protos.TunedModel(name="tunedModels/a", base_model="models/gemini-pro")).base_model
    'models/gemini-pro'
    """

    name: str | None = None
    source_model: str | None = None
    base_model: str | None = None
    display_name: str = ""
    description: str = ""
    temperature: float | None = None
    top_p: float | None = None
    top_k: float | None = None
    state: int = protos.TunedModel.State.STATE_UNSPECIFIED
    create_time: datetime.datetime | None = None
    update_time: datetime.datetime | None = None
    tuning_task: TuningTask | None = None
    reader_project_numbers: list[int] | None = None

    @classmethod
    def from_proto(cls, proto: protos.TunedModel) -> TunedModel:
        """The tuned model of a message."""
        values = _values(proto, *(each.name for each in fields(cls) if each.name not in _COMPUTED))
        source = proto.tuned_model_source
        if proto.HasField("tuned_model_source"):
            values |= {"base_model": source.base_model, "source_model": source.tuned_model}
        else:
            values |= {"base_model": proto.base_model or None, "source_model": proto.base_model or None}
        values["reader_project_numbers"] = list(proto.reader_project_numbers) or None
        if proto.HasField("tuning_task"):
            values["tuning_task"] = TuningTask.from_proto(proto.tuning_task)
        return cls(**values)

    @property
    def permissions(self) -> Any:
        """Who may use it.

        Raises:
            NotImplementedError: The Permissions service is not supported yet.
        """
        raise not_yet("TunedModel.permissions")


TunedModelState = protos.TunedModel.State

_COMPUTED = frozenset({"source_model", "base_model", "tuning_task", "reader_project_numbers"})


def _values(message: Message, *names: str) -> dict[str, Any]:
    """Fields by name: a Timestamp as a datetime, a repeated field as a list; None if a field's presence says unset."""
    return {name: _value(message, name) for name in names}


def _value(message: Message, name: str) -> Any:
    descriptor: Any = message.DESCRIPTOR.fields_by_name[name]
    if descriptor.has_presence and not message.HasField(name):
        return None
    value = getattr(message, name)
    if hasattr(value, "ToDatetime"):
        return value.ToDatetime(tzinfo=datetime.timezone.utc)
    return list(value) if hasattr(value, "extend") else value


BaseModelNameOptions: TypeAlias = str | Model | protos.Model
TunedModelNameOptions: TypeAlias = str | TunedModel | protos.TunedModel
AnyModelNameOptions: TypeAlias = BaseModelNameOptions | TunedModelNameOptions
ModelNameOptions: TypeAlias = AnyModelNameOptions
ModelsIterable: TypeAlias = Iterable[Model]
TunedModelsIterable: TypeAlias = Iterable[TunedModel]
