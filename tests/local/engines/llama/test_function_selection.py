from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from genai_grpc import protos
from genai_grpc.errors import InvalidArgument
from genai_grpc.local.engines.llama.function_selection import callable_functions, select_function

Mode = protos.FunctionCallingConfig.Mode
WEATHER = protos.FunctionDeclaration(name="get_weather", description="Weather.")
ADD = protos.FunctionDeclaration(name="addNumbers")


class FirstWordEmbedder:
    """An embedder for which texts with the same first word are similar."""

    def similarities(self, text: str, others: Sequence[str]) -> list[float]:
        first_word = text.lower().split()[0]
        return [0.9 if other.lower().split()[0].strip(".") == first_word else 0.1 for other in others]


class UnusedEmbedder:
    """An embedder that must not be called."""

    def similarities(self, text: str, others: Sequence[str]) -> list[float]:
        raise AssertionError(text)


def _request(*functions: protos.FunctionDeclaration, mode: Any = 0, allowed: Sequence[str] = ()) -> Any:
    request = protos.GenerateContentRequest()
    request.contents.add(role="user").parts.add(text="weather in Oslo")
    if functions:
        request.tools.add(function_declarations=functions)
    config = request.tool_config.function_calling_config
    config.mode = mode
    config.allowed_function_names.extend(allowed)
    return request


def _selected(request: Any, text: str, *, has_results: bool = False, embedder: Any = None) -> str | None:
    functions = callable_functions(request)
    if functions is None:
        return None
    function = select_function(functions, text, embedder or FirstWordEmbedder(), has_results=has_results)
    return function.name if function else None


@pytest.mark.parametrize("mode", [Mode.MODE_UNSPECIFIED, Mode.AUTO, Mode.VALIDATED])
@pytest.mark.parametrize(
    ("text", "name"),
    [("weather in Oslo", "get_weather"), ("add 1 and 2", "addNumbers"), ("hi! there", None), ("set it to six", None)],
)
def test_auto(mode: Any, text: str, name: str | None) -> None:
    """A function is selected if the text is more similar to it than to chitchat and to tasks of no function."""
    assert _selected(_request(WEATHER, ADD, mode=mode), text) == name


def test_auto_after_results() -> None:
    """After function results, no function is selected, so that a tool loop ends; nor is one for an empty text."""
    assert _selected(_request(WEATHER), "weather in Oslo", has_results=True, embedder=UnusedEmbedder()) is None
    assert _selected(_request(WEATHER), " ", embedder=UnusedEmbedder()) is None


def test_any() -> None:
    """ANY selects the most similar of the allowed functions, for any text."""
    assert _selected(_request(WEATHER, ADD, mode=Mode.ANY), "weather in Oslo", has_results=True) == "get_weather"
    assert _selected(_request(WEATHER, ADD, mode=Mode.ANY), "add") == "addNumbers"
    narrowed = _request(WEATHER, ADD, mode=Mode.ANY, allowed=["addNumbers"])
    assert _selected(narrowed, "weather in Oslo", embedder=UnusedEmbedder()) == "addNumbers"


def test_validated_with_allowed_names() -> None:
    """VALIDATED selects only an allowed function."""
    assert _selected(_request(WEATHER, ADD, mode=Mode.VALIDATED, allowed=["addNumbers"]), "weather in Oslo") is None


def test_nothing_to_call() -> None:
    """Without functions, or with the mode NONE, no function is callable."""
    assert callable_functions(_request()) is None
    assert callable_functions(_request(WEATHER, mode=Mode.NONE)) is None


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (_request(WEATHER, mode=Mode.ANY, allowed=["g"]), "has 'g'; declared are get_weather"),
        (_request(mode=Mode.VALIDATED, allowed=["g"]), "has 'g'; none is declared"),
        (_request(WEATHER, mode=Mode.AUTO, allowed=["get_weather"]), "mode is AUTO"),
        (_request(WEATHER, allowed=["get_weather"]), "mode is MODE_UNSPECIFIED"),
        (_request(WEATHER, mode=9), "mode is 9"),
        (_request(mode=Mode.ANY), "mode is ANY and tools has no function_declarations"),
        (_request(WEATHER, WEATHER), "'get_weather', as another's"),
        (_request(protos.FunctionDeclaration()), r"tools\[0\].function_declarations\[0\] has no name"),
    ],
)
def test_invalid_tools(request_: Any, message: str) -> None:
    """Names and modes that do not go together are an error that says what is wrong."""
    with pytest.raises(InvalidArgument, match=message):
        callable_functions(request_)


@pytest.mark.parametrize("tool", ["google_search", "code_execution", "url_context"])
def test_unsupported_tools(tool: str) -> None:
    """A tool that only Google can run is an error that names it."""
    request = _request(WEATHER)
    getattr(request.tools.add(), tool).SetInParent()
    with pytest.raises(InvalidArgument, match=rf"tools\[1\] is {tool}"):
        callable_functions(request)
