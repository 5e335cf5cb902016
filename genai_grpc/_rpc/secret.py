"""Secrets: values that nothing shows by accident, and their removal from what a server sends."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final, NoReturn, TypeVar

__all__ = ["Secret", "SecretText", "hide", "mask", "mask_bytes", "secrets_in", "shows", "without_frames"]

Out = TypeVar("Out")
Error = TypeVar("Error", bound=BaseException)

MASK: Final = "***"
# What the names of metadata have whose values are secrets.
_SECRET_NAMES: Final = ("auth", "key", "token", "secret", "password")
# Characters. Google's keys have 39, tokens more; a shorter value is a test's, and may be a common word.
_MIN_LENGTH: Final = 8


class Secret:
    """A value of any type that no repr, str, JSON or pickle shows, nor a traceback with local variables."""

    __slots__ = ("_value",)

    def __init__(self, value: Any) -> None:
        self._value = value

    def reveal(self) -> Any:
        """The value."""
        return self._value

    def apply(self, function: Callable[[Any], Out]) -> Out:
        """`function(value)`. Its error has lost its frames, whose local variables have the value."""
        try:
            return function(self._value)
        except Exception as error:
            failure = without_frames(error)
        try:
            raise failure
        finally:
            del failure  # its traceback refers to this frame

    def __repr__(self) -> str:
        return MASK

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and bool(self._value == other._value)

    def __hash__(self) -> int:
        return hash(self._value)

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: object) -> Secret:
        return self

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a secret is not pickled; pickle the Client, which takes its key from the environment")


class SecretText(str):
    """A secret where gRPC takes nothing but a str: its repr hides it, and it cannot be pickled."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"'{MASK}'"

    __reduce_ex__ = Secret.__reduce_ex__


def hide(value: Any) -> Any:
    """A value as a `Secret`; None stays None."""
    return value if value is None or isinstance(value, Secret) else Secret(value)


def without_frames(error: Error) -> Error:
    """An exception without the frames that it came through, and without the exceptions before it."""
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)


def secrets_in(metadata: Iterable[tuple[str, str | bytes]]) -> tuple[str, ...]:
    """The keys and tokens in metadata; of a value such as `Bearer TOKEN`, the token."""
    found = (
        value.rpartition(" ")[2]
        for name, value in metadata
        if isinstance(value, str) and any(part in name for part in _SECRET_NAMES)
    )
    return tuple(sorted({each for each in found if len(each) >= _MIN_LENGTH}, key=len, reverse=True))


def shows(text: str, secrets: Iterable[str]) -> bool:
    """Whether a text has one of the secrets."""
    return any(secret in text for secret in secrets)


def mask(text: str, secrets: Iterable[str]) -> str:
    """A text with `***` in place of each of the secrets."""
    for secret in secrets:
        text = text.replace(secret, MASK)
    return text


def mask_bytes(data: bytes, secrets: Iterable[str]) -> bytes:
    """Bytes with asterisks in place of each of the secrets; of the same length, so that a message still parses."""
    for secret in secrets:
        data = data.replace(secret.encode(), b"*" * len(secret.encode()))
    return data
