"""An open live session."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, Final

from genai_grpc import protos
from genai_grpc._coerce.content import to_contents
from genai_grpc._coerce.tools import FunctionLibrary
from genai_grpc._function_calling import answer_calls, callable_functions, check_rounds
from genai_grpc._live_messages import LiveMessage, to_realtime_input, to_tool_response
from genai_grpc.errors import Aborted

if TYPE_CHECKING:
    from pathlib import Path

    from genai_grpc.types import AutomaticFunctionCalling, BlobType, ContentsType

__all__ = ["LiveSession"]

_RESUME: Final = (
    "open another one, with its `handle` as session_resumption if the setup had session_resumption: the conversation "
    "goes on there"
)


class LiveSession:
    """An open session; `genai_grpc.live.connect` opens it. Tasks may send while another one receives.

    >>> import asyncio
    >>> import genai_grpc as genai
    >>> async def main():
    ...     async with genai.live.connect("gemini-pro") as session:
    ...         await session.send_realtime_input(text="Hi.")
    ...         return "".join([message.text async for message in session.receive()])
    >>> asyncio.run(main())
    'Hello.'
    """

    def __init__(
        self, stream: Any, transport: Any, functions: FunctionLibrary | None, automatic: AutomaticFunctionCalling | None
    ) -> None:
        self._stream = stream
        self._transport = transport
        self._functions = functions
        self._automatic = automatic
        self._receiving = False
        self._reading: asyncio.Task[Any] | None = None
        # The tasks that call functions, with the ids of the calls whose results are needed.
        self._answers: dict[asyncio.Task[None], set[str]] = {}
        self._rounds = 0
        self._handle: str | None = None

    @property
    def handle(self) -> str | None:
        """The latest handle to resume the session with, as `session_resumption` of another one; None without one.

        The service sends it during the session; `receive` takes note of it.
        """
        return self._handle

    async def send_client_content(self, turns: ContentsType | None = None, *, turn_complete: bool = True) -> None:
        """Add turns to the conversation, which ends a reply in progress.

        Args:
            turns: As the contents of `generate_content`.
            turn_complete: Whether the model is to reply now.

        Raises:
            APIError: The session has ended.
        """
        contents = [] if turns is None else to_contents(turns)
        content = protos.BidiGenerateContentClientContent(turns=contents, turn_complete=turn_complete)
        await self.send(protos.BidiGenerateContentClientMessage(client_content=content))

    async def send_realtime_input(
        self,
        *,
        audio: BlobType | Path | None = None,
        video: BlobType | Path | None = None,
        text: str | None = None,
        audio_stream_end: bool = False,
        activity_start: bool = False,
        activity_end: bool = False,
    ) -> None:
        """Send input as it arises; the service finds the turns in it.

        Args:
            audio: Samples, such as `{"mime_type": "audio/pcm;rate=16000", "data": ...}`.
            video: A frame: an image, a Path, or a dict as for `audio`.
            text: Text that was typed.
            audio_stream_end: Whether the microphone is switched off.
            activity_start: Whether a turn of the user begins, in a session without automatic activity detection.
            activity_end: Whether it ends.

        Raises:
            APIError: The session has ended.
            TypeError: Nothing was passed, or something that is no media.
        """
        message = to_realtime_input(
            audio,
            video,
            text,
            audio_stream_end=audio_stream_end,
            activity_start=activity_start,
            activity_end=activity_end,
        )
        await self.send(protos.BidiGenerateContentClientMessage(realtime_input=message))

    async def send_tool_response(self, function_responses: Any) -> None:
        """Send results of function calls.

        Args:
            function_responses: One or several FunctionResponses, or dicts such as
                `{"id": call.id, "name": call.name, "response": {...}}`.

        Raises:
            APIError: The session has ended.
            TypeError: They are no FunctionResponses.
            ValueError: One has no id.
        """
        response = to_tool_response(function_responses)
        await self.send(protos.BidiGenerateContentClientMessage(tool_response=response))

    async def send(self, message: protos.BidiGenerateContentClientMessage) -> None:
        """Send a message as it is."""
        await self._stream.write(message)

    async def receive(self) -> AsyncIterator[LiveMessage]:
        """The messages of the service up to the end of its turn. To iterate over the session reads on, to its end.

        A task that waits for a message can be cancelled: the next one is received by the next call.

        Raises:
            Aborted: The session ended before the turn did.
            APIError: The session failed.
            FunctionCallingError: The model calls functions in more than `max_rounds` replies, one after the other.
            RuntimeError: Another task receives.
        """
        while (message := await self._next()) is not None:
            yield message
            if message.turn_complete:
                return
        raise Aborted(f"the service has ended the session; {_RESUME}")

    async def __aiter__(self) -> AsyncIterator[LiveMessage]:
        while (message := await self._next()) is not None:
            yield message

    async def _next(self) -> LiveMessage | None:
        """The next message; None at the end of the session."""
        if self._receiving:
            raise RuntimeError("another task receives the messages of this session; let one task receive them all")
        self._receiving = True
        try:
            received = await self._read()
        finally:
            self._receiving = False
        if received is None:
            return None
        if received.session_resumption_update.resumable:
            self._handle = received.session_resumption_update.new_handle
        message = LiveMessage(received)
        self._answer(message)
        return message

    async def _read(self) -> Any:
        """Read a message, while functions may run. Not cancelled with the task that waits: that would end the call."""
        reading = self._reading = self._reading or asyncio.create_task(self._stream.read())
        while not reading.done():
            await asyncio.wait({reading, *self._answers}, return_when=asyncio.FIRST_COMPLETED)
            for task in [task for task in self._answers if task.done()]:
                del self._answers[task]
                if not task.cancelled():
                    task.result()
        self._reading = None
        return reading.result()

    def _answer(self, message: LiveMessage) -> None:
        """Start the functions that a message calls, and cancel those that it cancels."""
        if message.turn_complete:
            self._rounds = 0
        if cancelled := message.cancelled_calls:
            for task, ids in self._answers.items():
                ids.difference_update(cancelled)
                if not ids:
                    task.cancel()
        if self._automatic is None or self._functions is None or not message.function_calls:
            return
        if calls := callable_functions(message.function_calls, self._functions):
            check_rounds(self._rounds, self._automatic, calls)
            self._rounds += 1
            ids = {call.id for call, _ in calls}
            self._answers[asyncio.create_task(self._send_results(calls, self._automatic, ids))] = ids

    async def _send_results(self, calls: Any, automatic: AutomaticFunctionCalling, ids: set[str]) -> None:
        answers = await self._transport.run(answer_calls(calls, automatic))
        responses = [part.function_response for part in answers.parts if part.function_response.id in ids]
        if responses:
            await self.send_tool_response(responses)

    async def aclose(self) -> None:
        """End the session, and the functions that run. The end of the block does it, too."""
        tasks = list(self._answers)
        if self._reading is not None:
            tasks.append(self._reading)
        for task in tasks:
            task.cancel()
        self._stream.close()
        await asyncio.gather(*tasks, return_exceptions=True)
