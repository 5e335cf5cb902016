"""What a live session reads: its setup, the input that is streamed, and a history that grows."""

from __future__ import annotations

from typing import Final

from genai_grpc import protos
from genai_grpc.errors import InvalidArgument
from genai_grpc.local.engines.engine import Engine
from genai_grpc.local.services.errors import engine_errors
from genai_grpc.local.services.validation import check_media, check_prompt

__all__ = ["LiveInput", "check_setup", "shorten"]

_REFUSED: Final = (
    "stop_sequences",
    "response_logprobs",
    "logprobs",
    "response_mime_type",
    "response_schema",
    "response_json_schema",
    "response_json_schema_ordered",
)
"""The fields of a generation config that live sessions do not take, as in the service."""

_TRIGGER: Final = 0.8
"""The part of the model's context at which a history is shortened, if the setup has no number of tokens."""


def check_setup(engine: Engine, setup: protos.BidiGenerateContentSetup) -> None:
    """Check the setup of a session.

    Raises:
        InvalidArgument: A field cannot be used in a session.
    """
    given = {field.name for field, _ in setup.generation_config.ListFields()}
    if refused := [name for name in _REFUSED if name in given]:
        raise InvalidArgument(f"a live session does not take generation_config.{refused[0]}; leave it out")
    instruction = protos.GenerateContentRequest()
    if setup.HasField("system_instruction"):
        instruction.system_instruction.CopyFrom(setup.system_instruction)
    check_prompt(engine, instruction)


class LiveInput:
    """The input of a user that is streamed, until a turn of it is complete.

    Text completes a turn at once, and so does the end of an audio stream, unless the setup says that the client marks
    its turns.

    Args:
        setup: The setup of the session, which may be read later.

    Attributes:
        began: Whether the client has just marked the beginning of a turn.
        complete: Whether the turn is complete.
    """

    def __init__(self, setup: protos.BidiGenerateContentSetup) -> None:
        self._setup = setup
        self._parts: list[protos.Part] = []
        self._active = False
        self.began = False
        self.complete = False

    @property
    def interrupts(self) -> bool:
        """Whether the user interrupts the reply in progress."""
        config = self._setup.realtime_input_config
        return config.activity_handling != protos.RealtimeInputConfig.NO_INTERRUPTION

    def add(self, engine: Engine, received: protos.BidiGenerateContentRealtimeInput) -> None:
        """Add a message.

        Raises:
            InvalidArgument: The engine cannot read the media, or a mark is in the wrong place.
        """
        marked = self._setup.realtime_input_config.automatic_activity_detection.disabled
        self._check_marks(received, marked=marked)
        for index, blob in enumerate(received.media_chunks):
            check_media(engine, f"realtime_input.media_chunks[{index}]", blob.mime_type)
            self._parts.append(protos.Part(inline_data=blob))
        for name in ("audio", "video"):
            if received.HasField(name):
                blob = getattr(received, name)
                check_media(engine, f"realtime_input.{name}", blob.mime_type)
                self._parts.append(protos.Part(inline_data=blob))
        if received.HasField("text"):
            self._parts.append(protos.Part(text=received.text))
        self.began = received.HasField("activity_start")
        self.complete = received.HasField("activity_end") or (
            not marked and (received.HasField("text") or received.audio_stream_end)
        )
        self._active = (self._active or self.began) and not self.complete

    def _check_marks(self, received: protos.BidiGenerateContentRealtimeInput, *, marked: bool) -> None:
        starts, ends = received.HasField("activity_start"), received.HasField("activity_end")
        if not marked and (starts or ends):
            raise InvalidArgument(
                "activity_start and activity_end need automatic_activity_detection.disabled in the setup"
            )
        if marked and received.audio_stream_end:
            raise InvalidArgument("audio_stream_end needs automatic activity detection; send activity_end instead")
        if marked and not (starts or self._active):
            raise InvalidArgument("this session marks its turns: send activity_start before other input")

    def take(self) -> list[protos.Part]:
        """The parts of the turn, which are forgotten."""
        parts, self._parts, self.complete = self._parts, [], False
        return parts


async def shorten(
    engine: Engine, setup: protos.BidiGenerateContentSetup, prompt: protos.GenerateContentRequest
) -> None:
    """Remove the oldest turns of a history that is too long, if the setup asks for it; a turn of the user is first."""
    if not setup.HasField("context_window_compression"):
        return
    compression = setup.context_window_compression
    trigger = compression.trigger_tokens or int(_TRIGGER * engine.model.input_token_limit)
    target = compression.sliding_window.target_tokens or trigger // 2
    if await _count(engine, prompt) < trigger:
        return
    starts = [index for index, turn in enumerate(prompt.contents) if _begins(turn)]
    for start in starts[1:]:
        shorter = protos.GenerateContentRequest()
        shorter.CopyFrom(prompt)
        del shorter.contents[:start]
        if await _count(engine, shorter) <= target or start == starts[-1]:
            prompt.CopyFrom(shorter)
            return


async def _count(engine: Engine, prompt: protos.GenerateContentRequest) -> int:
    with engine_errors(engine):
        return (await engine.count_tokens(prompt)).total_tokens


def _begins(turn: protos.Content) -> bool:
    """Whether a history may begin with this turn: one of the user's, and no result of a function."""
    return turn.role in ("", "user") and not any(part.HasField("function_response") for part in turn.parts)
