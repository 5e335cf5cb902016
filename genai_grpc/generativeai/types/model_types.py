"""The names of `google.generativeai.types.model_types`."""

import re
from typing import Any, TypeAlias

from genai_grpc import protos
from genai_grpc._coerce.tuning_data import to_example as encode_tuning_example
from genai_grpc._training_files import read_dataset
from genai_grpc.generativeai._conversions import decode_tuned_model, make_model_name, to_tuned_model_state
from genai_grpc.generativeai._missing import module_getattr
from genai_grpc.tuning import TrainingData
from genai_grpc.types._models import (
    AnyModelNameOptions,
    BaseModelNameOptions,
    Hyperparameters,
    Model,
    ModelNameOptions,
    ModelsIterable,
    TunedModel,
    TunedModelNameOptions,
    TunedModelsIterable,
    TunedModelState,
    TuningSnapshot,
    TuningTask,
)

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
    "TunedModelStateOptions",
    "TunedModelsIterable",
    "TuningDataOptions",
    "TuningExampleDict",
    "TuningExampleOptions",
    "TuningSnapshot",
    "TuningTask",
    "decode_tuned_model",
    "encode_tuning_data",
    "encode_tuning_example",
    "make_model_name",
    "to_tuned_model_state",
    "valid_tuned_model_name",
]

TunedModelStateOptions: TypeAlias = int | str | None
TuningDataOptions: TypeAlias = TrainingData
TuningExampleDict: TypeAlias = dict[str, str]
TuningExampleOptions: TypeAlias = TuningExampleDict | protos.TuningExample | tuple[str, str] | list[str]

__getattr__ = module_getattr(__name__)


def encode_tuning_data(data: Any, input_key: str = "text_input", output_key: str = "output") -> protos.Dataset:
    """The dataset of training data in any form, files and URLs included.

    >>> len(encode_tuning_data([("1", "2"), ("2", "3")]).examples.examples)
    2
    """
    return read_dataset(data, input_key, output_key)


def valid_tuned_model_name(name: str) -> bool:
    """Whether this can be the last part of the name of a tuned model.

    >>> valid_tuned_model_name("my-model"), valid_tuned_model_name("My model")
    (True, False)
    """
    return re.fullmatch(r"[a-z]([a-z0-9-]{0,38}[a-z0-9])?", name) is not None
