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


@pytest.mark.parametrize(
    ("tools", "names"),
    [
        pytest.param(double, [["double"]], id="function"),
        pytest.param([double], [["double"]], id="list of a function"),
        pytest.param(DECLARED, [["now"]], id="message"),
        pytest.param({"name": "now"}, [["now"]], id="dict"),
        pytest.param({"name": "now", "function": double}, [["now"]], id="dict with a function"),
        pytest.param(FunctionDeclaration(name="now"), [["now"]], id="declaration"),
        pytest.param(Tool(function_declarations=[double, DECLARED]), [["double", "now"]], id="tool"),
        pytest.param(protos.Tool(function_declarations=[DECLARED]), [["now"]], id="message of a tool"),
        pytest.param({"function_declarations": [double]}, [["double"]], id="dict of a tool"),
        pytest.param({"functionDeclarations": [{"name": "now"}]}, [["now"]], id="camelCase"),
        pytest.param([double, DECLARED], [["double", "now"]], id="one declaration each are one tool"),
        pytest.param([[double, DECLARED]], [["double", "now"]], id="list of lists"),
        pytest.param([[double, {"name": "a"}], DECLARED], [["double", "a"], ["now"]], id="tools of several"),
        pytest.param([double, "code_execution"], [["double"], []], id="beside a service's tool"),
    ],
)
def test_accepted(tools: Any, names: list[list[str]]) -> None:
    """Each form of tools is the messages that it stands for."""
    made = FunctionLibrary(tools).to_proto()
    assert [[declaration.name for declaration in tool.function_declarations] for tool in made] == names


@pytest.mark.parametrize(
    ("tools", "field"),
    [
        ("code_execution", "code_execution"),
        ("Google_Search", "google_search"),
        ("url_context", "url_context"),
        (protos.CodeExecution(), "code_execution"),
        (protos.GoogleSearchRetrieval(), "google_search_retrieval"),
        ({"google_search": {}}, "google_search"),
        ({"googleSearch": {}}, "google_search"),
        (protos.Tool(code_execution=protos.CodeExecution()), "code_execution"),
        (
            {"google_search_retrieval": {"dynamic_retrieval_config": {"mode": "MODE_DYNAMIC"}}},
            "google_search_retrieval",
        ),
    ],
    ids=str,
)
def test_service_tools(tools: Any, field: str) -> None:
    """A tool that the service runs is named, or given as its message or a dict."""
    (made,) = FunctionLibrary(tools).to_proto()
    assert [set_field.name for set_field, _ in made.ListFields()] == [field]


@pytest.mark.parametrize(
    ("tools", "error", "words"),
    [
        ("search", ValueError, "no tool 'search'; those named by a str are code_execution"),
        ([double, double], ValueError, "two functions are named 'double'"),
        ({"functions": []}, ValueError, r"keys \['functions'\] is: a function has 'name'"),
        ({"name": "f", "parameter": {}}, ValueError, "no field 'parameter'"),
        (3, TypeError, "cannot make a tool from int; pass a function"),
        ([3], TypeError, "cannot make a tool from int"),
        (protos.Part(), TypeError, "cannot make a tool from Part"),
    ],
)
def test_refused(tools: Any, error: type[Exception], words: str) -> None:
    """What is no tool is refused, with what is."""
    with pytest.raises(error, match=words):
        FunctionLibrary(tools)


def test_a_callers_dict_is_never_changed() -> None:
    """A dict with a function is left as it was."""
    tool = {"name": "now", "function": double}
    FunctionLibrary(tool)
    assert tool == {"name": "now", "function": double}


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
