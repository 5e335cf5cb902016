"""Live sessions: a conversation over one bidirectional call, with the engine's replies as they come."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import Any, Final, TypeAlias

from genai_grpc import protos
from genai_grpc.errors import InvalidArgument
from genai_grpc.local._received_request import RECEIVED, current_caller
from genai_grpc.local.engines.engine import Engine
from genai_grpc.local.services.errors import Context
from genai_grpc.local.services.live_input import LiveInput, check_setup, shorten
from genai_grpc.local.state.live_sessions import LiveSessionStore

__all__ = ["Generate", "LiveSession"]

Generate: TypeAlias = Callable[[protos.GenerateContentRequest], AsyncGenerator[protos.GenerateContentResponse, None]]

_Reply: Final = protos.BidiGenerateContentServerMessage
_Content: Final = protos.BidiGenerateContentServerContent


class LiveSession:
    """One session, from its setup to its end.

    Args:
        engine_of: Finds the engine of a model.
        generate: Generates a reply to a prompt.
        store: The histories of resumable sessions.
        context: gRPC's context, to which the replies are written.
    """

    def __init__(
        self, engine_of: Callable[[str], Engine], generate: Generate, store: LiveSessionStore, context: Context
    ) -> None:
        self._engine_of = engine_of
        self._generate = generate
        self._store = store
        self._context = context
        self._writing = asyncio.Lock()
        self._caller = current_caller()
        self._prompt = protos.GenerateContentRequest()
        self._setup = protos.BidiGenerateContentSetup()
        self._input = LiveInput(self._setup)
        self._reply: asyncio.Task[None] | None = None
        self._open_calls: set[str] = set()
        self._results: list[protos.FunctionResponse] = []
        self._handles: list[str] = []

    async def run(self, requests: AsyncIterator[protos.BidiGenerateContentClientMessage]) -> None:
        """Answer until the client has ended its side, and the last reply is complete.

        Raises:
            APIError: A message is not valid, or the engine failed.
        """
        await self._start(await anext(requests, None))
        received: asyncio.Task[Any] | None = None
        try:
            while True:
                received = received or asyncio.create_task(_next(requests))
                await asyncio.wait(filter(None, (received, self._reply)), return_when=asyncio.FIRST_COMPLETED)
                if self._reply is not None and self._reply.done():
                    reply, self._reply = self._reply, None
                    reply.result()
                if received.done():
                    message, received = received.result(), None
                    if message is None:
                        break
                    await self._receive(message)
            await self._end_reply()
        finally:
            pending = [task for task in (received, self._reply) if task is not None]
            for task in pending:
                task.cancel()
            await asyncio.gather(*pending, return_exceptions=True)

    async def go_away(self, seconds: float) -> None:
        """Warn the client that the session ends in so many seconds."""
        reply = _Reply()
        reply.go_away.time_left.FromMilliseconds(int(seconds * 1000))
        await self._write(reply)

    async def _start(self, first: protos.BidiGenerateContentClientMessage | None) -> None:
        if first is None or first.WhichOneof("message_type") != "setup":
            received = "none" if first is None else first.WhichOneof("message_type") or "an empty one"
            raise InvalidArgument(f"the first message of a session has its `setup`; got {received}")
        setup, prompt = self._setup, self._prompt
        setup.CopyFrom(first.setup)
        if (received_request := RECEIVED.get()) is not None:
            received_request.model = setup.model
        check_setup(self._engine_of(setup.model), setup)
        prompt.model = setup.model
        prompt.tools.extend(setup.tools)
        if setup.HasField("generation_config"):
            prompt.generation_config.CopyFrom(setup.generation_config)
        if setup.HasField("system_instruction"):
            prompt.system_instruction.CopyFrom(setup.system_instruction)
        if handle := setup.session_resumption.handle:
            prompt.contents.extend(await self._store.find(self._caller, handle))
            self._handles.append(handle)
        await self._write(_Reply(setup_complete=protos.BidiGenerateContentSetupComplete()))

    async def _receive(self, message: protos.BidiGenerateContentClientMessage) -> None:
        match message.WhichOneof("message_type"):
            case "client_content":
                await self._interrupt()
                self._prompt.contents.extend(message.client_content.turns)
                if message.client_content.turn_complete:
                    self._start_reply()
            case "realtime_input":
                await self._receive_input(message.realtime_input)
            case "tool_response":
                self._receive_results(message.tool_response)
            case "setup":
                raise InvalidArgument("a session has one `setup`, in its first message; open another session")
            case _:
                raise InvalidArgument("the message is empty; set client_content, realtime_input or tool_response")

    async def _receive_input(self, received: protos.BidiGenerateContentRealtimeInput) -> None:
        self._input.add(self._engine_of(self._setup.model), received)
        if self._input.began or self._input.complete:
            await (self._interrupt() if self._input.interrupts else self._end_reply())
        if self._input.complete and (parts := self._input.take()):
            self._prompt.contents.append(protos.Content(role="user", parts=parts))
            self._start_reply()

    def _receive_results(self, received: protos.BidiGenerateContentToolResponse) -> None:
        for response in received.function_responses:
            if response.id not in self._open_calls:
                raise InvalidArgument(
                    f"no function call with the id {response.id!r} waits for a result; send each result once, with the "
                    "id of its call"
                )
            self._open_calls.discard(response.id)
            self._results.append(response)
        if self._results and not self._open_calls:
            parts = [protos.Part(function_response=response) for response in self._results]
            self._results = []
            self._prompt.contents.append(protos.Content(role="user", parts=parts))
            self._start_reply()

    def _start_reply(self) -> None:
        self._reply = asyncio.create_task(self._send_reply())

    async def _end_reply(self) -> None:
        """Wait for the end of the reply in progress."""
        if self._reply is not None:
            reply, self._reply = self._reply, None
            await reply

    async def _interrupt(self) -> None:
        """End the reply in progress, since there is new input, and cancel the function calls that wait for results."""
        reply, self._reply = self._reply, None
        if reply is not None:
            reply.cancel()
            await asyncio.wait([reply])
            if reply.cancelled():
                await self._write(_Reply(server_content=_Content(interrupted=True)))
            else:
                reply.result()
        if self._open_calls:
            cancelled = protos.BidiGenerateContentToolCallCancellation(ids=sorted(self._open_calls))
            self._open_calls.clear()
            self._results = []
            del self._prompt.contents[-1]  # the turn with the calls
            await self._write(_Reply(tool_call_cancellation=cancelled))

    async def _send_reply(self) -> None:
        await shorten(self._engine_of(self._setup.model), self._setup, self._prompt)
        prompt, turn = protos.GenerateContentRequest(), protos.Content(role="model")
        prompt.CopyFrom(self._prompt)
        usage: Any = None
        try:
            async with aclosing(self._generate(prompt)) as chunks:
                async for chunk in chunks:
                    usage = chunk.usage_metadata if chunk.HasField("usage_metadata") else usage
                    for candidate in chunk.candidates[:1]:
                        turn.parts.extend(candidate.content.parts)
                        await self._send_parts(candidate.content)
        except BaseException:
            self._append([part for part in turn.parts if not part.HasField("function_call")])
            raise
        calls = [part.function_call for part in turn.parts if part.HasField("function_call")]
        for call in calls:
            call.id = call.id or secrets.token_hex(8)
        self._append(list(turn.parts))
        if calls:
            self._open_calls = {call.id for call in calls}
            await self._write(_with_usage(_Reply(tool_call={"function_calls": calls}), usage))
            return
        await self._write(_Reply(server_content=_Content(generation_complete=True)))
        # Before the end of the turn, after which a client may read no further.
        await self._offer_resumption()
        await self._write(_with_usage(_Reply(server_content=_Content(turn_complete=True)), usage))

    def _append(self, parts: list[protos.Part]) -> None:
        if parts:
            self._prompt.contents.append(protos.Content(role="model", parts=parts))

    async def _send_parts(self, content: protos.Content) -> None:
        parts = [part for part in content.parts if not part.HasField("function_call")]
        if any(part.text or part.WhichOneof("data") != "text" for part in parts):
            turn = protos.Content(role="model", parts=parts)
            await self._write(_Reply(server_content=_Content(model_turn=turn)))

    async def _offer_resumption(self) -> None:
        if not self._setup.HasField("session_resumption"):
            return
        # The last one stays: the client may not have received this one when its connection breaks.
        replaces = self._handles.pop(0) if len(self._handles) > 1 else ""
        self._handles.append(await self._store.save(self._caller, list(self._prompt.contents), replaces))
        update = protos.SessionResumptionUpdate(new_handle=self._handles[-1], resumable=True)
        await self._write(_Reply(session_resumption_update=update))

    async def _write(self, reply: protos.BidiGenerateContentServerMessage) -> None:
        async with self._writing:
            await self._context.write(reply)


async def _next(requests: AsyncIterator[protos.BidiGenerateContentClientMessage]) -> Any:
    return await anext(requests, None)


def _with_usage(reply: protos.BidiGenerateContentServerMessage, usage: Any) -> protos.BidiGenerateContentServerMessage:
    if usage is not None:
        reply.usage_metadata.prompt_token_count = usage.prompt_token_count
        reply.usage_metadata.response_token_count = usage.candidates_token_count
        reply.usage_metadata.total_token_count = usage.total_token_count
    return reply
