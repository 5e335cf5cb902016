"""Models and tuned models as dataclasses, and as the service describes them."""

from __future__ import annotations

import pprint
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from genai_grpc import protos
from genai_grpc._floats import to_shortest
from genai_grpc._responses.times import to_datetime
from genai_grpc._self import Self
from genai_grpc.types._permissions import Permissions

if TYPE_CHECKING:
    from google.protobuf.message import Message

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
    """Dataclass whose repr has one field a line, and long values cut short."""

    def __repr__(self) -> str:
        record: Any = self
        values = (_hang(f"{each.name}=", _cut(pprint.pformat(getattr(self, each.name)))) for each in fields(record))
        return _hang(f"{type(self).__name__}(", ",\n".join(values)) + ")"


def _hang(prefix: str, text: str) -> str:
    return prefix + text.replace("\n", "\n" + " " * len(prefix))


def _cut(text: str) -> str:
    if text.count("\n") < _LONG:
        return text
    opening = re.match(r"\w*[\[{(]", text)
    return "..." if opening is None else f"{opening[0]}...{_CLOSING[opening[0][-1]]}"


_LONG: Final = 10
_CLOSING: Final = {"[": "]", "{": "}", "(": ")"}


@dataclass(repr=False)
class Model(_Printed):
    """A model: its token limits, supported methods and default sampling settings. Settings without a default are None.

    Attributes:
        name: The resource name, `models/…`.
        base_model_id: The name without the version.
        version: The major version.
        display_name: The name for people.
        description: What the model is for.
        input_token_limit: Maximum number of tokens of a request.
        output_token_limit: Maximum number of tokens of a response.
        supported_generation_methods: Methods of the service, such as `generateContent`.
        temperature: Default randomness.
        max_temperature: Highest randomness.
        top_p: Default of `top_p` in the generation config.
        top_k: Default of `top_k`; None also if the model does not take it.
        thinking: Whether the model thinks.

    >>> import dataclasses
    >>> import genai_grpc as genai
    >>> model = genai.get_model("gemini-pro")
    >>> dataclasses.asdict(model)["name"], model.top_k
    ('models/gemini-pro', None)
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
    def from_proto(cls, proto: protos.Model) -> Self:
        """The model of a message."""
        return cls(**_values(proto, *(each.name for each in fields(Model))))


@dataclass(repr=False)
class Hyperparameters(_Printed):
    """Settings of a tuning task; 0 for those that it leaves to the service.

    >>> Hyperparameters(epoch_count=5).epoch_count
    5
    """

    epoch_count: int = 0
    batch_size: int = 0
    learning_rate: float = 0.0
    learning_rate_multiplier: float = 0.0

    @classmethod
    def from_proto(cls, proto: protos.Hyperparameters) -> Self:
        """The settings of a message."""
        values = _values(proto, *(each.name for each in fields(Hyperparameters)))
        return cls(**{name: value for name, value in values.items() if value is not None})


@dataclass(repr=False)
class TuningSnapshot(_Printed):
    """The state of a tuning task after a step. The snapshots of a TuningTask are dicts, with `mean_loss` as the score.

    >>> import datetime
    >>> TuningSnapshot(step=1, epoch=1, mean_score=0.5, compute_time=datetime.datetime(2026, 1, 1)).step
    1
    """

    step: int
    epoch: int
    mean_score: float
    compute_time: datetime


@dataclass(repr=False)
class TuningTask(_Printed):
    """How a model is tuned. Times are in UTC.

    Attributes:
        start_time: When the tuning started.
        complete_time: When it ended.
        snapshots: A dict of `step`, `epoch`, `mean_loss` and `compute_time` for each step so far.
        hyperparameters: Its settings.

    >>> TuningTask(hyperparameters=Hyperparameters(epoch_count=5)).snapshots
    []
    """

    start_time: datetime | None = None
    complete_time: datetime | None = None
    snapshots: list[dict[str, Any]] = field(default_factory=list)
    hyperparameters: Hyperparameters | None = None

    @classmethod
    def from_proto(cls, proto: protos.TuningTask) -> Self:
        """The task of a message."""
        settings = proto.hyperparameters if proto.HasField("hyperparameters") else None
        return cls(
            **_values(proto, "start_time", "complete_time"),
            snapshots=[_values(each, "step", "epoch", "mean_loss", "compute_time") for each in proto.snapshots],
            hyperparameters=None if settings is None else Hyperparameters.from_proto(settings),
        )


@dataclass(repr=False)
class TunedModel(_Printed):
    """A tuned model. What the service does not say is None; times are in UTC.

    Attributes:
        name: The resource name, `tunedModels/…`.
        source_model: The model that was tuned: a base model or a tuned one.
        base_model: The base model of that.
        display_name: The name for people.
        description: What the model is for.
        temperature: Default randomness.
        top_p: Default of `top_p` in the generation config.
        top_k: Default of `top_k`.
        state: A `protos.TunedModel.State`: ACTIVE for one that can be used.
        create_time: When it was created.
        update_time: When it was last changed.
        tuning_task: How it is tuned.
        reader_project_numbers: Projects that may read it.

    >>> from genai_grpc import protos
    >>> TunedModel.from_proto(protos.TunedModel(name="tunedModels/mine", base_model="models/gemini-pro")).source_model
    'models/gemini-pro'
    """

    name: str | None = None
    source_model: str | None = None
    base_model: str | None = None
    display_name: str = ""
    description: str = ""
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    state: int = protos.TunedModel.State.STATE_UNSPECIFIED
    create_time: datetime | None = None
    update_time: datetime | None = None
    tuning_task: TuningTask | None = None
    reader_project_numbers: list[int] | None = None

    @classmethod
    def from_proto(cls, proto: protos.TunedModel) -> Self:
        """The tuned model of a message."""
        values = _values(proto, *(each.name for each in fields(TunedModel) if each.name not in _DERIVED))
        if proto.HasField("tuned_model_source"):
            source = proto.tuned_model_source
            values |= {"source_model": source.tuned_model, "base_model": source.base_model}
        else:
            values |= dict.fromkeys(("source_model", "base_model"), proto.base_model or None)
        if proto.HasField("tuning_task"):
            values["tuning_task"] = TuningTask.from_proto(proto.tuning_task)
        return cls(**values, reader_project_numbers=list(proto.reader_project_numbers) or None)

    @property
    def permissions(self) -> Permissions:
        """Who may use it."""
        return Permissions(self)


_DERIVED: Final = frozenset({"source_model", "base_model", "tuning_task", "reader_project_numbers"})


def _values(message: Message, *names: str) -> dict[str, Any]:
    """Fields by name; None for a field that is unset and says so."""
    return {name: _value(message, name) for name in names}


def _value(message: Message, name: str) -> Any:
    descriptor: Any = message.DESCRIPTOR.fields_by_name[name]
    if descriptor.has_presence and not message.HasField(name):
        return None
    value = getattr(message, name)
    if descriptor.message_type is not None:
        return to_datetime(value)  # a Timestamp: there is no other message among these fields
    if descriptor.type == descriptor.TYPE_FLOAT:
        return to_shortest([value])[0]  # 0.9, not 0.8999999761581421
    return list(value) if hasattr(value, "extend") else value


TunedModelState = protos.TunedModel.State

BaseModelNameOptions: TypeAlias = str | Model | protos.Model
TunedModelNameOptions: TypeAlias = str | TunedModel | protos.TunedModel
AnyModelNameOptions: TypeAlias = BaseModelNameOptions | TunedModelNameOptions
ModelNameOptions: TypeAlias = AnyModelNameOptions
ModelsIterable: TypeAlias = Iterable[Model]
TunedModelsIterable: TypeAlias = Iterable[TunedModel]
