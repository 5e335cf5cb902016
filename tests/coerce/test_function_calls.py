"""Calls of Python functions with the JSON of the model."""

from __future__ import annotations

import datetime
import functools
import math
from collections.abc import Callable
from typing import Any

import pytest

from genai_grpc import protos
from genai_grpc._coerce.struct import to_plain
from genai_grpc._coerce.tools import CallableFunctionDeclaration
from tests.coerce.sample_functions import (
    DeskLamp,
    Light,
    Node,
    Order,
    Place,
    Purchase,
    UndocumentedClass,
    Unit,
    add,
    cook,
    decorated,
    decorated_elsewhere,
    for_type_checkers,
    image,
    keywords,
    limited,
    optional,
    pages,
    positional,
    unannotated,
    unsupported,
    variadic,
    walk,
    weather,
)


def bind_arguments(function: Callable[..., Any], arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments that a call of the model is bound to."""
    call = protos.FunctionCall(args=arguments)
    return CallableFunctionDeclaration(name="declared", function=function).arguments(call)


@pytest.mark.parametrize(
    ("function", "arguments", "bound"),
    [
        (add, {"a": 1.0, "b": 2.0}, {"a": 1, "b": 2}),
        (
            weather,
            {"place": {"city": "Rome"}, "days": 3.0, "unit": "kelvin"},
            {"place": Place("Rome"), "days": 3, "unit": Unit.KELVIN},
        ),
        (walk, {"tree": {"value": 1.0, "next": {"value": 2.0}}}, {"tree": Node(1, Node(2))}),
        (decorated_elsewhere(walk), {"tree": {"value": 1.0}}, {"tree": Node(1)}),
        (functools.partial(decorated_elsewhere(walk), level=1), {"tree": {"value": 1.0}}, {"tree": Node(1)}),
        (cook, {"order": {"count": 2.0}}, {"order": Order(count=2)}),
        (unannotated, {"x": 1.0, "y": [2.0, {"z": 2.5}]}, {"x": 1, "y": [2, {"z": 2.5}]}),
        (variadic, {"a": 1.0, "c": 2}, {"a": 1, "c": 2.0}),
        (optional, {"n": None, "m": None}, {"n": None, "m": None}),
        (optional, {"n": 1.0}, {"n": 1}),
        (unsupported, {"number": [1.0]}, {"number": [1]}),
        (decorated(add), {"a": 1.0}, {"a": 1}),
        (functools.partial(add, 1), {"b": 1.0}, {"b": 1}),
        (Light().dim, {"brightness": 5.0}, {"brightness": 5}),
        (Light(), {"on": True}, {"on": True}),
    ],
)
def test_arguments(function: Callable[..., Any], arguments: dict[str, Any], bound: dict[str, Any]) -> None:
    """The model's JSON is converted to arguments of the annotated types."""
    result = bind_arguments(function, arguments)
    assert result == bound
    assert {name: type(value) for name, value in result.items()} == {name: type(value) for name, value in bound.items()}


@pytest.mark.parametrize(
    ("function", "arguments", "error", "message"),
    [
        (add, {"c": 1, "d": 2}, TypeError, "add has no parameter c, d; it has a, user, b"),
        (lambda: None, {"c": 1}, TypeError, "has no parameter c; it has none"),
        (functools.partial(add, user="me"), {"user": "you"}, TypeError, "add has no parameter user; it has a, b"),
        (add, {"a": "x"}, ValueError, r"add\(a\): expected int, got 'x'"),
        (add, {"a": None}, ValueError, r"add\(a\): expected int, got None"),
        (weather, {"place": {"town": ""}}, ValueError, r"weather\(place\) has no town; it has city, district"),
        (cook, {"order": {}}, ValueError, r"cook\(order\): 1 validation error"),
        (limited, {"number": 0}, ValueError, r"limited\(number\): 0 must be at least 1"),
        (limited, {"lamp": {"watts": 101}}, ValueError, r"limited\(lamp\)\.watts: 101 must be at most 100"),
        (DeskLamp, {"watts": 101}, ValueError, r"DeskLamp\(watts\): 101 must be at most 100"),
        (keywords, {"a": "x"}, ValueError, r"keywords\(a\): expected int, got 'x'"),
    ],
)
def test_wrong_arguments(
    function: Callable[..., Any], arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    """Arguments that do not match raise an error that names the parameter."""
    with pytest.raises(error, match=message):
        bind_arguments(function, arguments)


def call(function: Callable[..., Any], arguments: dict[str, Any]) -> Any:
    """The result of a call of the model, for a declaration by hand."""
    declaration = CallableFunctionDeclaration(name="declared", function=function)
    response = declaration(protos.FunctionCall(args=arguments)).response
    return to_plain(response).get("result", to_plain(response))


@pytest.mark.parametrize(
    ("function", "arguments", "result"),
    [
        (positional, {"a": 1, "c": 5}, [1, 2, 5]),
        (positional, {"a": 1, "b": 4}, [1, 4, 3]),
        (functools.partial(positional, 1), {"b": 4}, [1, 4, 3]),
        (keywords, {"a": 1, "b": 2}, {"a": 1, "b": 2}),
        (math.sqrt, {"x": 4}, 2),
        ("text".upper, {}, "TEXT"),
        (divmod, {"x": 7, "y": 2}, [3, 1]),
        (DeskLamp, {"watts": 2, "factor": 3}, {"watts": 6, "arms": 1}),
        (Purchase, {"n": 2}, {"n": 2}),
        (Light.make, {"watts": 1}, None),
        (for_type_checkers, {}, 1),
        (datetime.date(2024, 2, 29).isoformat, {}, "2024-02-29"),
    ],
)
def test_results(function: Callable[..., Any], arguments: dict[str, Any], result: Any) -> None:
    """Functions with positional-only parameters, functions in C and classes answer calls."""
    assert call(function, arguments) == result


@pytest.mark.parametrize(
    ("function", "arguments", "message"),
    [
        (positional, {"b": 1}, "positional lacks the argument a"),
        (image, {}, "the result of image: JSON has no bytes; return a str"),
        (functools.partial(image), {}, "the result of image: JSON has no bytes; return a str"),
        (UndocumentedClass, {}, "the result of UndocumentedClass: cannot make JSON of UndocumentedClass"),
        (pages, {}, "cannot make JSON of async_generator: it yields asynchronously; return a list of its items"),
    ],
)
def test_failing_calls(function: Callable[..., Any], arguments: dict[str, Any], message: str) -> None:
    """What cannot be called, or whose return type has no JSON form, raises a TypeError."""
    with pytest.raises(TypeError, match=message):
        call(function, arguments)


def test_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A function's signature is read once, and again only if the declaration gets another function."""
    declaration = CallableFunctionDeclaration(name="declared", function=add)
    arguments = protos.FunctionCall(args={"a": 1, "user": "me"})
    assert declaration.run(arguments) == 2
    with monkeypatch.context() as patch:
        patch.setattr("genai_grpc._coerce.functions.FunctionCaller", None)
        assert declaration.run(arguments) == 2
    declaration.function = lambda a, user: [a, user]
    assert declaration.run(arguments) == [1, "me"]
