from __future__ import annotations

import copy
from typing import Any

import pytest

from genai_grpc import Client, GenerativeModel, protos, types

CONFIG = types.GenerationConfig(temperature=0.5, top_k=3, stop_sequences=["END"])
ADD = protos.Tool(function_declarations=[protos.FunctionDeclaration(name="add")])
SEARCH = protos.Tool(google_search=protos.Tool.GoogleSearch())


def settings(request: protos.GenerateContentRequest) -> dict[str, Any]:
    """The fields that the request's generation config sets."""
    return {field.name: value for field, value in request.generation_config.ListFields()}


def test_minimal_request() -> None:
    """The request of a model without defaults has the model's name and the contents, and nothing else."""
    assert GenerativeModel("gemini-pro").build_request("Hi") == protos.GenerateContentRequest(
        model="models/gemini-pro", contents=[protos.Content(role="user", parts=[protos.Part(text="Hi")])]
    )


def test_defaults() -> None:
    """A model's defaults are in every request."""
    model = GenerativeModel(
        "tunedModels/mine",
        "low",
        CONFIG,
        ADD,
        {"function_calling_config": {"mode": "ANY"}},
        "Be kind.",
    )
    for _ in range(2):
        request = model.build_request("Hi")
        assert request.model == "tunedModels/mine"
        assert settings(request) == {"temperature": 0.5, "top_k": 3, "stop_sequences": ["END"]}
        assert [(s.category, s.threshold) for s in request.safety_settings] == [(n, 1) for n in (7, 8, 9, 10)]
        assert list(request.tools) == [ADD]
        assert request.tool_config.function_calling_config.mode == protos.FunctionCallingConfig.ANY
        assert request.system_instruction == protos.Content(parts=[protos.Part(text="Be kind.")])


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        pytest.param(None, {"temperature": 0.5, "top_k": 3, "stop_sequences": ["END"]}, id="None"),
        pytest.param({}, {"temperature": 0.5, "top_k": 3, "stop_sequences": ["END"]}, id="empty dict"),
        pytest.param({"temperature": 0}, {"temperature": 0, "top_k": 3, "stop_sequences": ["END"]}, id="zero"),
        pytest.param({"topK": 9}, {"temperature": 0.5, "top_k": 9, "stop_sequences": ["END"]}, id="camelCase"),
        pytest.param(
            types.GenerationConfig(seed=1),
            {"temperature": 0.5, "top_k": 3, "seed": 1, "stop_sequences": ["END"]},
            id="another field",
        ),
        pytest.param(
            protos.GenerationConfig(stop_sequences=["a"]),
            {"temperature": 0.5, "top_k": 3, "stop_sequences": ["a"]},
            id="list replaced",
        ),
        pytest.param({"top_k": None}, {"temperature": 0.5, "top_k": 3, "stop_sequences": ["END"]}, id="None in a dict"),
    ],
)
def test_generation_config_merged(config: Any, expected: dict[str, Any]) -> None:
    """A call's generation config is merged key by key over the model's, for that call only."""
    model = GenerativeModel(generation_config=CONFIG)
    assert settings(model.build_request("Hi", generation_config=config)) == expected
    assert settings(model.build_request("Hi")) == {"temperature": 0.5, "top_k": 3, "stop_sequences": ["END"]}


def test_safety_settings_merged() -> None:
    """A call's safety settings are merged category by category over the model's, for that call only."""
    model = GenerativeModel(safety_settings={"harassment": "low", "hate": "low"})

    def thresholds(safety_settings: Any = None) -> dict[int, int]:
        request = model.build_request("Hi", safety_settings=safety_settings)
        return {setting.category: setting.threshold for setting in request.safety_settings}

    assert thresholds({"hate": "none", "civic": "off"}) == {7: 1, 8: 4, 11: 5}
    assert thresholds([{"category": 7, "threshold": 3}]) == {7: 3, 8: 1}
    assert thresholds() == {7: 1, 8: 1}


