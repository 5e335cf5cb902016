"""The errors that the package raises.

`APIError` has a subclass for each gRPC status code but OK, named as in `google.api_core.exceptions`. The other classes
are errors of the program or properties of a response: a wrong configuration, a blocked prompt, an unread stream.

>>> from genai_grpc import errors
>>> error = errors.NotFound("no such model")
>>> error.status, error.code, str(error)
('NOT_FOUND', 404, '404 no such model')
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar, Final

from google.protobuf.message import Message

if TYPE_CHECKING:
    import grpc

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
    """Base class of the errors that this package defines.

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
    """The prompt was blocked; the argument is the prompt feedback with the reason.

    >>> import genai_grpc as genai
    >>> try:
    ...     genai.GenerativeModel().start_chat().send_message("Something harmful.")
    ... except BlockedPromptException as error:
    ...     error.args[0].block_reason == genai.protos.GenerateContentResponse.PromptFeedback.SAFETY
    True
    """


class StopCandidateException(GenAIError):
    """A candidate ended for a reason other than STOP or MAX_TOKENS; the argument is the candidate.

    >>> import genai_grpc as genai
    >>> try:
    ...     genai.GenerativeModel().start_chat().send_message("Recite the book.")
    ... except StopCandidateException as error:
    ...     error.args[0].finish_reason == genai.protos.Candidate.RECITATION
    True
    """


class IncompleteIterationError(GenAIError):
    """The result of a stream was read before the end of the stream.

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
    """A chat cannot continue after a reply that failed half-way; `ChatSession.rewind` removes it.

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
    """The model called functions in more replies than automatic function calling allows.

    >>> import genai_grpc as genai
    >>> model = genai.GenerativeModel(tools=[{"name": "now", "function": lambda: "noon"}])
    >>> chat = model.start_chat(enable_automatic_function_calling=genai.types.AutomaticFunctionCalling(max_rounds=1))
    >>> chat.send_message("What time is it?")
    Traceback (most recent call last):
    genai_grpc.errors.FunctionCallingError: the model still calls functions (now) after 1 rounds of answers; ...
    """


# The number of each gRPC status code but OK, and the HTTP status it maps to, as in google.api_core (https://aip.dev/193).
_CODES: Final = {
    "CANCELLED": (1, 499),
    "UNKNOWN": (2, 500),
    "INVALID_ARGUMENT": (3, 400),
    "DEADLINE_EXCEEDED": (4, 504),
    "NOT_FOUND": (5, 404),
    "ALREADY_EXISTS": (6, 409),
    "PERMISSION_DENIED": (7, 403),
    "RESOURCE_EXHAUSTED": (8, 429),
    "FAILED_PRECONDITION": (9, 400),
    "ABORTED": (10, 409),
    "OUT_OF_RANGE": (11, 400),
    "UNIMPLEMENTED": (12, 501),
    "INTERNAL": (13, 500),
    "UNAVAILABLE": (14, 503),
    "DATA_LOSS": (15, 500),
    "UNAUTHENTICATED": (16, 401),
}


