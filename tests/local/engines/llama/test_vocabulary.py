from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest

from genai_grpc.local.engines.llama.vocabulary import Vocabulary, read_vocabulary, to_vocabulary

BYTE_LETTERS = [
    chr(code) for code in (*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100), *range(0x100, 0x144))
]
"""The characters that stand for the 256 bytes in a vocabulary of the kind "gpt2"."""

NORMAL, CONTROL = 1, 3


def test_byte_level() -> None:
    """In a vocabulary of bytes, a character of a token is a byte, whatever its own size in UTF-8 is."""
    vocabulary = to_vocabulary("gpt2", [*BYTE_LETTERS, "\u0120" * 64], [NORMAL] * 257)

    assert vocabulary == Vocabulary(64)


def test_special_token() -> None:
    """A special token covers its own text."""
    vocabulary = to_vocabulary("gpt2", [*BYTE_LETTERS, "<|größer|>"], [NORMAL] * 256 + [CONTROL])

    assert vocabulary.longest_token == len("<|größer|>".encode()) == 12


def test_spaces_of_other_kinds() -> None:
    """In other vocabularies, the sign for a space counts as one byte, and other characters as their UTF-8."""
    assert to_vocabulary("llama", ["\u2581" * 16, "<0x0A>", "größer"], [NORMAL] * 3) == Vocabulary(16)


def test_least_tokens() -> None:
    """The bound is the size of the text in UTF-8 over that of the longest token, rounded up."""
    assert [Vocabulary(4).least_tokens(text) for text in ("", "a", "aaaa", "aaaaa", "größer")] == [0, 1, 1, 2, 2]


def test_dropped_bytes() -> None:
    """A byte that the vocabulary lacks makes no token, so it does not count."""
    vocabulary = to_vocabulary("gpt2", [letter for letter in BYTE_LETTERS if letter != "\u0104"], [NORMAL] * 255)

    assert vocabulary == Vocabulary(1, b"\x04")
    assert vocabulary.least_tokens("a\x04\x04b") == 2


def string(text: str) -> bytes:
    """A string of a GGUF file."""
    return struct.pack("<Q", len(text.encode())) + text.encode()


def strings(*texts: str) -> bytes:
    """A value that is an array of strings."""
    return struct.pack("<IIQ", 9, 8, len(texts)) + b"".join(map(string, texts))


def gguf(*values: tuple[str, bytes], version: int = 3) -> bytes:
    """A GGUF file without tensors."""
    return struct.pack("<4sIQQ", b"GGUF", version, 0, len(values)) + b"".join(
        string(key) + value for key, value in values
    )


KIND = ("tokenizer.ggml.model", struct.pack("<I", 8) + string("gpt2"))
TOKENS = ("tokenizer.ggml.tokens", strings(*BYTE_LETTERS, "abc"))
OTHERS = (
    ("general.alignment", struct.pack("<II", 4, 32)),
    ("some.numbers", struct.pack("<IIQ3f", 9, 6, 3, 1.0, 2.0, 3.0)),
    ("some.lists", struct.pack("<IIQ", 9, 9, 2) + strings("a")[4:] + strings()[4:]),
)


def test_read(tmp_path: Path) -> None:
    """The vocabulary is found among values of any type."""
    path = tmp_path / "model.gguf"
    path.write_bytes(gguf(*OTHERS, KIND, TOKENS, version=2))

    assert read_vocabulary(path) == Vocabulary(3)


@pytest.mark.parametrize(
    "content",
    [b"", b"GGUF", b"GGML" + bytes(40), gguf(KIND, TOKENS, version=4), gguf(*OTHERS, KIND), gguf(KIND, TOKENS)[:-9]],
)
def test_unreadable(tmp_path: Path, content: Any) -> None:
    """A file without a vocabulary, or one that is cut off, is a ValueError that names it."""
    path = tmp_path / "model.gguf"
    path.write_bytes(content)

    with pytest.raises(ValueError, match=r"cannot read the vocabulary of .*model\.gguf"):
        read_vocabulary(path)
