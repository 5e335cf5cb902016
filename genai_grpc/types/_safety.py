"""Categories of harm, thresholds, and the settings and ratings made of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Any, TypeAlias

from genai_grpc import protos
from genai_grpc.types._runtime import TypedDict

__all__ = [
    "BlockedReason",
    "ContentFilterDict",
    "EasySafetySetting",
    "EasySafetySettingDict",
    "HarmBlockThreshold",
    "HarmBlockThresholdOptions",
    "HarmCategory",
    "HarmCategoryOptions",
    "HarmProbability",
    "LooseSafetySettingDict",
    "SafetyFeedbackDict",
    "SafetyRatingDict",
    "SafetySettingDict",
    "SafetySettingOptions",
]


class HarmCategory(IntEnum):
    """The category of a safety setting or rating; the numbers are those of `protos.HarmCategory`.

    >>> from genai_grpc import protos
    >>> rating = protos.SafetyRating(category=7, probability="LOW")
    >>> HarmCategory(rating.category).name
    'HARM_CATEGORY_HARASSMENT'
    """

    HARM_CATEGORY_UNSPECIFIED = 0
    HARM_CATEGORY_DEROGATORY = 1
    HARM_CATEGORY_TOXICITY = 2
    HARM_CATEGORY_VIOLENCE = 3
    HARM_CATEGORY_SEXUAL = 4
    HARM_CATEGORY_MEDICAL = 5
    HARM_CATEGORY_DANGEROUS = 6
    HARM_CATEGORY_HARASSMENT = 7
    HARM_CATEGORY_HATE_SPEECH = 8
    HARM_CATEGORY_SEXUALLY_EXPLICIT = 9
    HARM_CATEGORY_DANGEROUS_CONTENT = 10
    HARM_CATEGORY_CIVIC_INTEGRITY = 11


class HarmBlockThreshold(IntEnum):
    """The probability of harm from which content is blocked.

    >>> from genai_grpc import GenerativeModel
    >>> settings = {HarmCategory.HARM_CATEGORY_HARASSMENT: HarmBlockThreshold.BLOCK_NONE}
    >>> print(*GenerativeModel(safety_settings=settings).build_request("Hi").safety_settings)
    category: HARM_CATEGORY_HARASSMENT
    threshold: BLOCK_NONE
    <BLANKLINE>
    """

    HARM_BLOCK_THRESHOLD_UNSPECIFIED = 0
    BLOCK_LOW_AND_ABOVE = 1
    BLOCK_MEDIUM_AND_ABOVE = 2
    BLOCK_ONLY_HIGH = 3
    BLOCK_NONE = 4
    OFF = 5


HarmProbability = protos.SafetyRating.HarmProbability
BlockedReason = protos.ContentFilter.BlockedReason

HarmCategoryOptions: TypeAlias = str | int
HarmBlockThresholdOptions: TypeAlias = str | int
# A mapping is invariant in its keys: a dict[str, str] is not a Mapping[str | int, str | int].
EasySafetySetting: TypeAlias = Mapping[Any, HarmBlockThresholdOptions]
EasySafetySettingDict: TypeAlias = dict[Any, HarmBlockThresholdOptions]


class SafetySettingDict(TypedDict):
    """A safety setting as a dict.

    >>> from genai_grpc import GenerativeModel
    >>> setting: SafetySettingDict = {"category": "harassment", "threshold": "high"}
    >>> [setting] = GenerativeModel(safety_settings=[setting]).build_request("Hi").safety_settings
    >>> setting.threshold == HarmBlockThreshold.BLOCK_ONLY_HIGH
    True
    """

    category: HarmCategoryOptions
    threshold: HarmBlockThresholdOptions


LooseSafetySettingDict: TypeAlias = SafetySettingDict
SafetySettingOptions: TypeAlias = (
    HarmBlockThresholdOptions | EasySafetySetting | Sequence[protos.SafetySetting | Mapping[str, Any]]
)


class SafetyRatingDict(TypedDict):
    """A safety rating as a dict."""

    category: int
    probability: int


class ContentFilterDict(TypedDict):
    """A content filter as a dict."""

    reason: int
    message: str


class SafetyFeedbackDict(TypedDict):
    """Safety feedback as a dict."""

    rating: SafetyRatingDict
    setting: SafetySettingDict
