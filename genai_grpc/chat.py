"""`ChatSession`: a conversation, one turn of each side at a time."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from genai_grpc import protos
from genai_grpc._coerce.content import to_content, to_contents
from genai_grpc._coerce.serialize import serialize_turn
from genai_grpc._coerce.settings import to_generation_settings
from genai_grpc._function_calling import ToolLoopState, run_tool_loop, stream_tool_loop
from genai_grpc._responses.text import COMPLETE_REASONS
from genai_grpc._rpc.call import Call, OpenStream, identity
from genai_grpc.errors import (
    BlockedPromptException,
    BrokenResponseError,
    IncompleteIterationError,
    StopCandidateException,
)
from genai_grpc.responses import AsyncGenerateContentResponse, GenerateContentResponse
from genai_grpc.types import AutomaticFunctionCalling

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from typing_extensions import Self, Unpack

    from genai_grpc._rpc.call import Operation
    from genai_grpc.generative_model import GenerativeModel
    from genai_grpc.types import ContentType, GenerateOptions, StrictContentType

__all__ = ["ChatSession"]

Response = TypeVar("Response", GenerateContentResponse, AsyncGenerateContentResponse)
AnyResponse = GenerateContentResponse | AsyncGenerateContentResponse


class ChatSession:
    """A conversation with a model.

    The user's turn and the reply enter the history together, once the reply is complete.

    Args:
        model: The model to talk to.
        history: The turns so far, as Contents or their dicts.
        enable_automatic_function_calling: Whether the model's calls are answered by the functions among its tools,
            until it replies in words; an AutomaticFunctionCalling says how far to go.

    >>> from genai_grpc import GenerativeModel
    >>> chat = GenerativeModel().start_chat()
    >>> chat.send_message("My name is Ada.").text
    'Nice to meet you, Ada!'
    >>> [turn.role for turn in chat.history]
    ['user', 'model']
    """

    def __init__(
        self,
        model: GenerativeModel,
        history: Iterable[StrictContentType] | None = None,
        enable_automatic_function_calling: bool | AutomaticFunctionCalling = False,
    ) -> None:
        _refuse_many(model.candidate_count)
        self.model = model
        self.enable_automatic_function_calling = enable_automatic_function_calling
        self._exchange: ToolLoopState | None = None
        self._history: list[protos.Content] = []
        # The turns as they are sent; None once a program has been handed turns that it may edit.
        self._frames: list[bytes] | None = []
        self.history = history or ()

    def send_message(
        self, content: ContentType, *, stream: bool = False, **options: Unpack[GenerateOptions]
    ) -> GenerateContentResponse:
        """Send the user's next turn with the history before it, and return the reply.

        Args:
            content: The turn: a str, an image, a Part, or a list of these.
            stream: Whether to return with the first chunk. The turn is complete when the stream was read to its end.
            **options: See `types.GenerateOptions`.

        Raises:
            BlockedPromptException: The prompt was blocked; the history is unchanged.
            StopCandidateException: The reply ended for a reason that keeps it out of a history, which is unchanged.
            IncompleteIterationError: The reply before this one is a stream that was not read to its end.
            BrokenResponseError: The reply before this one failed half-way; `rewind()` takes it back.
            APIError: The call failed; the history is unchanged.

        >>> from genai_grpc import GenerativeModel
        >>> GenerativeModel().start_chat().send_message("Hi, I have some questions for you.").text
        'Ask away!'
        """
        return self.model.client.run(self._send(GenerateContentResponse, content, stream, options))

    async def send_message_async(
        self, content: ContentType, *, stream: bool = False, **options: Unpack[GenerateOptions]
    ) -> AsyncGenerateContentResponse:
        """The async twin of `send_message`."""
        return await self.model.client.run_async(self._send(AsyncGenerateContentResponse, content, stream, options))

    @property
    def history(self) -> list[protos.Content]:
        """The turns so far. The list is the session's own: what a program changes in it is sent as changed.

        Raises:
            IncompleteIterationError: The last reply is a stream that was not read to its end.
            BrokenResponseError: The last reply failed half-way; `rewind()` takes it back.
        """
        self._commit()
        self._frames = None
        return self._history

    @history.setter
    def history(self, turns: Iterable[StrictContentType]) -> None:
        given: list[Any] = [turns]
        if isinstance(turns, Iterable) and not isinstance(turns, (str, Mapping)):
            turns = given = list(turns)
        self._history = to_contents(turns) if turns else []
        # A turn that was given as a message is the program's own, to be edited.
        theirs = set(map(id, given)).intersection(map(id, self._history))
        self._frames = None if theirs else list(map(serialize_turn, self._history))
        self._exchange = None

    @property
    def last(self) -> AnyResponse | None:
        """The last reply, until it has entered the history."""
        return None if self._exchange is None else self._exchange.received

    def rewind(self) -> tuple[protos.Content, protos.Content]:
        """Take back the last message and its reply, with the function calls between them, and return both.

        A reply that failed half-way is returned as far as it came.

        Raises:
            IncompleteIterationError: The last reply is a stream that was not read to its end.
            IndexError: There is nothing to take back.

        >>> from genai_grpc import GenerativeModel
        >>> turns = [{"role": "user", "parts": "Hi"}, {"role": "model", "parts": "Hello"}]
        >>> chat = GenerativeModel().start_chat(history=turns)
        >>> sent, received = chat.rewind()
        >>> received.parts[0].text, chat.history
        ('Hello', [])
        """
        if self._exchange is not None:
            candidates = _candidates(self._exchange.received)
            taken = self._exchange.sent[0], (candidates[0].content if candidates else protos.Content(role="model"))
            self._exchange = None
            return taken
        turns = list(self._history)
        if len(turns) < 2:
            raise IndexError(f"there is no message and reply to take back; the history has {len(turns)} turns")
        received, sent = turns.pop(), turns.pop()
        while len(turns) >= 2 and _answers_calls(sent):
            _, sent = turns.pop(), turns.pop()
        self._history[:] = turns
        self._frames = None
        return sent, received

    def to_json(self) -> str:
        """The history as JSON, thought signatures included; `from_json` reads it."""
        from google.protobuf.json_format import MessageToDict

        from genai_grpc_protos._pool import POOL

        return json.dumps([MessageToDict(turn, descriptor_pool=POOL) for turn in self.history], ensure_ascii=False)

    @classmethod
    def from_json(
        cls,
        model: GenerativeModel,
        text: str,
        enable_automatic_function_calling: bool | AutomaticFunctionCalling = False,
    ) -> Self:
        """The conversation that `to_json` wrote, to go on with.

        Raises:
            ValueError: The text is no such JSON.

        >>> from genai_grpc import GenerativeModel
        >>> chat = GenerativeModel().start_chat(history=[{"role": "user", "parts": "Hi"}])
        >>> ChatSession.from_json(GenerativeModel(), chat.to_json()).history == chat.history
        True
        """
        from google.protobuf.json_format import ParseDict, ParseError

        from genai_grpc_protos._pool import POOL

        try:
            turns = [ParseDict(turn, protos.Content(), descriptor_pool=POOL) for turn in json.loads(text)]
        except (ParseError, TypeError, ValueError) as error:
            raise ValueError(f"cannot read a history, a JSON list of turns: {error}") from error
        return cls(model, turns, enable_automatic_function_calling)

    def _send(
        self, kind: type[Response], content: ContentType, stream: bool, options: GenerateOptions
    ) -> Operation[Response]:
        """The plan of one message: one call, or as many as the model's function calls take."""
        _refuse_many(to_generation_settings(options.get("generation_config")).get("candidate_count") or 1)
        said = to_content(content)
        turn = protos.Content(role=said.role or "user", parts=said.parts)
        self._commit()
        frames = self._frames
        history = [serialize_turn(each) for each in self._history] if frames is None else list(frames)
        exchange = ToolLoopState(history=history, sent=[turn])

        def ask(turns: list[bytes]) -> Call[Any, Any, Response]:
            return self.model.describe_framed(kind, turns, stream, options)

        automatic = self.enable_automatic_function_calling
        library = self.model.library(options.get("tools")) if automatic else None
        if library is None:
            response: Response = yield ask(exchange.turns)
        else:
            settings = automatic if isinstance(automatic, AutomaticFunctionCalling) else AutomaticFunctionCalling()
            if stream:
                opened = yield OpenStream(stream_tool_loop(_unparsed(ask), exchange, library, settings))
                response = kind.from_source(opened)
            else:
                response = yield from run_tool_loop(ask, _check_whole, exchange, library, settings)
        if stream:
            _check_prompt(response)
        else:
            _check_whole(response)
        exchange.received = response
        self._exchange = exchange
        return response

    def _commit(self) -> None:
        """Move a complete last reply into the history."""
        if self._exchange is None:
            return
        try:
            received = _check_end(self._exchange.received)
        except IncompleteIterationError:
            raise
        except Exception as error:
            raise BrokenResponseError(
                "the last reply cannot stand in the history (see the error before this one); "
                "chat.last holds it, and chat.rewind() takes it and the turn before it back"
            ) from error
        if not received.role:
            received.role = "model"
        # A copy: a program may hold, and edit, the response that the content is of.
        turns = [*self._exchange.sent, protos.Content(role=received.role, parts=received.parts)]
        self._history += turns
        if self._frames is not None:
            self._frames += map(serialize_turn, turns)
        self._exchange = None

    def __copy__(self) -> Self:
        return type(self)(self.model, list(self.history), self.enable_automatic_function_calling)

    def __repr__(self) -> str:
        state = "" if self._exchange is None else f", last={type(self._exchange.received).__name__}"
        return f"ChatSession(model={self.model!r}, turns={len(self._history)}{state})"


