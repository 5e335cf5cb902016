"""What can go wrong, as classes.

`APIError` has one subclass for each gRPC status code but OK, named as in `google.api_core.exceptions`. The others say
what a program did, or what a reply was: a wrong configuration, a blocked prompt, a stream that was not read to its
end.

>>> from genai_grpc import errors
>>> error = errors.NotFound("no such model")
>>> error.status, error.code, str(error)
('NOT_FOUND', 404, '404 no such model')
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    import grpc
    from google.protobuf.message import Message

__all__ = [
    "APIError",
    "Aborted",
    "AlreadyExists",
    "BlockedPromptException",
    "BrokenResponseError",
    "Cancelled",
    "ClientClosed",
    "ConfigurationError",
    "DataLoss",
    "DeadlineExceeded",
    "FailedPrecondition",
    "FunctionCallingError",
    "GenAIError",
    "IncompleteIterationError",
    "InternalServerError",
    "InvalidArgument",
    "MethodNotImplemented",
    "NotFound",
    "OutOfRange",
    "PermissionDenied",
    "ResourceExhausted",
    "ServiceUnavailable",
    "StopCandidateException",
    "Unauthenticated",
    "Unknown",
]


class GenAIError(Exception):
    """Any error that this package raises on its own account.

    >>> import genai_grpc as genai
    >>> try:
    ...     genai.get_model("no-such-model")
    ... except GenAIError as error:
    ...     print(type(error).__name__)
    NotFound
    """


class ConfigurationError(GenAIError, ValueError):
    """The client cannot be built as configured; nothing was sent.

    >>> import genai_grpc as genai
    >>> genai.Client("YOUR_API_KEY", endpoint="http://example.com")
    Traceback (most recent call last):
    genai_grpc.errors.ConfigurationError: refusing to send an API key or token over plaintext to example.com:80...
    """


class BlockedPromptException(GenAIError):
    """The prompt was refused; the argument holds the prompt feedback with the reason.

    >>> import genai_grpc as genai
    >>> try:
    ...     genai.GenerativeModel().start_chat().send_message("Something harmful.")
    ... except BlockedPromptException as error:
    ...     error.args[0].block_reason == genai.protos.GenerateContentResponse.PromptFeedback.SAFETY
    True
    """


class StopCandidateException(GenAIError):
    """A candidate ended for a reason other than its own end or the token limit; the argument is that candidate.

    >>> import genai_grpc as genai
    >>> try:
    ...     genai.GenerativeModel().start_chat().send_message("Recite the book.")
    ... except StopCandidateException as error:
    ...     error.args[0].finish_reason == genai.protos.Candidate.RECITATION
    True
    """


class IncompleteIterationError(GenAIError):
    """The result of a stream was asked for before the stream was read to its end.

    >>> import genai_grpc as genai
    >>> response = genai.GenerativeModel().generate_content("Say hello.", stream=True)
    >>> response.text
    Traceback (most recent call last):
    genai_grpc.errors.IncompleteIterationError: the stream has not been read to its end; ...
    >>> response.resolve()
    >>> response.text
    'Hello, world'
    """


class BrokenResponseError(GenAIError):
    """A chat cannot go on after a reply that failed half-way; `ChatSession.rewind` takes it back.

    >>> import genai_grpc as genai
    >>> chat = genai.GenerativeModel().start_chat()
    >>> try:
    ...     chat.send_message("Say hello.", stream=True).resolve()
    ... except DataLoss as error:
    ...     print(error)
    500 the rest is lost
    >>> try:
    ...     chat.send_message("Go on.")
    ... except BrokenResponseError:
    ...     sent, received = chat.rewind()
    >>> received.parts[0].text
    'Hello,'
    """


class FunctionCallingError(GenAIError):
    """The model went on calling functions past the bound of automatic function calling.

    >>> import genai_grpc as genai
    >>> model = genai.GenerativeModel(tools=[{"name": "now", "function": lambda: "noon"}])
    >>> chat = model.start_chat(enable_automatic_function_calling=genai.types.AutomaticFunctionCalling(max_rounds=1))
    >>> chat.send_message("What time is it?")
    Traceback (most recent call last):
    genai_grpc.errors.FunctionCallingError: the model still calls functions (now) after 1 rounds of answers; ...
    """


class APIError(GenAIError):
    """A call that ended with a status other than OK.

    A program's `except google.api_core.exceptions.NotFound` catches a `NotFound` of ours too, where that package is
    loaded when the call fails.

    Attributes:
        message: The status message, as the service sent it.
        status: The name of the gRPC status code, e.g. "NOT_FOUND" (https://grpc.io/docs/guides/status-codes/).
        code: The HTTP status that the code maps to, e.g. 404, as in `google.api_core` (https://aip.dev/193).
        attempts: How often the call was attempted; 0 if it was not admitted before its deadline.

    >>> import genai_grpc as genai
    >>> try:
    ...     genai.get_model("no-such-model")
    ... except APIError as error:
    ...     print(error.status, error.code, error.attempts)
    NOT_FOUND 404 1
    """

    status: ClassVar[str]
    number: ClassVar[int]
    code: ClassVar[int]

    def __init__(self, message: str, *, details: Iterable[Message] = (), attempts: int = 1) -> None:
        super().__init__(message)
        self.message = message
        self.attempts = attempts
        self._decoded = tuple(details)

    # Properties, not attributes: google.api_core's classes have properties of the same names that cannot be set.

    @property
    def details(self) -> tuple[Message, ...]:
        """The decoded `google.rpc` details, such as ErrorInfo, RetryInfo or QuotaFailure; Any for unknown types."""
        return self._decoded

    @property
    def reason(self) -> str | None:
        """Why, for programs: the reason in ErrorInfo, e.g. "API_KEY_INVALID"; None if the service gave none."""
        return None if (info := self._detail("ErrorInfo")) is None else info.reason

    @property
    def domain(self) -> str | None:
        """Whose reason it is: the domain in ErrorInfo, e.g. "googleapis.com"; None if the service gave none."""
        return None if (info := self._detail("ErrorInfo")) is None else info.domain

    @property
    def metadata(self) -> dict[str, str] | None:
        """More on the reason: the metadata in ErrorInfo; None if the service gave none."""
        return None if (info := self._detail("ErrorInfo")) is None else dict(info.metadata)

    @property
    def request_id(self) -> str | None:
        """The service's name for the request, to quote in a report (RequestInfo); None if the service gave none."""
        return None if (info := self._detail("RequestInfo")) is None else info.request_id

    @property
    def retry_delay(self) -> float | None:
        """Seconds that the service asks to wait before the next try (RetryInfo); None if it does not."""
        if (info := self._detail("RetryInfo")) is None:
            return None
        wait = info.retry_delay
        return float(wait.seconds + wait.nanos / 1e9)

    @property
    def grpc_status_code(self) -> grpc.StatusCode:
        """The status code as `grpc` has it."""
        import grpc

        return grpc.StatusCode[self.status]

    def __str__(self) -> str:
        attempts = f" (after {self.attempts} attempts)" if self.attempts > 1 else ""
        return f"{self.code} {self.message}{attempts}"

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (self.number, self.message, self._decoded, self.attempts)

    def _detail(self, name: str) -> Any:
        """The first detail of that `google.rpc` type; None if there is none."""
        full_name = f"google.rpc.{name}"
        return next((detail for detail in self._decoded if detail.DESCRIPTOR.full_name == full_name), None)


class Cancelled(APIError):
    """CANCELLED: the call was cancelled, most often by its caller.

    >>> print(Cancelled("the call was cancelled"))
    499 the call was cancelled
    """

    status, number, code = "CANCELLED", 1, 499


class Unknown(APIError):
    """UNKNOWN: the service, or something between, failed without a better word for it.

    >>> print(Unknown("stream removed"))
    500 stream removed
    """

    status, number, code = "UNKNOWN", 2, 500


class InvalidArgument(APIError):
    """INVALID_ARGUMENT: the request is wrong whatever state the service is in.

    >>> print(InvalidArgument("temperature is 0 to 2; got 3"))
    400 temperature is 0 to 2; got 3
    """

    status, number, code = "INVALID_ARGUMENT", 3, 400


class DeadlineExceeded(APIError):
    """DEADLINE_EXCEEDED: the deadline passed first; the call may have had its effect all the same.

    >>> print(DeadlineExceeded("the deadline of 60 s passed"))
    504 the deadline of 60 s passed
    """

    status, number, code = "DEADLINE_EXCEEDED", 4, 504


class NotFound(APIError):
    """NOT_FOUND: there is no such model, file or other resource.

    >>> print(NotFound("models/none is not found"))
    404 models/none is not found
    """

    status, number, code = "NOT_FOUND", 5, 404


class AlreadyExists(APIError):
    """ALREADY_EXISTS: a resource of that name is there already.

    >>> print(AlreadyExists("files/report exists already"))
    409 files/report exists already
    """

    status, number, code = "ALREADY_EXISTS", 6, 409


class PermissionDenied(APIError):
    """PERMISSION_DENIED: the caller is known and may not do this.

    >>> print(PermissionDenied("the key may not use tunedModels/yours"))
    403 the key may not use tunedModels/yours
    """

    status, number, code = "PERMISSION_DENIED", 7, 403


class ResourceExhausted(APIError):
    """RESOURCE_EXHAUSTED: a quota or limit is used up; `details` may say which, and when to come back.

    >>> print(ResourceExhausted("the quota of 15 requests a minute is used up"))
    429 the quota of 15 requests a minute is used up
    """

    status, number, code = "RESOURCE_EXHAUSTED", 8, 429


class FailedPrecondition(APIError):
    """FAILED_PRECONDITION: the service is not in the state that the request needs.

    >>> print(FailedPrecondition("files/clip is still being processed"))
    400 files/clip is still being processed
    """

    status, number, code = "FAILED_PRECONDITION", 9, 400


class Aborted(APIError):
    """ABORTED: the call lost against another one; it may be begun again at a higher level.

    >>> print(Aborted("tunedModels/mine was changed meanwhile"))
    409 tunedModels/mine was changed meanwhile
    """

    status, number, code = "ABORTED", 10, 409


class OutOfRange(APIError):
    """OUT_OF_RANGE: the request went past the end of something.

    >>> print(OutOfRange("there is no page after the last"))
    400 there is no page after the last
    """

    status, number, code = "OUT_OF_RANGE", 11, 400


class MethodNotImplemented(APIError):
    """UNIMPLEMENTED: the service has no such method, or does not offer it.

    >>> print(MethodNotImplemented("the service has no method EmbedText"))
    501 the service has no method EmbedText
    """

    status, number, code = "UNIMPLEMENTED", 12, 501


class InternalServerError(APIError):
    """INTERNAL: the service broke one of its own rules.

    >>> print(InternalServerError("an internal error has occurred"))
    500 an internal error has occurred
    """

    status, number, code = "INTERNAL", 13, 500


class ServiceUnavailable(APIError):
    """UNAVAILABLE: the service cannot be reached, or not now; trying again is safe where the call is.

    >>> print(ServiceUnavailable("the model is overloaded"))
    503 the model is overloaded
    """

    status, number, code = "UNAVAILABLE", 14, 503


class DataLoss(APIError):
    """DATA_LOSS: data is lost or corrupted for good.

    >>> print(DataLoss("the cached content cannot be read"))
    500 the cached content cannot be read
    """

    status, number, code = "DATA_LOSS", 15, 500


class Unauthenticated(APIError):
    """UNAUTHENTICATED: the key or token is missing or wrong.

    >>> print(Unauthenticated("the API key is not valid"))
    401 the API key is not valid
    """

    status, number, code = "UNAUTHENTICATED", 16, 401


class ClientClosed(Cancelled):
    """CANCELLED, since the client was closed, by another thread or task, while the call was in flight.

    >>> isinstance(ClientClosed("closed"), Cancelled)
    True
    """


BY_NUMBER: Final[dict[int, type[APIError]]] = {cls.number: cls for cls in APIError.__subclasses__()}


def _restored(number: int, message: str, details: tuple[Message, ...], attempts: int) -> APIError:
    return BY_NUMBER[number](message, details=details, attempts=attempts)
