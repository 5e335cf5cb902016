"""`ChatSession`: a conversation that keeps its history."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol, TypeVar

from genai_grpc import protos, types
from genai_grpc._coerce.content import to_content, to_contents
from genai_grpc._coerce.serialize import SerializedContents, TurnList
from genai_grpc._coerce.settings import to_generation_settings
from genai_grpc._coerce.tools import FunctionLibrary
from genai_grpc._function_calling import Exchange, ToolLoopState, copy_turn, run_tool_loop, stream_tool_loop
from genai_grpc._generate_request import Overrides
from genai_grpc._replies import candidates_so_far, check_candidate, check_complete, check_prompt
from genai_grpc._rpc.operation import CallMethod, OpenStream, Operation
from genai_grpc._self import Self
from genai_grpc._services.messages import GEMINI, Protos, read_type, with_type
from genai_grpc._transport.sync import SyncDriver
from genai_grpc.errors import (
    BrokenResponseError,
    IncompleteIterationError,
)
from genai_grpc.responses import AsyncGenerateContentResponse, GenerateContentResponse
from genai_grpc.types import AutomaticFunctionCalling

__all__ = ["ChatModel", "ChatSession"]

Response = TypeVar("Response", GenerateContentResponse, AsyncGenerateContentResponse)
AnyResponse = GenerateContentResponse | AsyncGenerateContentResponse


class ChatModel(Protocol):
    """What a chat needs of a model: `GenerativeModel`, a subclass, or anything that generates as it does.

    A chat sends each request through these methods, so that whatever overrides or wraps them sees what chats send.
    """

    @property
    def generate_content(self) -> Callable[..., Any]:
        """Generates a response, as `GenerativeModel.generate_content` does."""
        ...

    @property
    def generate_content_async(self) -> Callable[..., Any]:
        """Its async twin."""
        ...

    @property
    def _get_tools_lib(self) -> Callable[[Any], FunctionLibrary | None]:
        """Returns the tools of a call."""
        ...


_SYNC = SyncDriver()


class ChatSession:
    """A conversation with a model.

    The user's turn and the reply enter the history together, once the reply is complete.

    Args:
        model: The model.
        history: The turns so far, as Contents or their dicts.
        enable_automatic_function_calling: Whether the functions among the model's tools answer its function calls,
            until it replies with text; an AutomaticFunctionCalling sets the details.

    >>> from genai_grpc import GenerativeModel
    >>> chat = GenerativeModel().start_chat()
    >>> chat.send_message("My name is Ada.").text
    'Nice to meet you, Ada!'
    >>> [turn.role for turn in chat.history]
    ['user', 'model']
    """

    def __init__(
        self,
        model: ChatModel,
        history: Iterable[types.StrictContentType] | None = None,
        enable_automatic_function_calling: bool | AutomaticFunctionCalling = False,
    ) -> None:
        _check_candidate_count(getattr(model, "_generation_config", None))
        self.model = model
        self.enable_automatic_function_calling = enable_automatic_function_calling
        self._last: Exchange | None = None
        self._history: list[protos.Content] = []
        # The history as it is sent; None once the program holds turns that it may edit.
        self._serialized: SerializedContents | None = None
        self.history = history or ()

    def send_message(
        self,
        content: types.ContentType,
        *,
        generation_config: types.GenerationConfigType | None = None,
        safety_settings: types.SafetySettingOptions | None = None,
        stream: bool = False,
        tools: types.ToolsType | None = None,
        tool_config: types.ToolConfigType | None = None,
        request_options: types.RequestOptionsType | None = None,
        labels: Mapping[str, str] | None = None,
        model_armor_config: Any = None,
    ) -> GenerateContentResponse:
        """Send the user's next turn with the history before it, and return the reply.

        Args:
            content: The turn: a str, an image, a Part, or a list of these.
            generation_config: Merged key by key over the model's.
            safety_settings: Merged category by category over the model's.
            stream: Whether to return with the first chunk. The turn is complete once the stream was read to its end.
            tools: In place of the model's.
            tool_config: In place of the model's.
            request_options: Timeouts, retry policy and metadata of each call.
            labels: In place of the model's; of Vertex AI only.
            model_armor_config: In place of the model's; of Vertex AI only.

        Raises:
            BlockedPromptException: The prompt was blocked; the history is unchanged.
            StopCandidateException: The finish reason keeps the reply out of a history; the history is unchanged.
            IncompleteIterationError: The last reply is a stream that has not been read to its end.
            BrokenResponseError: The last reply failed half-way; `rewind()` removes it.
            RuntimeError: Another thread or task is sending a message of this chat.
            FunctionCallingError: The model called functions in more than `max_rounds` replies.
            APIError: The call failed; the history is unchanged.

        >>> from genai_grpc import GenerativeModel
        >>> GenerativeModel().start_chat().send_message("Hi, I have some questions for you.").text
        'Ask away!'
        """
        overrides = Overrides(
            generation_config, safety_settings, tools, tool_config, request_options, labels, model_armor_config
        )
        operation = self._send(GenerateContentResponse, content, stream, overrides)
        return _SYNC.run(operation)

    async def send_message_async(
        self,
        content: types.ContentType,
        *,
        generation_config: types.GenerationConfigType | None = None,
        safety_settings: types.SafetySettingOptions | None = None,
        stream: bool = False,
        tools: types.ToolsType | None = None,
        tool_config: types.ToolConfigType | None = None,
        request_options: types.RequestOptionsType | None = None,
        labels: Mapping[str, str] | None = None,
        model_armor_config: Any = None,
    ) -> AsyncGenerateContentResponse:
        """The async twin of `send_message`."""
        overrides = Overrides(
            generation_config, safety_settings, tools, tool_config, request_options, labels, model_armor_config
        )
        operation = self._send(AsyncGenerateContentResponse, content, stream, overrides)
        from genai_grpc._transport.aio import AsyncDriver  # asyncio takes 30 ms, and sync programs do without

        return await AsyncDriver().run(operation)

    @property
    def history(self) -> list[protos.Content]:
        """The turns so far. The list is the session's own: edits to it change what is sent.

        Raises:
            IncompleteIterationError: The last reply is a stream that has not been read to its end.
            BrokenResponseError: The last reply failed half-way; `rewind()` removes it.
        """
        self._commit()
        self._coerce_history()
        self._serialized = None
        return self._history

    @history.setter
    def history(self, turns: Iterable[types.StrictContentType]) -> None:
        items: list[Any] = [turns]
        if isinstance(turns, Iterable) and not isinstance(turns, (str, Mapping)):
            turns = items = list(turns)
        protos = self._protos
        self._history = to_contents(turns, protos) if turns else []
        # The program may edit a turn that it passed as a message.
        shared = set(map(id, items)).intersection(map(id, self._history))
        self._serialized = None if shared else SerializedContents.of_turns(self._history, protos)
        self._last = None

    @property
    def _last_sent(self) -> protos.Content | None:
        return None if self._last is None else self._last.state.sent[0]

    @property
    def _last_received(self) -> AnyResponse | None:
        return self.last

    @property
    def last(self) -> AnyResponse | None:
        """The last reply, until it has entered the history."""
        return None if self._last is None else self._last.received

    def rewind(self) -> tuple[protos.Content, protos.Content]:
        """Remove the last message and its reply, with the function calls between them, and return both.

        A reply that failed half-way is returned as far as it came.

        Raises:
            IncompleteIterationError: The last reply is a stream that has not been read to its end.
            IndexError: There is no message and reply to remove.

        >>> from genai_grpc import GenerativeModel
        >>> turns = [{"role": "user", "parts": "Hi"}, {"role": "model", "parts": "Hello"}]
        >>> chat = GenerativeModel().start_chat(history=turns)
        >>> sent, received = chat.rewind()
        >>> received.parts[0].text, chat.history
        ('Hello', [])
        """
        if self._last is not None:
            candidates = candidates_so_far(self._last.received)
            received = candidates[0].content if candidates else self._protos.Content(role="model")
            sent, self._last = self._last.state.sent[0], None
            return sent, received
        turns = list(self._history)
        if len(turns) < 2:
            raise IndexError(f"there is no message and reply to remove; the history has {len(turns)} turns")
        received, sent = turns.pop(), turns.pop()
        while len(turns) >= 2 and _answers_calls(sent):
            _, sent = turns.pop(), turns.pop()
        self._history[:] = turns
        self._serialized = None
        return sent, received

    def to_json(self) -> str:
        """The history as JSON; `from_json` reads it, and loses nothing.

        It is a list of turns, each as protobuf's JSON of a Content (https://protobuf.dev/programming-guides/json/). A
        turn that has more than that can express, such as a field of a newer version of the API or a NaN, has the
        serialized message in addition, as "@serialized", and is read from it.

        Raises:
            IncompleteIterationError: The last reply is a stream that has not been read to its end.
            BrokenResponseError: The last reply failed half-way; `rewind()` removes it.
        """
        from genai_grpc_protos._json import to_lossless_dict  # json_format takes 50 ms

        self._commit()
        return json.dumps([with_type(turn, to_lossless_dict(turn)) for turn in self._history], ensure_ascii=False)

    @classmethod
    def from_json(
        cls,
        model: ChatModel,
        text: str,
        enable_automatic_function_calling: bool | AutomaticFunctionCalling = False,
    ) -> Self:
        """The conversation that `to_json` wrote, to be continued.

        Raises:
            ValueError: The text is not the JSON of a history.

        >>> from genai_grpc import GenerativeModel
        >>> chat = GenerativeModel().start_chat(history=[{"role": "user", "parts": "Hi"}])
        >>> ChatSession.from_json(GenerativeModel(), chat.to_json()).history == chat.history
        True
        """
        from genai_grpc_protos._json import from_json_dict, load_json  # as above

        try:
            values = load_json(text)
            if not isinstance(values, list):
                raise ValueError(f"got {type(values).__name__}")  # noqa: TRY004, TRY301 -- data, no argument
            turns = [from_json_dict(protos.Content, fields) for protos, fields in map(read_type, values)]
        except ValueError as error:
            raise ValueError(f"cannot read a history, a JSON list of turns: {error}") from error
        chat = cls(model, None, enable_automatic_function_calling)
        # Not by the setter, which gives a last turn without a role that of the user.
        chat._history, chat._serialized = turns, SerializedContents.of_turns(turns, chat._protos)
        return chat

    def _send(
        self, response_type: type[Response], content: types.ContentType, stream: bool, overrides: Overrides
    ) -> Operation[Response]:
        """The operation of one message, which no other message of this chat may overlap."""
        # Atomic, for threads: the first of several messages sets it.
        if self.__dict__.setdefault("_sending", overrides) is not overrides:
            raise RuntimeError(
                "the chat waits for the reply to another message; send one message at a time, or use one chat for each"
            )
        try:
            return (yield from self._exchange(response_type, content, stream, overrides))
        finally:
            del self.__dict__["_sending"]

    def _exchange(
        self, response_type: type[Response], content: types.ContentType, stream: bool, overrides: Overrides
    ) -> Operation[Response]:
        """One call, or as many as the model's function calls take."""
        _check_candidate_count(to_generation_settings(overrides.generation_config))
        turn = to_content(content, self._protos)
        self._commit()
        self._coerce_history()
        turn = turn if isinstance(content, str) else copy_turn(turn, "")  # it may be the caller's
        turn.role = turn.role or "user"
        # The model, and not the chat: a stream that refers to what refers to it would not end when it is dropped.
        state, model = ToolLoopState(self._history, self._serialized, turn), self.model

        def generate(turns: TurnList) -> CallMethod:
            options = overrides.arguments()
            return CallMethod(model, "generate_content", {"contents": turns, "stream": stream, **options})

        automatic = self.enable_automatic_function_calling
        functions = self.model._get_tools_lib(overrides.tools) if automatic else None
        if functions is None:
            response: Response = yield generate(state.turns)
        else:
            settings = automatic if isinstance(automatic, AutomaticFunctionCalling) else AutomaticFunctionCalling()
            if stream:
                opened = yield OpenStream(stream_tool_loop(generate, state, functions, settings))
                response = response_type.from_stream(opened)
            else:
                response = yield from run_tool_loop(generate, check_complete, state, functions, settings)
        check_prompt(response)
        self._last = Exchange(state, response, None if stream else check_candidate(response))
        return response

    @property
    def _protos(self) -> Protos:
        """The messages of the turns: those of the API that the model calls."""
        found = getattr(self.model, "_protos", None)
        return found if isinstance(found, Protos) else GEMINI  # a mock has any attribute

    def _coerce_history(self) -> None:
        """Make messages of what the program has put into the history, such as dicts."""
        if self._serialized is None:
            self._history[:] = [to_content(turn, self._protos) for turn in self._history]

    def _commit(self) -> None:
        """Move a complete last reply into the history, with the turns before it.

        A reply without parts could not be sent again; it and its message stay out of the history.
        """
        if self._last is None:
            return
        try:
            received = self._last.content
            if received is None or self._last.received.error is not None:
                received = check_candidate(self._last.received)
        except IncompleteIterationError:
            raise
        except Exception as error:
            self._last.received._error = error
            raise BrokenResponseError(
                "the last reply cannot enter the history (see the error before this one); "
                "chat.last holds it, and chat.rewind() removes it and its message"
            ) from error
        if not received.parts:
            self._last = None
            return
        # A copy: the program may hold, and edit, the response whose content this is.
        reply = copy_turn(received, "model")
        self._history += [*self._last.state.sent, reply]
        if self._serialized is not None:
            # All that was sent is serialized already, unless something has read the turns; only the reply is new.
            self._serialized = self._last.state.turns.serialized
            if self._serialized is not None:
                self._serialized.append(reply)
        self._last = None

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_sending"}

    def __copy__(self) -> Self:
        return type(self)(self.model, list(self.history), self.enable_automatic_function_calling)

    def __repr__(self) -> str:
        model = repr(self.model).replace("\n", "\n    ")
        last = "" if self._last is None else f",\n    last={type(self._last.received).__name__}"
        return f"ChatSession(\n    model={model},\n    history=<{len(self._history)} turns>{last}\n)"


def _answers_calls(turn: protos.Content) -> bool:
    return bool(turn.parts) and all(part.WhichOneof("data") == "function_response" for part in turn.parts)


def _check_candidate_count(settings: Any) -> None:
    count = (settings.get("candidate_count") or 1) if isinstance(settings, Mapping) else 1
    if count > 1:
        raise ValueError(f"a chat takes one candidate per turn; candidate_count is {count}")
