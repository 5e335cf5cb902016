"""The names of `google.generativeai.types.answer_types`."""

from typing import TypeAlias

from genai_grpc import protos
from genai_grpc.generativeai._conversions import to_finish_reason
from genai_grpc.generativeai._missing import module_getattr

__all__ = ["FinishReason", "FinishReasonOptions", "to_finish_reason"]

FinishReason = protos.Candidate.FinishReason
FinishReasonOptions: TypeAlias = int | str

__getattr__ = module_getattr(__name__)
