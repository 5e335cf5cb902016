from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest

from genai_grpc import protos
from genai_grpc._coerce.tools import to_function_library, to_tool_config

if TYPE_CHECKING:
    from collections.abc import Callable

ADD = protos.FunctionDeclaration(name="add", description="Adds.")
TOOL = protos.Tool(function_declarations=[ADD])
DICT = {"name": "add", "description": "Adds."}


def made(value: Any) -> list[protos.Tool]:
    """The messages of tools given as `value`."""
    library = to_function_library(value)
    assert library is not None
    return library.to_proto()


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(TOOL, id="Tool"),
        pytest.param(ADD, id="FunctionDeclaration"),
        pytest.param(DICT, id="dict of a declaration"),
        pytest.param({"function_declarations": [DICT]}, id="dict of a Tool"),
        pytest.param([TOOL], id="list of a Tool"),
        pytest.param([DICT], id="list of a dict"),
        pytest.param((item for item in [ADD]), id="generator of a declaration"),
    ],
)
def test_tools(value: Any) -> None:
    """A tool is made of each of the forms that a person may pass."""
    assert made(value) == [TOOL]


def test_no_tools() -> None:
    """No tools are none."""
    assert to_function_library(None) is None


def test_foreign_tools(foreign: Callable[[str], Any]) -> None:
    """Tools of another package are as good as ours."""
    assert made(foreign("FunctionDeclaration")(name="add", description="Adds.")) == [TOOL]
    assert made([foreign("Tool")(code_execution={})]) == [protos.Tool(code_execution=protos.CodeExecution())]


def test_dicts_are_not_changed() -> None:
    """The caller's dicts stay as they are."""
    given: list[Any] = [{"function_declarations": [dict(DICT)]}, {"name": "subtract"}]
    before = copy.deepcopy(given)
    made(given)
    assert given == before


@pytest.mark.parametrize(
    ("value", "error", "words"),
    [
        pytest.param(3, TypeError, "cannot make a tool from int; pass a function, a FunctionDeclaration", id="int"),
        pytest.param([None], TypeError, "cannot make a tool from NoneType", id="None in a list"),
        pytest.param(
            {"name": "f", "args": {}}, ValueError, "FunctionDeclaration has no field 'args'", id="declaration"
        ),
        pytest.param([DICT, DICT], ValueError, "two functions are named 'add'", id="one name twice"),
    ],
)
def test_refusals(value: Any, error: type[Exception], words: str) -> None:
    """What no tool can be made of is refused with what came and what is taken."""
    with pytest.raises(error, match=words):
        to_function_library(value)


CONFIG = protos.ToolConfig(
    function_calling_config=protos.FunctionCallingConfig(
        mode=protos.FunctionCallingConfig.ANY, allowed_function_names=["add"]
    )
)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(CONFIG, id="ToolConfig"),
        pytest.param({"function_calling_config": {"mode": "any", "allowed_function_names": ["add"]}}, id="dict"),
        pytest.param({"functionCallingConfig": {"mode": 2, "allowedFunctionNames": ("add",)}}, id="camelCase dict"),
    ],
)
def test_tool_config(value: Any) -> None:
    """A tool config is a message or a dict, its mode by name in any case or number."""
    assert to_tool_config(value) == CONFIG


def test_tool_config_refusals() -> None:
    """A wrong tool config is refused with what is taken; none is none."""
    assert to_tool_config(None) is None
    with pytest.raises(ValueError, match=r"'OFTEN' is no Mode; it is one of .*ANY"):
        to_tool_config({"function_calling_config": {"mode": "often"}})
    with pytest.raises(TypeError, match="cannot make a ToolConfig from str; pass a ToolConfig or a dict"):
        to_tool_config("any")
