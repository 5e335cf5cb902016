"""Function libraries: declarations by name, and the functions behind them."""

from __future__ import annotations

from typing import Any

import pytest

from genai_grpc import protos
from genai_grpc.types import FunctionDeclaration, FunctionLibrary, Tool


def double(number: int) -> int:
    """Double a number."""
    return number * 2


def calling(name: str, **arguments: Any) -> protos.FunctionCall:
    """A call of the model."""
    call = protos.FunctionCall(name=name, id="c1")
    call.args.update(arguments)
    return call


DECLARED = protos.FunctionDeclaration(name="now", description="The time.")


def test_by_name() -> None:
    """Declarations are found by name or by call, in a library and in a tool."""
    library = FunctionLibrary([double, DECLARED])
    tool = Tool(function_declarations=[double])
    for found in (library["double"], library[calling("double")], tool["double"], tool[calling("double")]):
        assert (found.name, found.description) == ("double", "Double a number.")
        assert list(found.parameters.properties) == ["number"]
    with pytest.raises(KeyError):
        library["other"]


def test_answers() -> None:
    """A call is answered by its function, with its id; None where there is no function."""
    library, tool = FunctionLibrary([double, DECLARED]), Tool(function_declarations=[double, DECLARED])
    part = library(calling("double", number=3))
    assert part is not None
    assert tool(calling("double", number=3)) == part.function_response
    assert (part.function_response.id, part.function_response.response["result"]) == ("c1", 6)
    assert library(calling("now")) is None
    assert tool(calling("now")) is None
    assert library.function(calling("now")) is None
    assert FunctionLibrary({"name": "now"})(calling("now")) is None


def test_a_dict_with_a_function() -> None:
    """A dict that describes a function may hold it, and its calls are answered."""
    library = FunctionLibrary({"name": "twice", "description": "Two times.", "function": lambda number: {"is": number}})
    part = library(calling("twice", number=3))
    assert part is not None
    assert part.function_response.response == {"is": 3}
    assert library["twice"].description == "Two times."
    assert library.function(calling("twice")) is library["twice"]


def test_a_declaration_of_a_function() -> None:
    """A function's declaration can be called, and takes descriptions of its parameters."""
    declared = FunctionDeclaration.from_function(double, {"number": "What to double."})
    assert callable(declared)
    assert declared.parameters.properties["number"].description == "What to double."
    assert declared(calling("double", number=2)).response["result"] == 4
    assert repr(declared) == "CallableFunctionDeclaration('double')"


def test_reprs() -> None:
    """A library shows the names in it."""
    assert repr(FunctionLibrary([double, "code_execution"])) == "FunctionLibrary(double, code_execution)"


def test_a_tools_own_fields() -> None:
    """A tool shows the service's tools that were put into it."""
    assert Tool(code_execution={}).code_execution == protos.CodeExecution()
    retrieval = {"dynamic_retrieval_config": {"dynamic_threshold": 0.5}}
    made = Tool(google_search_retrieval=retrieval)
    assert made.google_search_retrieval.dynamic_retrieval_config.dynamic_threshold == 0.5