class APIError(GenAIError):
    """A call that ended with a status other than OK.

    If `google.api_core` is loaded when the call fails, `except google.api_core.exceptions.NotFound` also catches a
    `NotFound` of this package.

    Attributes:
        message: The status message, as the service sent it, with *** in place of the client's own key.
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

    def __init_subclass__(cls, *, status: str | None = None) -> None:
        if status is not None:
            cls.status = status
            cls.number, cls.code = _CODES[status]

    def __init__(self, message: str, *, details: Iterable[Message] = (), attempts: int = 1) -> None:
        super().__init__(message)
        self.message = message
        self.attempts = attempts
        self._decoded = tuple(details)

    # Properties, since google.api_core's classes have read-only properties of the same names.

    @property
    def details(self) -> tuple[Message, ...]:
        """The decoded `google.rpc` details, such as ErrorInfo, RetryInfo or QuotaFailure; Any for unknown types."""
        return self._decoded

    @property
    def reason(self) -> str | None:
        """The machine-readable reason in ErrorInfo, e.g. "API_KEY_INVALID"; None if the service gave none."""
        return None if (info := self._detail("ErrorInfo")) is None else info.reason

    @property
    def domain(self) -> str | None:
        """The domain of the reason in ErrorInfo, e.g. "googleapis.com"; None if the service gave none."""
        return None if (info := self._detail("ErrorInfo")) is None else info.domain

    @property
    def metadata(self) -> dict[str, str] | None:
        """The metadata in ErrorInfo; None if the service gave none."""
        return None if (info := self._detail("ErrorInfo")) is None else dict(info.metadata)

    @property
    def request_id(self) -> str | None:
        """The ID of the request, to quote in a bug report (RequestInfo); None if the service gave none."""
        return None if (info := self._detail("RequestInfo")) is None else info.request_id

    @property
    def retry_delay(self) -> float | None:
        """Seconds to wait before the next attempt, as RetryInfo asks: finite, 0 if negative; None without RetryInfo."""
        if (info := self._detail("RetryInfo")) is None:
            return None
        wait = info.retry_delay
        return max(0.0, float(wait.seconds + wait.nanos / 1e9))

    @property
    def grpc_status_code(self) -> grpc.StatusCode:
        """The status code as a `grpc.StatusCode`."""
        import grpc

        return grpc.StatusCode[self.status]

    def __str__(self) -> str:
        attempts = f" (after {self.attempts} attempts)" if self.attempts > 1 else ""
        from genai_grpc._error_hints import hint  # a table that only a program with such an error needs

        return f"{self.code} {self.message}{attempts}{hint(self.domain, self.reason)}"

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (self.number, self.message, self._decoded, self.attempts)

    def _detail(self, name: str) -> Any:
        """The first detail of that `google.rpc` type; None if there is none."""
        full_name = f"google.rpc.{name}"
        return next((detail for detail in self._decoded if detail.DESCRIPTOR.full_name == full_name), None)


class Cancelled(APIError, status="CANCELLED"):
    """CANCELLED: the call was cancelled, most often by its caller.

    >>> print(Cancelled("the call was cancelled"))
    499 the call was cancelled
    """


class Unknown(APIError, status="UNKNOWN"):
    """UNKNOWN: the service, or a proxy on the way, failed without a more precise status.

    >>> print(Unknown("stream removed"))
    500 stream removed
    """


class InvalidArgument(APIError, status="INVALID_ARGUMENT"):
    """INVALID_ARGUMENT: the request is wrong whatever state the service is in.

    >>> print(InvalidArgument("temperature is 0 to 2; got 3"))
    400 temperature is 0 to 2; got 3
    """


class DeadlineExceeded(APIError, status="DEADLINE_EXCEEDED"):
    """DEADLINE_EXCEEDED: the deadline passed first; the call may have had its effect all the same.

    >>> print(DeadlineExceeded("the deadline of 60 s passed"))
    504 the deadline of 60 s passed
    """


class NotFound(APIError, status="NOT_FOUND"):
    """NOT_FOUND: there is no such model, file or other resource.

    >>> print(NotFound("models/none is not found"))
    404 models/none is not found
    """


class AlreadyExists(APIError, status="ALREADY_EXISTS"):
    """ALREADY_EXISTS: a resource of that name exists.

    >>> print(AlreadyExists("files/report exists already"))
    409 files/report exists already
    """


class PermissionDenied(APIError, status="PERMISSION_DENIED"):
    """PERMISSION_DENIED: the caller is authenticated, but may not do this.

    >>> print(PermissionDenied("the key may not use tunedModels/yours"))
    403 the key may not use tunedModels/yours
    """


class ResourceExhausted(APIError, status="RESOURCE_EXHAUSTED"):
    """RESOURCE_EXHAUSTED: a quota or limit is used up; `details` may say which, and when to retry.

    >>> print(ResourceExhausted("the quota of 15 requests a minute is used up"))
    429 the quota of 15 requests a minute is used up
    """


class FailedPrecondition(APIError, status="FAILED_PRECONDITION"):
    """FAILED_PRECONDITION: the service is not in the state that the request needs.

    >>> print(FailedPrecondition("files/clip is still being processed"))
    400 files/clip is still being processed
    """


class Aborted(APIError, status="ABORTED"):
    """ABORTED: the call conflicted with another one; it may be repeated at a higher level.

    >>> print(Aborted("tunedModels/mine was changed meanwhile"))
    409 tunedModels/mine was changed meanwhile
    """


class OutOfRange(APIError, status="OUT_OF_RANGE"):
    """OUT_OF_RANGE: the request is past the end of a valid range.

    >>> print(OutOfRange("there is no page after the last"))
    400 there is no page after the last
    """


class MethodNotImplemented(APIError, status="UNIMPLEMENTED"):
    """UNIMPLEMENTED: the service has no such method, or does not offer it.

    >>> print(MethodNotImplemented("the service has no method EmbedText"))
    501 the service has no method EmbedText
    """


class InternalServerError(APIError, status="INTERNAL"):
    """INTERNAL: the service met an internal error.

    >>> print(InternalServerError("an internal error has occurred"))
    500 an internal error has occurred
    """


class ServiceUnavailable(APIError, status="UNAVAILABLE"):
    """UNAVAILABLE: the service cannot be reached now; a retry is safe if the call is idempotent.

    >>> print(ServiceUnavailable("the model is overloaded"))
    503 the model is overloaded
    """


class DataLoss(APIError, status="DATA_LOSS"):
    """DATA_LOSS: data is lost or corrupted, and cannot be recovered.

    >>> print(DataLoss("the cached content cannot be read"))
    500 the cached content cannot be read
    """


class Unauthenticated(APIError, status="UNAUTHENTICATED"):
    """UNAUTHENTICATED: the key or token is missing or wrong.

    >>> print(Unauthenticated("the API key is not valid"))
    401 the API key is not valid
    """


class ClientClosed(Cancelled):
    """CANCELLED: the client is closed, or was closed while the call was in flight; never retried.

    >>> isinstance(ClientClosed("closed"), Cancelled)
    True
    """

    def __reduce__(self) -> tuple[Any, ...]:
        return ClientClosed, (self.message,), {"attempts": self.attempts}


BY_NUMBER: Final[dict[int, type[APIError]]] = {cls.number: cls for cls in APIError.__subclasses__()}


def _restored(number: int, message: str, details: tuple[Message, ...], attempts: int) -> APIError:
    return BY_NUMBER[number](message, details=details, attempts=attempts)