def test_tools_replaced() -> None:
    """A call's tools and tool config replace the model's, for that call only."""
    model = GenerativeModel(
        tools=ADD, tool_config={"function_calling_config": {"mode": "ANY", "allowed_function_names": ["add"]}}
    )
    request = model.build_request("Hi", tools=[SEARCH], tool_config={"function_calling_config": {"mode": "NONE"}})
    assert list(request.tools) == [SEARCH]
    assert request.tool_config.function_calling_config == protos.FunctionCallingConfig(
        mode=protos.FunctionCallingConfig.NONE
    )
    assert list(model.build_request("Hi").tools) == [ADD]
    assert model.build_request("Hi").tool_config.function_calling_config.allowed_function_names == ["add"]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        pytest.param({"model_name": ""}, ValueError, "the model name is empty", id="empty model name"),
        pytest.param({"model_name": None}, TypeError, "a model name is a str", id="model name"),
        pytest.param(
            {"generation_config": {"temprature": 1}}, ValueError, "no field 'temprature'", id="generation config key"
        ),
        pytest.param(
            {"generation_config": {"top_k": "x"}},
            TypeError,
            "top_k takes an int; got str",
            id="generation config value",
        ),
        pytest.param(
            {"generation_config": 3}, TypeError, "cannot make a GenerationConfig from int", id="generation config"
        ),
        pytest.param(
            {"safety_settings": "rarely"}, ValueError, "unknown HarmBlockThreshold 'rarely'", id="safety settings"
        ),
        pytest.param({"tools": 3}, TypeError, "from int; pass", id="tools"),
        pytest.param({"tool_config": "any"}, TypeError, "cannot make a ToolConfig from str", id="tool config"),
        pytest.param({"system_instruction": ""}, TypeError, "a turn must not be empty", id="system instruction"),
    ],
)
def test_invalid_defaults(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    """The constructor refuses an invalid default, without a key or a connection."""
    with pytest.raises(error, match=message):
        GenerativeModel(**arguments)


@pytest.mark.parametrize("contents", [None, "", [], {}], ids=repr)
def test_empty_contents(contents: Any) -> None:
    """Empty contents are refused before a connection is made."""
    model = GenerativeModel(client=Client(endpoint="http://127.0.0.1:1"))
    with pytest.raises(TypeError, match="contents must not be empty"):
        model.generate_content(contents)


@pytest.mark.parametrize("contents", ["", {}, b""], ids=repr)
def test_empty_contents_in_count_tokens(contents: Any) -> None:
    """`count_tokens` refuses an empty part before a connection is made."""
    model = GenerativeModel(client=Client(endpoint="http://127.0.0.1:1"), system_instruction="Be kind.")
    with pytest.raises(TypeError, match="contents must not be empty"):
        model.count_tokens(contents)


def test_unknown_argument() -> None:
    """An argument that a call does not take is refused by name."""
    with pytest.raises(TypeError, match="temperature"):
        GenerativeModel(client=Client(endpoint="http://127.0.0.1:1")).generate_content("Hi", temperature=0)  # type: ignore[call-arg]  # the mistake under test


def test_arguments_not_modified() -> None:
    """A model and its requests do not modify the arguments, and editing a request does not change the next one."""
    arguments: dict[str, Any] = {
        "generation_config": {"temperature": 0, "response_schema": {"type": "object"}},
        "safety_settings": {"hate": "low"},
        "tools": [{"function_declarations": [{"name": "add"}]}],
        "tool_config": {"function_calling_config": {"mode": "any"}},
        "system_instruction": protos.Content(parts=[protos.Part(text="Be kind.")]),
    }
    before = copy.deepcopy(arguments)
    model = GenerativeModel(**arguments)
    request = model.build_request(["Hi"], generation_config={"temperature": 1})
    request.system_instruction.parts[0].text = "changed"
    request.tools[0].function_declarations[0].name = "changed"
    assert arguments == before
    again = model.build_request("Hi")
    assert (again.system_instruction.parts[0].text, again.tools[0].function_declarations[0].name) == ("Be kind.", "add")


def test_attributes_and_repr() -> None:
    """A model has its resource name and number of candidates; its repr shows its arguments."""
    model = GenerativeModel("gemini-pro", generation_config={"candidateCount": 2}, system_instruction="Be kind.")
    assert (model.model_name, model._generation_config) == ("models/gemini-pro", {"candidate_count": 2})
    for shown in ("models/gemini-pro", "'candidate_count': 2", "Be kind."):
        assert shown in repr(model)
