"""Answers as text, parsed as the type that was asked for."""

from __future__ import annotations

import datetime
import enum
import json
from typing import Any, Literal

import pydantic
import pytest

from genai_grpc._coerce.schema.parse import parse_text
from genai_grpc._coerce.settings import WordAnswer
from tests.coerce.schema.test_parse import Cat, Colour, Size, Strict, Tree, plain


class Digit(enum.Enum):
    ONE = "1"
    TRUE = "true"
    NULL = "null"
    QUOTED = '"1"'
    SPACED = " 1"
    LIST = "[]"


class Word(pydantic.RootModel[Literal["1", "red"]]):
    pass


@pytest.mark.parametrize(
    ("python_type", "text", "parsed"),
    [
        (Colour, "red", Colour.RED),
        (Colour, '"red"', Colour.RED),
        (Colour, " red\n", Colour.RED),
        (Colour, "RED", Colour.RED),
        (Size, "LARGE", Size.LARGE),
        (Size, "2", Size.LARGE),
        (Digit, "1", Digit.ONE),
        (Digit, "1 ", Digit.ONE),
        (Digit, "true", Digit.TRUE),
        (Digit, "null", Digit.NULL),
        (Digit, "[]", Digit.LIST),
        (Digit, '"1"', Digit.QUOTED),
        (Digit, " 1", Digit.SPACED),
        (Digit, '" 1"', Digit.SPACED),
        (Digit | None, "null", None),
        (Digit | None, "true", Digit.TRUE),
        (Colour | None, "null", None),
        (Colour | None, "red", Colour.RED),
        (Literal["1", "2"], "1", "1"),
        (Literal["1", "2"], '"1"', "1"),
        (Literal[1, 2], " 1\n", 1),
        (Literal["1", 1], "1", 1),
        (Literal["1", 1], '"1"', "1"),
        (Literal["a", None], "a", "a"),
        (Literal["a", None], "null", None),
        (Colour | Digit, "null", Digit.NULL),
        (Colour | int, "blue", Colour.BLUE),
        (Colour | int, "1", 1),
        (Word, "1", Word("1")),
        (Word, '"red"', Word("red")),
        (str, '"red"', "red"),
        (list[int], " [1] ", [1]),
        (Cat, '{"name": "Tom"}', Cat("Tom")),
        (Tree, '{"theValue": 1}', Tree(theValue=1)),
        (Tree | None, "null", None),
        (Strict, '{"day": "2026-01-31", "count": 3.0}', Strict(day=datetime.date(2026, 1, 31), count=3)),
        (list[Tree], '[{"theValue": 1}]', [Tree(theValue=1)]),
        (dict[str, tuple[Tree, ...]], '{"a": [{"theValue": 1}]}', {"a": (Tree(theValue=1),)}),
        (None, "[1, null]", [1, None]),
        ({"type": "string"}, '"a"', "a"),
    ],
    ids=str,
)
def test_parse_text(python_type: Any, text: str, parsed: Any) -> None:
    """The type decides whether an answer is a word, as in text/x.enum, or JSON."""
    result = parse_text(python_type, text)
    assert result == parsed
    assert type(result) is type(parsed)


@pytest.mark.parametrize(
    ("python_type", "text", "parsed"),
    [
        (Digit | None, "null", Digit.NULL),
        (Literal["null"] | None, "null", "null"),
        (Literal["1", 1], "1", "1"),
        (Colour | int, "2", 2),
        (Colour, '"red"', Colour.RED),
        (None, "red\n", "red"),
        ({"type": "string", "enum": ["1"]}, "1", "1"),
    ],
    ids=str,
)
def test_text_of_words(python_type: Any, text: str, parsed: Any) -> None:
    """An answer of MIME type text/x.enum is a word, if it can be one."""
    result = parse_text(WordAnswer(python_type), text)
    assert result == parsed
    assert type(result) is type(parsed)


@pytest.mark.parametrize("python_type", [Colour, Size, Digit, Literal["1", "null", "a b", ""], Word], ids=str)
def test_each_word(python_type: Any) -> None:
    """Each value of an enum whose values are str is read back from its bare word, from JSON, and from white space."""
    values = [*python_type] if isinstance(python_type, type) and issubclass(python_type, enum.Enum) else []
    values = values or list(getattr(python_type, "__args__", ())) or [Word("1"), Word("red")]
    for value in values:
        word = getattr(value, "root", plain(value))
        assert parse_text(python_type, word) == value
        assert parse_text(python_type, json.dumps(word)) == (Digit.QUOTED if value is Digit.ONE else value)
        if python_type is not Digit:
            assert parse_text(python_type, f"\n{word} ") == value


@pytest.mark.parametrize(
    ("python_type", "text", "message"),
    [
        (Colour, "green", "Expecting value"),
        (Colour, '"green"', "answer: 'green' is not one of 'red', 'blue'"),
        (int, "one", "Expecting value"),
        (list[int], "[1, ", "Expecting value"),
        (Tree, '{"theValue": ', "Expecting value"),
        (list[Tree], '[{"theValue": "a"}]', r"answer\[0\]: 1 validation error for Tree"),
        (Tree, '{"theValue": "a"}', "answer: 1 validation error for Tree"),
    ],
    ids=str,
)
def test_text_mismatches(python_type: Any, text: str, message: str) -> None:
    """Text that is not JSON raises a JSONDecodeError; JSON that does not match raises a ValueError with the path."""
    with pytest.raises(ValueError, match=message) as caught:
        parse_text(python_type, text)
    assert isinstance(caught.value, json.JSONDecodeError) is (message == "Expecting value")
