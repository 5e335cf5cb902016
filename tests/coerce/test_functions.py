"""Declarations of Python functions."""

from __future__ import annotations

import dataclasses
import functools
import sys
import types
from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict

from genai_grpc import protos
from genai_grpc._coerce.functions import to_declaration
from tests.coerce.sample_functions import (
    INT,
    STR,
    DeskLamp,
    Light,
    Place,
    Purchase,
    Thermostat,
    Undocumented,
    UndocumentedClass,
    Unit,
    add,
    decorated,
    decorated_elsewhere,
    later,
    literal_bytes,
    missing_attribute,
    optional,
    positional_only,
    unannotated,
    unresolvable,
    unsupported,
    variadic,
    walk,
    weather,
)


def parameters_json(required: list[str], **properties: Any) -> dict[str, Any]:
    """The JSON of the parameters of a declaration."""
    order = {"propertyOrdering": list(properties)} if len(properties) > 1 else {}
    return {"type": "OBJECT", "properties": properties, **({"required": required} if required else {}), **order}


ADD = parameters_json(["a", "user"], a=INT, user=STR, b=INT)


@pytest.mark.parametrize(
    ("function", "name", "description", "parameters"),
    [
        pytest.param(add, "add", "Add.", ADD, id="function"),
        pytest.param(later, "later", "Wait.", parameters_json(["number"], number=INT), id="coroutine function"),
        pytest.param(variadic, "variadic", "", parameters_json(["a"], a=INT, b=STR), id="*args and **kwargs"),
        pytest.param(
            positional_only,
            "positional_only",
            "",
            parameters_json(["a", "b"], a=INT, b=INT),
            id="positional-only",
        ),
        pytest.param(
            optional, "optional", "", parameters_json([], n=INT, m={**STR, "nullable": True}), id="defaults of None"
        ),
        pytest.param(lambda: None, "<lambda>", "", None, id="no parameters"),
        pytest.param(decorated(decorated(add)), "add", "Add.", ADD, id="decorated"),
        pytest.param(decorated_elsewhere(add), "add", "Add.", ADD, id="decorated in another module"),
        pytest.param(functools.lru_cache(add), "add", "Add.", ADD, id="cached"),
        pytest.param(
            functools.partial(add, 1),
            "add",
            "Add.",
            parameters_json(["user"], user=STR, b=INT),
            id="partial with a positional argument",
        ),
        pytest.param(
            functools.partial(add, user="me"),
            "add",
            "Add.",
            parameters_json(["a"], a=INT, b=INT),
            id="partial with a keyword argument",
        ),
        pytest.param(Light().dim, "dim", "Dim it.", parameters_json(["brightness"], brightness=INT), id="method"),
        pytest.param(Light.make, "make", "Make one.", parameters_json(["watts"], watts=INT), id="class method"),
        pytest.param(
            Light(), "Light", "A lamp.", parameters_json(["on"], on={"type": "BOOLEAN"}), id="callable object"
        ),
        pytest.param(
            Undocumented(),
            "Undocumented",
            "",
            parameters_json(["on"], on={"type": "BOOLEAN"}),
            id="callable object without docstring",
        ),
        pytest.param(UndocumentedClass, "UndocumentedClass", "", None, id="class without docstring"),
        # The docstring that Python generates, whose wording differs between versions.
        pytest.param(Place, "Place", Place.__doc__, None, id="class"),
    ],
)
def test_declarations(
    function: Callable[..., Any], name: str, description: str, parameters: dict[str, Any] | None
) -> None:
    """A callable is declared with its name, its docstring and the parameters that are not bound."""
    declaration = MessageToDict(to_declaration(function, {}))
    if function is Place:
        declaration.pop("parameters")
    assert declaration == {
        "name": name,
        **({"description": description} if description else {}),
        **({"parameters": parameters} if parameters else {}),
    }


@pytest.mark.parametrize(
    ("descriptions", "expected"),
    [
        ({}, ["Where.", "How many days ahead.", "Of the answer."]),
        ({"days": "Ahead.", "unit": "Any."}, ["Where.", "Ahead.", "Any."]),
    ],
)
def test_descriptions(descriptions: dict[str, str], expected: list[str]) -> None:
    """A parameter's description comes from the argument, from Annotated, or from the docstring, in this order."""
    properties = to_declaration(weather, descriptions).parameters.properties
    assert [properties[name].description for name in ("place", "days", "unit")] == expected


