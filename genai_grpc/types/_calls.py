"""Options of a call, and of the calls of a chat."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from genai_grpc import protos
from genai_grpc._rpc.retry_policy import RetryPolicy

__all__ = ["AutomaticFunctionCalling", "RequestOptions", "RequestOptionsType"]


@dataclass(kw_only=True)
class RequestOptions(Mapping[str, Any]):
    """Options of one call; also a mapping of them, as `request_options` takes a dict of the same keys.

    Attributes:
        timeout: Seconds for the call, all attempts and the waits between them included; None for the default.
        idle_timeout: Seconds that a stream may take to its next chunk; None for the default.
        retry: A retry policy, or a `Retry` of `google.api_core`; None for no retries; "default" for the client's.
        metadata: Pairs to send after the client's; no repr shows them.
        extra_body: JSON to merge into the body of the request, object by object, such as a field that only the HTTP
            endpoint knows; with `transport="rest"` only. `response.raw` has the JSON of the reply.
        on_attempt: Called with the number of each attempt of the call, from 1, before it is sent.

    >>> from genai_grpc import get_model
    >>> get_model("gemini-pro", request_options=RequestOptions(timeout=5, retry=None)).name
    'models/gemini-pro'
    >>> dict(RequestOptions(timeout=5))
    {'timeout': 5, 'idle_timeout': None, 'retry': 'default', 'metadata': (), 'extra_body': None, 'on_attempt': None}
    """

    timeout: float | None = None
    idle_timeout: float | None = None
    retry: RetryPolicy | Literal["default"] | None = "default"
    metadata: Sequence[tuple[str, str | bytes]] = field(default=(), repr=False)
    extra_body: Mapping[str, Any] | None = None
    on_attempt: Callable[[int], object] | None = None

    def __getitem__(self, name: str) -> Any:
        if name not in RequestOptions.__dataclass_fields__:
            raise KeyError(f"{name!r} is none of {', '.join(self)}")
        return getattr(self, name)

    def __iter__(self) -> Iterator[str]:
        return iter(RequestOptions.__dataclass_fields__)

    def __len__(self) -> int:
        return len(RequestOptions.__dataclass_fields__)


RequestOptionsType: TypeAlias = RequestOptions | Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class AutomaticFunctionCalling:
    """Settings of automatic function calling.

    Attributes:
        max_rounds: Replies with function calls that are answered per message; one more is a FunctionCallingError.
        on_error: What an exception in a function does: "raise" raises it in the program, "model" sends it to the model.
        approve: Called before each function call with the FunctionCall. False rejects the call, a str rejects it with
            this reason for the model, any other result runs it. In async chats it may be a coroutine function.

    >>> AutomaticFunctionCalling(max_rounds=3, on_error="model").max_rounds
    3
    """

    max_rounds: int = 10
    on_error: Literal["raise", "model"] = "raise"
    approve: Callable[[protos.FunctionCall], object | Awaitable[object]] | None = None

    def __post_init__(self) -> None:
        if self.max_rounds < 1:
            raise ValueError(f"max_rounds is at least 1; got {self.max_rounds}")
        if self.on_error not in ("raise", "model"):
            raise ValueError(f"on_error is 'raise' or 'model'; got {self.on_error!r}")
