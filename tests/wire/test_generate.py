"""Unary calls over real gRPC."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

import genai_grpc as genai
from genai_grpc import errors, protos, types
from genai_grpc.local import STALL, Delay, ScriptEngine, serve
from genai_grpc.local.server import Server
from tests.conftest import Api


def test_response(api: Api, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """The chunks of the engine are one response, with its usage and ID."""
    script.reply("Hello,", " world")
    response = api.generate(model, "Say hello")
    assert response.text == "Hello, world"
    assert response.candidates[0].finish_reason == protos.Candidate.STOP
    assert response.usage_metadata.total_token_count == 4
    assert response.response_id == "script-1"


def test_request(api: Api, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """The server gets the contents and settings of the call, merged over the defaults of the model."""
    model = genai.GenerativeModel(
        "gemini-pro",
        generation_config={"temperature": 0.5, "max_output_tokens": 10},
        safety_settings={"harassment": "low"},
        system_instruction="Be brief.",
        client=model.client,
    )
    script.reply("Yes")
    overrides = {"generation_config": {"temperature": 0.0}, "safety_settings": {"hate": "high"}}
    api.generate(model, ["Is this", "one turn?"], **overrides)
    (request,) = script.requests
    assert request.model == "models/gemini-pro"
    assert [part.text for part in request.contents[0].parts] == ["Is this", "one turn?"]
    assert request.contents[0].role == "user"
    assert request.system_instruction.parts[0].text == "Be brief."
    assert request.generation_config.temperature == 0.0
    assert request.generation_config.HasField("temperature")
    assert request.generation_config.max_output_tokens == 10
    assert len(request.safety_settings) == 2


def test_image(api: Api, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """A PIL image is sent as a Blob."""
    image = pytest.importorskip("PIL.Image").new("RGB", (4, 4), "red")
    script.reply("Red")
    assert api.generate(model, ["What colour is this?", image]).text == "Red"
    assert script.requests[0].contents[0].parts[1].inline_data.mime_type == "image/webp"


def test_several_candidates(api: Api, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """The chunks of several candidates are merged by index, and `text` says where to read them."""
    chunks = [
        protos.GenerateContentResponse(
            candidates=[protos.Candidate(index=index, content=protos.Content(parts=[protos.Part(text=text)]))]
        )
        for index, text in ((1, "b"), (0, "a"), (1, "B"))
    ]
    script.reply(*chunks)
    response = api.generate(model, "Say a letter", generation_config={"candidate_count": 2})
    assert [candidate.content.parts[0].text for candidate in response.candidates] == ["a", "bB"]
    with pytest.raises(ValueError, match="2 candidates"):
        _ = response.text


def test_count_tokens(api: Api, script: ScriptEngine, client: genai.Client) -> None:
    """The tokens of the whole request are counted, system instruction and tools included."""
    model = genai.GenerativeModel(system_instruction="one two", tools=[{"name": "f"}], client=client)
    assert api.count(model, "three four five").total_tokens == 5
    assert script.count_requests[0].tools[0].function_declarations[0].name == "f"


@pytest.mark.parametrize("contents", [None, [], (), iter(())], ids=["None", "list", "tuple", "iterator"])
def test_count_tokens_without_contents(api: Api, client: genai.Client, contents: Any) -> None:
    """Without contents, or with an empty history, the request is sent as it is, and the service refuses it."""
    with pytest.raises(errors.InvalidArgument, match="contents is empty; send at least one turn"):
        api.count(genai.GenerativeModel(client=client), contents)


@pytest.mark.gemini_only
def test_list_models(api: Api, client: genai.Client) -> None:
    """Every model is listed, over several pages."""
    names = [model.name for model in api.list_models(client=client, page_size=1)]
    assert names == ["models/script", "models/gemini-pro"]


GET_MODEL = [
    ("get_model", "gemini-pro"),
    ("get_model", "models/gemini-pro"),
    ("get_model", protos.Model(name="models/gemini-pro")),
    ("get_base_model", "gemini-pro"),
    ("get_base_model", protos.Model(name="models/gemini-pro")),
]


@pytest.mark.gemini_only
@pytest.mark.parametrize(("function", "name"), GET_MODEL, ids=lambda value: str(value).strip())
def test_get_model(api: Api, client: genai.Client, function: str, name: Any) -> None:
    """A model is a dataclass, got by its name or by a model of that name; a setting without a default is None."""
    model = api.call(genai, function, name, client=client)
    assert isinstance(model, types.Model)
    assert "generateContent" in model.supported_generation_methods
    assert dataclasses.asdict(model)["name"] == "models/gemini-pro"
    assert (model.temperature, model.top_k) == (None, None)
    assert api.call(genai, function, model, client=client) == model


TUNED = "tunedModels/mine"


@pytest.mark.parametrize("function", ["get_model", "get_tuned_model"])
@pytest.mark.parametrize(
    "name",
    [TUNED, types.TunedModel(name=TUNED), protos.TunedModel(name=TUNED)],
    ids=["name", "dataclass", "message"],
)
@pytest.mark.gemini_only
def test_get_tuned_model(api: Api, client: genai.Client, function: str, name: Any) -> None:
    """The name of a tuned model asks for the tuned model."""
    with pytest.raises(errors.NotFound, match="there is no tuned model 'tunedModels/mine'"):
        api.call(genai, function, name, client=client)


@pytest.mark.parametrize(
    ("function", "name"),
    [("get_model", "files/a"), ("get_base_model", "tunedModels/a"), ("get_tuned_model", "a")],
)
def test_name_of_other_collection(api: Api, client: genai.Client, function: str, name: str) -> None:
    """A name that is not that of such a model is refused before anything is sent."""
    with pytest.raises(ValueError, match="starts with 'models/', and that of a tuned model with 'tunedModels/'; got"):
        api.call(genai, function, name, client=client)


@pytest.mark.gemini_only
def test_model_of_model(api: Api, script: ScriptEngine, client: genai.Client) -> None:
    """A GenerativeModel may be built from a Model."""
    script.reply("Hello")
    model = genai.GenerativeModel(api.get_model("gemini-pro", client=client), client=client)
    assert api.generate(model, "Hi").text == "Hello"


def test_unknown_model(api: Api, client: genai.Client) -> None:
    """An unknown model is NotFound, and the error says how to list the models."""
    with pytest.raises(errors.NotFound, match=r"models/nope.*list_models\(\)") as caught:
        api.generate(genai.GenerativeModel("nope", client=client), "Hi")
    assert caught.value.attempts == 1
    assert caught.value.details[0].DESCRIPTOR.name == "ErrorInfo"


@pytest.mark.parametrize("status", errors.APIError.__subclasses__(), ids=lambda status: status.status)
def test_every_status(
    api: Api, model: genai.GenerativeModel, script: ScriptEngine, status: type[errors.APIError]
) -> None:
    """Each status code has its own error class, with the message that the service sent."""
    script.reply(status("the reason"))
    with pytest.raises(status, match="the reason") as caught:
        api.generate(model, "Hi", request_options={"retry": None})
    assert caught.value.message == "the reason"
    assert caught.value.grpc_status_code.name == status.status


def test_retry(api: Api, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """A call is retried while the service is unavailable, and returns the reply of the last attempt."""
    script.reply(errors.ServiceUnavailable("not now")).reply("Now")
    retry = types.RetryPolicy(initial_backoff=0.001)
    assert api.generate(model, "Hi", request_options={"retry": retry}).text == "Now"
    assert len(script.requests) == 2


def test_attempts_used_up(api: Api, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """The error of the last attempt has the number of attempts."""
    script.reply(errors.ServiceUnavailable("not now")).reply(errors.ServiceUnavailable("still not"))
    retry = types.RetryPolicy(max_attempts=2, initial_backoff=0.001)
    with pytest.raises(errors.ServiceUnavailable, match=r"still not \(after 2 attempts\)"):
        api.generate(model, "Hi", request_options={"retry": retry})


@pytest.mark.parametrize("name", ["Retry", "AsyncRetry"])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_api_core_retry(api: Api, model: genai.GenerativeModel, script: ScriptEngine, name: str, stream: bool) -> None:
    """A policy of google.api_core retries what its predicate says, as often as its timeout allows."""
    retry = pytest.importorskip("google.api_core.retry")
    exceptions = pytest.importorskip("google.api_core.exceptions")
    settings = {"predicate": retry.if_exception_type(exceptions.Aborted), "initial": 0.001, "maximum": 0.001}
    for _ in range(15):
        script.reply(errors.Aborted("not now"))
    script.reply("Now")
    options = types.RequestOptions(retry=getattr(retry, name)(**settings, timeout=60))
    response = api.generate(model, "Hi", stream=stream, request_options=options)
    api.resolve(response)
    assert response.text == "Now"
    assert len(script.requests) == 16


def test_api_core_retry_timeout(api: Api, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """When the timeout of a google.api_core policy has passed, the error of the last attempt is raised."""
    retry = pytest.importorskip("google.api_core.retry")
    script.reply(Delay(0.2), errors.ServiceUnavailable("not now")).reply(Delay(0.2), "Now")
    with pytest.raises(errors.ServiceUnavailable, match="503 not now$"):
        api.generate(model, "Hi", request_options={"retry": retry.Retry(initial=0.001, timeout=0.1)})
    assert api.generate(model, "Hi", request_options={"retry": retry.Retry(timeout=0.1)}).text == "Now"


def test_deadline(api: Api, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """A call ends at its deadline, and the engine's work is cancelled."""
    script.reply("Wait", STALL)
    with pytest.raises(errors.DeadlineExceeded):
        api.generate(model, "Hi", request_options={"timeout": 0.5})
    script.wait_cancelled()


