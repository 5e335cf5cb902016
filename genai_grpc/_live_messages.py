"""The messages of live sessions: what the program passes as messages of the client, and those of the service."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from genai_grpc import protos
from genai_grpc._coerce.content import to_part
from genai_grpc._coerce.tools import FunctionLibrary, to_function_library
from genai_grpc._generate_request import GenerateRequest, Overrides
from genai_grpc_protos._convert import as_message, to_message

if TYPE_CHECKING:
    from pathlib import Path

    from genai_grpc.types import AnyModelNameOptions, BlobType, LiveConfigType

__all__ = ["LiveMessage", "to_realtime_input", "to_setup", "to_tool_response"]

# The settings that `GenerativeModel` has, too.
_OF_MODELS: Final = ("generation_config", "system_instruction", "tools")
# Those of live sessions alone.
_OF_SESSIONS: Final = tuple(
    field.name
    for field in protos.BidiGenerateContentSetup.DESCRIPTOR.fields
    if field.name not in ("model", *_OF_MODELS)
)


class LiveMessage:
    """A message of the service in a live session.

    >>> message = LiveMessage(protos.BidiGenerateContentServerMessage(server_content={"turn_complete": True}))
    >>> message.text, message.turn_complete
    ('', True)
    """

    __slots__ = ("_message",)

    def __init__(self, message: protos.BidiGenerateContentServerMessage) -> None:
        self._message = message

    def to_proto(self) -> protos.BidiGenerateContentServerMessage:
        """Return the message."""
        return self._message

    @property
    def parts(self) -> list[protos.Part]:
        """The new parts of the reply."""
        return list(self._message.server_content.model_turn.parts)

    @property
    def text(self) -> str:
        """The new text of the reply, without thoughts; "" if there is none."""
        return "".join(part.text for part in self._message.server_content.model_turn.parts if not part.thought)

    @property
    def data(self) -> bytes:
        """The new media of the reply, such as audio samples; empty if there is none."""
        parts = self._message.server_content.model_turn.parts
        return b"".join(part.inline_data.data for part in parts if part.HasField("inline_data"))

    @property
    def function_calls(self) -> list[protos.FunctionCall]:
        """Functions that the program is to call, unless the session calls them."""
        return list(self._message.tool_call.function_calls)

    @property
    def cancelled_calls(self) -> list[str]:
        """The ids of earlier function calls whose results are no longer needed."""
        return list(self._message.tool_call_cancellation.ids)

    @property
    def interrupted(self) -> bool:
        """Whether the reply was ended by input; what has been received of it and not played yet is to be dropped."""
        return self._message.server_content.interrupted

    @property
    def generation_complete(self) -> bool:
        """Whether the reply is complete."""
        return self._message.server_content.generation_complete

    @property
    def turn_complete(self) -> bool:
        """Whether the service waits for input now."""
        return self._message.server_content.turn_complete

    @property
    def input_transcription(self) -> str:
        """A further text of what the user says."""
        return self._message.server_content.input_transcription.text

    @property
    def output_transcription(self) -> str:
        """A further text of what the model says."""
        return self._message.server_content.output_transcription.text

    @property
    def time_left(self) -> float | None:
        """Seconds until the service ends the session, if it has announced that (GoAway); else None."""
        message = self._message
        return message.go_away.time_left.ToMilliseconds() / 1000 if message.HasField("go_away") else None

    @property
    def usage_metadata(self) -> protos.UsageMetadata | None:
        """Token counts, if the message has them."""
        return self._message.usage_metadata if self._message.HasField("usage_metadata") else None

    def __repr__(self) -> str:
        return f"LiveMessage({self._message!r})"


def to_setup(
    model: AnyModelNameOptions, config: LiveConfigType | None
) -> tuple[protos.BidiGenerateContentSetup, FunctionLibrary | None]:
    """The setup of a session, and its functions.

    Raises:
        TypeError: A setting is unknown, or of the wrong type.
        ValueError: A setting has the wrong value.
    """
    if (given := as_message(config)) is not None:
        setup = protos.BidiGenerateContentSetup()
        setup.CopyFrom(to_message(protos.BidiGenerateContentSetup, given))
        setup.model = GenerateRequest(model).model_name
        return setup, to_function_library(list(setup.tools)) if setup.tools else None
    settings: Any = {} if config is None else config
    if not isinstance(settings, Mapping):
        raise TypeError(f"config is a dict or a protos.BidiGenerateContentSetup; got {type(config).__name__}")
    if unknown := [name for name in settings if name not in (*_OF_MODELS, *_OF_SESSIONS)]:
        raise TypeError(
            f"config has {unknown[0]!r}, which is no setting of a live session; those are "
            f"{', '.join((*_OF_MODELS, *_OF_SESSIONS))}, and what tells how to generate goes into generation_config"
        )
    request = GenerateRequest(model, **{name: settings[name] for name in _OF_MODELS if name in settings})
    message = request.message(None, Overrides())
    setup = protos.BidiGenerateContentSetup(model=request.model_name, tools=message.tools)
    for name in ("generation_config", "system_instruction"):
        if message.HasField(name):
            getattr(setup, name).CopyFrom(getattr(message, name))
    for name in _OF_SESSIONS:
        _set(setup, name, settings.get(name))
    return setup, request.functions


def _set(setup: protos.BidiGenerateContentSetup, name: str, value: Any) -> None:
    if value is None or value is False:
        return
    field = getattr(setup, name)
    if value is True:
        field.SetInParent()
        if name == "context_window_compression":
            field.sliding_window.SetInParent()
        return
    given = {"handle": value} if isinstance(value, str) and name == "session_resumption" else value
    field.CopyFrom(to_message(type(field), given))


def to_realtime_input(
    audio: BlobType | Path | None,
    video: BlobType | Path | None,
    text: str | None,
    *,
    audio_stream_end: bool,
    activity_start: bool,
    activity_end: bool,
) -> protos.BidiGenerateContentRealtimeInput:
    """Streamed input, as a message.

    Raises:
        TypeError: Nothing was passed, or something that is no media.
    """
    message = protos.BidiGenerateContentRealtimeInput(text=text)
    for name, value in (("audio", audio), ("video", video)):
        if value is not None:
            part = to_part(value)
            if not part.HasField("inline_data"):
                raise TypeError(
                    f"{name} is a dict with mime_type and data, a Blob, an image or a Path; got {value!r:.50}"
                )
            getattr(message, name).CopyFrom(part.inline_data)
    if audio_stream_end:
        message.audio_stream_end = True
    for name, given in (("activity_start", activity_start), ("activity_end", activity_end)):
        if given:
            getattr(message, name).SetInParent()
    if not message.ListFields():
        raise TypeError("there is no input; pass audio, video, text or a mark such as activity_end=True")
    return message


def to_tool_response(responses: Any) -> protos.BidiGenerateContentToolResponse:
    """Results of function calls, as a message.

    Raises:
        TypeError: They are no FunctionResponses.
        ValueError: One has no id.
    """
    if isinstance(responses, Mapping) or as_message(responses) is not None:
        responses = [responses]
    if not isinstance(responses, Iterable):
        raise TypeError(f"function_responses are FunctionResponses or dicts of them; got {type(responses).__name__}")
    message = protos.BidiGenerateContentToolResponse(
        function_responses=[to_message(protos.FunctionResponse, response) for response in responses]
    )
    for response in message.function_responses:
        if not response.id:
            raise ValueError(f"the response of {response.name or 'a function'} has no id; set that of its FunctionCall")
    return message
