"""`ChatSession`: a conversation, one turn of each side at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

from genai_grpc import protos
from genai_grpc._coerce.content import to_content, to_contents
from genai_grpc._coerce.settings import to_generation_settings
from genai_grpc.errors import (
    BlockedPromptException,
    BrokenResponseError,
    GenAIError,
    IncompleteIterationError,
    StopCandidateException,
)
from genai_grpc.generative_model import GenerativeModel, generation
from genai_grpc.responses import AsyncGenerateContentResponse, GenerateContentResponse

if TYPE_CHECKING:
    from collections.abc import Iterable

    from typing_extensions import Self, Unpack

    from genai_grpc._call import Call
    from genai_grpc.types import ContentType, GenerateOptions, StrictContentType

__all__ = ["ChatSession"]

Response = TypeVar("Response", GenerateContentResponse, AsyncGenerateContentResponse)
AnyResponse = GenerateContentResponse | AsyncGenerateContentResponse

# The reasons with which a reply may stand in a history.
GOOD_ENDS: Final = frozenset(
    protos.Candidate.FinishReason.Value(name) for name in ("FINISH_REASON_UNSPECIFIED", "STOP", "MAX_TOKENS")
)


class ChatSession:
    """A conversation with a model.

    The user's turn and the reply enter the history together, once the reply is complete.

    Args:
        model: The model to talk to.
        history: The turns so far, as Contents or their dicts.
        enable_automatic_function_calling: Not offered yet; only False is taken.

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
        enable_automatic_function_calling: bool = False,
    ) -> None:
        if enable_automatic_function_calling:
            raise ValueError("automatic function calling is not offered yet; answer response.function_calls yourself")
        _refuse_many(model.candidate_count)
        self.model = model
        self.enable_automatic_function_calling = enable_automatic_function_calling
        self._sent: protos.Content | None = None
        self._received: AnyResponse | None = None
        self._history: list[protos.Content] = []
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
        call, turn = self._describe(GenerateContentResponse, content, stream, options)
        return self._keep(turn, self.model.client.call(call), stream)

    async def send_message_async(
        self, content: ContentType, *, stream: bool = False, **options: Unpack[GenerateOptions]
    ) -> AsyncGenerateContentResponse:
        """The async twin of `send_message`."""
        call, turn = self._describe(AsyncGenerateContentResponse, content, stream, options)
        return self._keep(turn, await self.model.client.call_async(call), stream)

    @property
    def history(self) -> list[protos.Content]:
        """The turns so far. The list is the session's own: what a program changes in it is sent as changed.

        Raises:
            IncompleteIterationError: The last reply is a stream that was not read to its end.
            BrokenResponseError: The last reply failed half-way; `rewind()` takes it back.
        """
        self._commit()
        return self._history

    @history.setter
    def history(self, turns: Iterable[StrictContentType]) -> None:
        turns = list(turns)
        self._history = to_contents(turns) if turns else []
        self._sent = self._received = None

    @property
    def last(self) -> AnyResponse | None:
        """The last reply, until it has entered the history."""
        return self._received

    def rewind(self) -> tuple[protos.Content, protos.Content]:
        """Take back the last turn of each side, and return both; a reply that failed half-way, as far as it came.

        Raises:
            IncompleteIterationError: The last reply is a stream that was not read to its end.
            IndexError: There is nothing to take back.
        """
        if self._received is None or self._sent is None:
            if len(self._history) < 2:
                raise IndexError(f"there is no pair of turns to take back; the history has {len(self._history)} turns")
            received, sent = self._history.pop(), self._history.pop()
            return sent, received
        candidates = self._received.candidates
        taken = self._sent, (candidates[0].content if candidates else protos.Content(role="model"))
        self._sent = self._received = None
        return taken

    def _describe(
        self, kind: type[Response], content: ContentType, stream: bool, options: GenerateOptions
    ) -> tuple[Call[Any, Any, Response], protos.Content]:
        """The call of the next turn, and the turn."""
        _refuse_many(to_generation_settings(options.get("generation_config")).get("candidate_count") or 1)
        turn = to_content(content)
        if not turn.role:
            turn = protos.Content(role="user", parts=turn.parts)
        rest = dict[str, Any](options)
        request_options = rest.pop("request_options", None)
        request = self.model.build_request([*self.history, turn], **rest)
        return generation(kind, request, stream, request_options), turn

    def _keep(self, turn: protos.Content, response: Response, stream: bool) -> Response:
        """Take in a reply, whole or begun; one that may not stand in a history is refused."""
        if response.prompt_feedback.block_reason:
            raise BlockedPromptException(response.prompt_feedback)
        if not stream:
            _check_end(response)
        self._sent, self._received = turn, response
        return response

    def _commit(self) -> None:
        """Move a complete last reply into the history."""
        if self._received is None or self._sent is None:
            return
        try:
            received = _check_end(self._received)
        except IncompleteIterationError:
            raise
        except GenAIError as error:
            raise BrokenResponseError(
                "the last reply cannot stand in the history (see the error before this one); "
                "chat.last holds it, and chat.rewind() takes it and the turn before it back"
            ) from error
        if not received.role:
            received.role = "model"
        self._history += [self._sent, received]
        self._sent = self._received = None

    def __copy__(self) -> Self:
        return type(self)(self.model, list(self.history), self.enable_automatic_function_calling)

    def __repr__(self) -> str:
        state = "" if self._received is None else f", last={type(self._received).__name__}"
        return f"ChatSession(model={self.model!r}, turns={len(self._history)}{state})"


def _check_end(response: AnyResponse) -> protos.Content:
    """The content of a complete reply; raises what ended it early, or StopCandidateException."""
    candidates = response.candidates
    if response.error is not None:
        raise response.error
    if not candidates:
        raise StopCandidateException("the reply has no candidate")
    if candidates[0].finish_reason not in GOOD_ENDS:
        raise StopCandidateException(candidates[0])
    return candidates[0].content


def _refuse_many(candidates: int) -> None:
    if candidates > 1:
        raise ValueError(f"a chat takes one candidate a turn; candidate_count is {candidates}")
