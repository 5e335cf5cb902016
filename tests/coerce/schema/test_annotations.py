"""Annotations that are str, and those that Python evaluates when they are read (from Python 3.14)."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import pytest

from genai_grpc._coerce.functions import FunctionCaller, to_declaration
from genai_grpc._coerce.schema.python_types import read_type

PROGRAM = textwrap.dedent(
    """
    import functools
    from dataclasses import dataclass
    from typing import NamedTuple, TypedDict

    def weather(place: Place, days: int = 1) -> Nowhere: ...
    def unresolvable(place: list[Nowhere]) -> None: ...
    def partly(place: Place, other: Nowhere) -> None: ...

    @functools.wraps(weather)
    def decorated(*args, **kwargs): ...

    @dataclass
    class Tree:
        name: str
        parent: Tree | None = None

    class Film(TypedDict):
        place: Place
        year: int

    class Sequel(Film, total=False):
        number: int

    @dataclass
    class UnresolvableDataclass:
        x: Nowhere

    class UnresolvableTypedDict(TypedDict):
        x: Nowhere

    class UnresolvableTuple(NamedTuple):
        x: Nowhere

    @dataclass
    class Place:
        city: str
    """
)


@pytest.fixture(
    scope="module",
    params=[
        pytest.param("from __future__ import annotations", id="str"),
        pytest.param("", id="deferred", marks=pytest.mark.skipif(sys.version_info < (3, 14), reason="Python 3.14")),
    ],
)
def program(request: pytest.FixtureRequest) -> Any:
    """Functions and classes whose annotations name classes that are defined later, or not at all."""
    module = ModuleType("program")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "program", module)
        exec(f"{request.param}\n{PROGRAM}", module.__dict__)  # noqa: S102 -- the program above
        yield module


@pytest.mark.parametrize("function", ["weather", "decorated"])
def test_defined_later(program: Any, function: str) -> None:
    """A function may name a class that is defined after it; its return annotation need not be defined at all."""
    assert list(to_declaration(getattr(program, function), {}).parameters.properties["place"].properties) == ["city"]
    assert FunctionCaller(program.weather).bind({"place": {"city": "Rome"}}) == {"place": program.Place("Rome")}


def test_bound_by_a_partial(program: Any) -> None:
    """The annotation of a parameter that a partial binds is not needed."""
    function = program.functools.partial(program.partly, other=1)
    assert list(to_declaration(function, {}).parameters.properties) == ["place"]


@pytest.mark.parametrize(
    ("name", "fields"),
    [("Tree", ["name", "parent"]), ("Film", ["place", "year"]), ("Sequel", ["place", "year", "number"])],
)
def test_fields(program: Any, name: str, fields: list[str]) -> None:
    """A class may name itself and classes defined after it; its fields are in the order of their definition."""
    schema = read_type(getattr(program, name), "answer")
    nodes: Mapping[str, Any] = schema.definitions
    assert [field.name for field in nodes.get(name, schema.root).fields] == fields


@pytest.mark.parametrize("name", ["unresolvable", "partly"])
def test_undefined_in_a_function(program: Any, name: str) -> None:
    """A parameter's annotation that is not defined at runtime raises a TypeError that names both."""
    with pytest.raises(TypeError, match=f"{name}: cannot resolve the annotations: name 'Nowhere' is not defined; .*"):
        to_declaration(getattr(program, name), {})


@pytest.mark.parametrize("name", ["UnresolvableDataclass", "UnresolvableTypedDict", "UnresolvableTuple"])
def test_undefined_in_a_class(program: Any, name: str) -> None:
    """A field's annotation that is not defined at runtime raises a TypeError that names it."""
    with pytest.raises(TypeError, match="answer: cannot resolve the annotations: name 'Nowhere' is not defined; .*"):
        read_type(getattr(program, name), "answer")
