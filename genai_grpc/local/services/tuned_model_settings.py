"""Checks of the settings of a tuned model."""

from __future__ import annotations

from math import inf
from typing import Any, Final

from genai_grpc import protos
from genai_grpc.errors import InvalidArgument

__all__ = ["check_settings", "check_steps"]

_MAX_DISPLAY_NAME: Final = 40
_MAX_STEPS: Final = 2**31 - 1
"""The greatest number that `CreateTunedModelMetadata.total_steps` can have."""

_EPSILON: Final = 5e-324
"""The least number above 0."""

# The least and the greatest value, and how a message says it.
_OF_MODEL: Final = {
    "temperature": (0.0, 1.0, "from 0 to 1"),
    "top_p": (0.0, 1.0, "from 0 to 1"),
    "top_k": (1, inf, "1 or more"),
}
_OF_TUNING: Final = {
    "epoch_count": (1, inf, "1 or more"),
    "batch_size": (1, inf, "1 or more"),
    "learning_rate": (_EPSILON, 3.4e38, "above 0"),
    "learning_rate_multiplier": (_EPSILON, 3.4e38, "above 0"),
}


def check_settings(model: protos.TunedModel) -> None:
    """Check the display name, the defaults and the hyperparameters.

    Raises:
        InvalidArgument: One is out of its range.
    """
    if len(model.display_name) > _MAX_DISPLAY_NAME:
        raise InvalidArgument(f"display_name has {len(model.display_name)} characters; it may have {_MAX_DISPLAY_NAME}")
    _check(model, "", _OF_MODEL)
    _check(model.tuning_task.hyperparameters, "hyperparameters.", _OF_TUNING)


def check_steps(epochs: int, total: int) -> None:
    """Check the number of steps of a tuning.

    Raises:
        InvalidArgument: It cannot be reported.
    """
    if total > _MAX_STEPS:
        raise InvalidArgument(
            f"hyperparameters.epoch_count is {epochs}, which makes {total:,} steps; a tuning has at most "
            f"{_MAX_STEPS:,}: give fewer epochs, or a larger batch_size"
        )


def _check(message: Any, prefix: str, ranges: dict[str, tuple[float, float, str]]) -> None:
    for name, (least, greatest, text) in ranges.items():
        if message.HasField(name) and not least <= getattr(message, name) <= greatest:  # also not a number
            raise InvalidArgument(f"{prefix}{name} is {getattr(message, name):g}; it is {text}")
