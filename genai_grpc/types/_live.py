"""Settings of live sessions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from genai_grpc import protos
from genai_grpc.types._contents import ContentType
from genai_grpc.types._generation import GenerationConfigType
from genai_grpc.types._runtime import TypedDict
from genai_grpc.types._tools import ToolsType

__all__ = ["LiveConfigDict", "LiveConfigType"]


class LiveConfigDict(TypedDict, total=False):
    """Settings of a live session.

    Attributes:
        generation_config: As in `GenerativeModel`, without stop sequences, log probabilities and output schemas.
        system_instruction: As in `GenerativeModel`.
        tools: As in `GenerativeModel`.
        realtime_input_config: How the service finds the turns in streamed input: a RealtimeInputConfig or its dict.
        session_resumption: True for a session that can be resumed; a handle to resume one.
        context_window_compression: True lets the service drop the oldest turns of a long session; or a
            ContextWindowCompressionConfig or its dict.
        input_audio_transcription: True for a text of what the user says.
        output_audio_transcription: True for a text of what the model says.

    >>> config: LiveConfigDict = {"system_instruction": "Be brief.", "session_resumption": True}
    """

    generation_config: GenerationConfigType
    system_instruction: ContentType
    tools: ToolsType
    realtime_input_config: protos.RealtimeInputConfig | Mapping[str, Any]
    session_resumption: bool | str | protos.SessionResumptionConfig
    context_window_compression: bool | protos.ContextWindowCompressionConfig | Mapping[str, Any]
    input_audio_transcription: bool
    output_audio_transcription: bool


LiveConfigType: TypeAlias = LiveConfigDict | protos.BidiGenerateContentSetup
