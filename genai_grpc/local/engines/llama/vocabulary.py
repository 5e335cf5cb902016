"""The vocabulary of a GGUF file: how few tokens a text can have, without tokenizing it.

Tokenizing megabytes takes seconds and cannot be stopped; a text that is too long for any tokenization is known before.
The format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

__all__ = ["Vocabulary", "read_vocabulary", "to_vocabulary"]

_SCALARS: Final = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
"""The types of values that have a fixed size, as formats of `struct`."""

_STRING: Final = 8
_ARRAY: Final = 9
_NORMAL: Final = 1
"""The type of a token that is a piece of text, as opposed to a special one."""

_KEYS: Final = frozenset({"tokenizer.ggml.model", "tokenizer.ggml.tokens", "tokenizer.ggml.token_type"})
_BYTE_LEVEL: Final = "gpt2"
"""The kind of vocabulary in whose tokens each character stands for a byte."""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What bounds the number of tokens of a text from below.

    Attributes:
        longest_token: The bytes that a token covers, at most.
        dropped_bytes: The bytes that the vocabulary lacks, and that llama.cpp leaves out without an error.
    """

    longest_token: int
    dropped_bytes: bytes = b""

    def least_tokens(self, text: str) -> int:
        """The number of tokens that a text has at least."""
        covered = len(text.encode().translate(None, self.dropped_bytes))
        return -(-covered // self.longest_token)


def read_vocabulary(path: Path) -> Vocabulary:
    """Read the vocabulary of a GGUF file; some 50 ms for 50,000 tokens.

    Raises:
        ValueError: The file has no vocabulary, or is no GGUF file of version 2 or 3.
    """
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            found = _find(_Reader(data))
        tokens = [token.decode() for token in found["tokenizer.ggml.tokens"]]
        types = found.get("tokenizer.ggml.token_type") or [_NORMAL] * len(tokens)
        return to_vocabulary(found["tokenizer.ggml.model"].decode(), tokens, types)
    except (OSError, KeyError, ValueError, struct.error) as error:
        raise ValueError(f"cannot read the vocabulary of {path}: {error!r}") from error


def to_vocabulary(kind: str, tokens: Sequence[str], types: Sequence[int]) -> Vocabulary:
    """The bounds of a vocabulary of that kind, e.g. "gpt2", with its tokens and their types."""
    if kind != _BYTE_LEVEL:
        # In other kinds, "▁" stands for a space, and special spellings are longer than what they stand for.
        return Vocabulary(max(len(token.replace("\u2581", " ").encode()) for token in tokens))
    longest = max(
        len(token) if kind_of_token == _NORMAL else len(token.encode())
        for token, kind_of_token in zip(tokens, types, strict=True)
    )
    known = set(tokens)
    return Vocabulary(longest, bytes(byte for byte, letter in enumerate(_byte_letters()) if letter not in known))


def _byte_letters() -> Iterator[str]:
    """The character that stands for each byte, as in GPT-2: a printable one for itself, others from U+0100 on."""
    others = 0
    for byte in range(256):
        if 0x21 <= byte <= 0x7E or 0xA1 <= byte <= 0xAC or 0xAE <= byte <= 0xFF:
            yield chr(byte)
        else:
            yield chr(0x100 + others)
            others += 1


class _Reader:
    """Reads values one after another."""

    def __init__(self, data: mmap.mmap) -> None:
        self._data = data
        self._offset = 0

    def scalar(self, code: str) -> Any:
        """A number, in the format of `struct`."""
        (value,) = struct.unpack_from(f"<{code}", self._data, self._offset)
        self._offset += struct.calcsize(f"<{code}")
        return value

    def string(self) -> bytes:
        """A string, after its length."""
        length = self.scalar("Q")
        start, self._offset = self._offset, self._offset + length
        return self._data[start : self._offset]

    def value(self) -> Any:
        """A value, after its type."""
        return self._of(self.scalar("I"))

    def _of(self, kind: int) -> Any:
        if kind == _STRING:
            return self.string()
        if kind != _ARRAY:
            return self.scalar(_SCALARS[kind])
        item, count = self.scalar("I"), self.scalar("Q")
        if (code := _SCALARS.get(item)) is None:
            return [self._of(item) for _ in range(count)]
        values = struct.unpack_from(f"<{count}{code}", self._data, self._offset)
        self._offset += struct.calcsize(f"<{count}{code}")
        return values


def _find(reader: _Reader) -> dict[str, Any]:
    """The values of `_KEYS`, without what follows them."""
    magic, version = reader.scalar("4s"), reader.scalar("I")
    if magic != b"GGUF" or version not in (2, 3):
        raise ValueError(f"it begins with {magic!r} and version {version}")
    reader.scalar("Q")  # the number of tensors
    found: dict[str, Any] = {}
    for _ in range(reader.scalar("Q")):
        key = reader.string().decode()
        value = reader.value()
        if key in _KEYS:
            found[key] = value
        if len(found) == len(_KEYS):
            break
    return found