def _unparsed(ask: Callable[[list[bytes]], Call[Any, Any, Any]]) -> Callable[..., Call[Any, Any, Any]]:
    """The same calls, whose results are the open streams themselves."""

    def unparsed(turns: list[bytes]) -> Call[Any, Any, Any]:
        call = ask(turns)
        return Call(call.method, call.request, identity, call.options)

    return unparsed


def _candidates(response: AnyResponse) -> Sequence[protos.Candidate]:
    """The candidates of a reply that was read to its end, or as far as it came before it failed."""
    try:
        return response.candidates
    except IncompleteIterationError:
        raise
    except Exception:
        # The look for the end met the failure; now it is known.
        return response.candidates


def _check_prompt(response: AnyResponse) -> None:
    if response.prompt_feedback.block_reason:
        raise BlockedPromptException(response.prompt_feedback)


def _check_whole(response: AnyResponse) -> None:
    _check_prompt(response)
    _check_end(response)


def _check_end(response: AnyResponse) -> protos.Content:
    """The content of a complete reply; raises what ended it early, or StopCandidateException."""
    candidates = response.candidates
    if response.error is not None:
        raise response.error
    if not candidates:
        raise StopCandidateException("the reply has no candidate")
    if candidates[0].finish_reason not in COMPLETE_REASONS:
        raise StopCandidateException(candidates[0])
    return candidates[0].content


def _answers_calls(turn: protos.Content) -> bool:
    return bool(turn.parts) and all(part.WhichOneof("data") == "function_response" for part in turn.parts)


def _refuse_many(candidates: int) -> None:
    if candidates > 1:
        raise ValueError(f"a chat takes one candidate a turn; candidate_count is {candidates}")