@pytest.mark.parametrize(
    ("cls", "expected"),
    [
        (DeskLamp, {"watts": "Its power.", "factor": "", "arms": "How many arms."}),
        (Thermostat, {"degrees": "In Celsius."}),
        (Purchase, {"n": "How many."}),
    ],
)
def test_descriptions_of_classes(cls: type, expected: dict[str, str]) -> None:
    """A class's parameters are described by its bases, its `__init__` and its fields too."""
    properties = to_declaration(cls, {}).parameters.properties
    assert {name: properties[name].description for name in properties} == expected


def test_inherited_annotations(monkeypatch: pytest.MonkeyPatch) -> None:
    """The inherited fields of a dataclass are resolved in the module of the class that declares them."""
    base = types.ModuleType("base")
    monkeypatch.setitem(sys.modules, "base", base)
    source = """
from __future__ import annotations
import dataclasses
Number = int
@dataclasses.dataclass
class Base:
    number: Number
class Plain:
    def __init__(self, number: Number): ...
"""
    exec(source, vars(base))  # noqa: S102 -- a constant

    @dataclasses.dataclass
    class Derived(base.Base):  # type: ignore[misc,name-defined]  # made above
        name: str

    class PlainDerived(base.Plain): ...  # type: ignore[misc,name-defined]  # made above

    for cls in (Derived, PlainDerived):
        properties = to_declaration(cls, {}).parameters.properties
        assert properties["number"].type == protos.Type.INTEGER


def test_without_docstring_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without docstring-parser, the whole docstring describes the function."""
    monkeypatch.setitem(sys.modules, "docstring_parser", None)
    declaration = to_declaration(weather, {})
    assert [declaration.parameters.properties[name].description for name in ("place", "unit")] == ["", "Of the answer."]
    assert declaration.description.startswith("Tell the weather.\n\nArgs:\n    place: Where.")


@pytest.mark.parametrize(
    ("function", "schema"),
    [
        (
            unannotated,
            {"type": "object", "properties": {"x": {}, "y": {}}, "required": ["x"], "propertyOrdering": ["x", "y"]},
        ),
        (len, {"type": "object", "properties": {"obj": {}}, "required": ["obj"]}),
    ],
)
def test_parameters_of_any_type(function: Callable[..., Any], schema: dict[str, Any]) -> None:
    """Parameters without annotations are declared in JSON Schema, since the service refuses a Schema without a type."""
    assert MessageToDict(to_declaration(function, {}).parameters_json_schema) == schema


def test_json_schema() -> None:
    """Parameters that a Schema cannot express are declared in JSON Schema, with their definitions."""
    declaration = to_declaration(walk, {})
    assert not declaration.HasField("parameters")
    schema = MessageToDict(declaration.parameters_json_schema)
    assert schema["properties"] == {
        "tree": {"$ref": "#/$defs/Node"},
        "level": {"type": "integer", "enum": [1.0, 2.0]},
    }
    assert list(schema["$defs"]) == ["Node"]


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (unsupported, r"unsupported\(number\)\[\]: cannot make a schema of complex"),
        (unresolvable, "unresolvable: cannot resolve the annotations: name 'Nowhere'"),
        (max, "cannot read the parameters of max: .*; wrap it in a function"),
        (Light.dim, r"Light\.dim is a method without its object; .*, such as Light\(\.\.\.\)\.dim"),
        (functools.partial(Light.dim, brightness=1), r"Light\.dim is a method without its object"),
        (decorated(Light.dim), r"Light\.dim is a method without its object"),
        (str.upper, r"str\.upper is a method without its object; .*, such as str\(\.\.\.\)\.upper"),
        (Unit, "Unit is an Enum, not a function; pass a function that takes one"),
        (literal_bytes, r"literal_bytes\(kind\): a Literal of bytes has no JSON form"),
        (missing_attribute, "missing_attribute: cannot resolve the annotations: module .* has no attribute 'Nothing'"),
    ],
)
def test_unsupported_functions(function: Callable[..., Any], message: str) -> None:
    """A function that cannot be declared raises a TypeError with the parameter and the reason."""
    with pytest.raises(TypeError, match=message):
        to_declaration(function, {})