def test_request_too_large(api: Api, model: genai.GenerativeModel) -> None:
    """A request above the service's size limit is refused, and the error gives both sizes."""
    blob = {"mime_type": "image/png", "data": bytes(21 << 20)}
    with pytest.raises(errors.InvalidArgument, match=r"22,?0\d\d,?\d\d\d.*20,?971,?520"):
        api.generate(model, blob)


def test_large_reply(api: Api, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """A reply above gRPC's default limit of 4 MiB is received."""
    script.reply("x" * (5 << 20))
    assert len(api.generate(model, "Hi").text) == 5 << 20


def test_default_client(script: ScriptEngine, server: Server) -> None:
    """After `configure`, calls need no client."""
    script.reply("Hello")
    genai.configure(client_options={"api_endpoint": server.endpoint})
    assert genai.GenerativeModel().generate_content("Hi").text == "Hello"
    assert [model.name for model in genai.list_models()] == ["models/script", "models/gemini-pro"]


def test_two_clients(script: ScriptEngine, client: genai.Client) -> None:
    """A program may have clients of several servers."""
    script.reply("from the first")
    with (
        serve(ScriptEngine().reply("from the second")) as second_server,
        genai.Client(endpoint=second_server.endpoint) as second_client,
    ):
        assert genai.GenerativeModel(client=second_client).generate_content("Hi").text == "from the second"
        assert genai.GenerativeModel(client=client).generate_content("Hi").text == "from the first"
