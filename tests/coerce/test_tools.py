"""Function libraries: declarations by name, and their functions."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

from genai_grpc import protos
from genai_grpc.types import FunctionDeclaration, FunctionLibrary, Tool


def double(number: int) -> int:
    """Double a number."""
    return number * 2


def function_call(name: str, **arguments: Any) -> protos.FunctionCall:
    """Build a function call of the model."""
    call = protos.FunctionCall(name=name, id="c1")
    call.args.update(arguments)
    return call


DECLARED = protos.FunctionDeclaration(name="now", description="The time.")


def test_lookup() -> None:
    """Declarations are found by name or by call, in a library and in a tool."""
    library = FunctionLibrary([double, DECLARED])
    tool = Tool(function_declarations=[double])
    for found in (library["double"], library[function_call("double")], tool["double"], tool[function_call("double")]):
        assert (found.name, found.description) == ("double", "Double a number.")
        assert list(found.parameters.properties) == ["number"]
    with pytest.raises(KeyError):
        library["other"]


def test_function_responses() -> None:
    """A call returns its function's result with the id of the call, or None without a function."""
    library, tool = FunctionLibrary([double, DECLARED]), Tool(function_declarations=[double, DECLARED])
    part = library(function_call("double", number=3))
    assert part is not None
    assert tool(function_call("double", number=3)) == part.function_response
    assert (part.function_response.id, part.function_response.response["result"]) == ("c1", 6)
    assert library(function_call("now")) is None
    assert tool(function_call("now")) is None
    assert library.function(function_call("now")) is None
    assert FunctionLibrary({"name": "now"})(function_call("now")) is None


def test_dict_with_a_function() -> None:
    """A dict that declares a function may contain the function, which answers its calls."""
    library = FunctionLibrary({"name": "twice", "description": "Two times.", "function": lambda number: {"is": number}})
    part = library(function_call("twice", number=3))
    assert part is not None
    assert part.function_response.response == {"is": 3}
    assert library["twice"].description == "Two times."
    assert library.function(function_call("twice")) is library["twice"]


def test_declaration_from_function() -> None:
    """A declaration of a function is callable, and accepts descriptions of its parameters."""
    declaration = FunctionDeclaration.from_function(double, {"number": "What to double."})
    assert callable(declaration)
    assert declaration.parameters.properties["number"].description == "What to double."
    assert declaration(function_call("double", number=2)).response["result"] == 4
    assert repr(declaration) == "CallableFunctionDeclaration('double')"


def test_copies() -> None:
    """A declaration that has answered a call can be pickled and copied."""
    declaration = FunctionDeclaration.from_function(double)
    call = function_call("double", number=2)
    response = declaration(call)
    for copied in (pickle.loads(pickle.dumps(declaration)), copy.deepcopy(declaration)):
        assert copied(call) == response
        assert copied.to_proto() == declaration.to_proto()


def test_repr() -> None:
    """The repr of a library lists its names."""
    assert repr(FunctionLibrary([double, "code_execution"])) == "FunctionLibrary(double, code_execution)"


def test_service_tool_fields() -> None:
    """A tool has the fields of the service's tools that it was created with."""
    assert Tool(code_execution={}).code_execution == protos.CodeExecution()
    retrieval = {"dynamic_retrieval_config": {"dynamic_threshold": 0.5}}
    tool = Tool(google_search_retrieval=retrieval)
    assert tool.google_search_retrieval.dynamic_retrieval_config.dynamic_threshold == 0.5
