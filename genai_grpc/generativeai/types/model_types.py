"""The names of `google.generativeai.types.model_types`.

The aliases of arguments are Any until the service is supported.
"""

from typing import Any, TypeAlias

from genai_grpc._not_yet import encode_tuning_data, encode_tuning_example, valid_tuned_model_name
from genai_grpc.generativeai._conversions import decode_tuned_model, make_model_name, to_tuned_model_state
from genai_grpc.generativeai._missing import module_getattr
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
TuningDataOptions: TypeAlias = Any
TuningExampleDict: TypeAlias = Any
TuningExampleOptions: TypeAlias = Any

__getattr__ = module_getattr(__name__)
