"""The names of `google.generativeai.types.safety_types`."""

from genai_grpc.generativeai._conversions import (
    normalize_safety_settings,
    to_block_threshold,
    to_easy_safety_dict,
    to_harm_category,
)
from genai_grpc.generativeai._missing import module_getattr
from genai_grpc.types._safety import (
    BlockedReason,
    ContentFilterDict,
    EasySafetySetting,
    EasySafetySettingDict,
    HarmBlockThreshold,
    HarmBlockThresholdOptions,
    HarmCategory,
    HarmCategoryOptions,
    HarmProbability,
    LooseSafetySettingDict,
    SafetyFeedbackDict,
    SafetyRatingDict,
    SafetySettingDict,
    SafetySettingOptions,
)

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
    "normalize_safety_settings",
    "to_block_threshold",
    "to_easy_safety_dict",
    "to_harm_category",
]

__getattr__ = module_getattr(__name__)
