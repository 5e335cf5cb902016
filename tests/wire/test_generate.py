"""Whole answers over real gRPC."""

from __future__ import annotations

from typing import Any

import pytest

import genai_grpc as genai
from genai_grpc import errors, protos
from genai_grpc.local import ScriptEngine


def test_an_answer(api: Any, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """The chunks of the model are one answer, with the usage and ids that came with them."""
    script.reply("Hello,", " world")
    response = api.generate(model, "Say hello")
    assert response.text == "Hello, world"
    assert response.candidates[0].finish_reason == protos.Candidate.STOP
    assert response.usage_metadata.total_token_count == 4
    assert response.response_id == "script-1"


def test_the_request(api: Any, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """What is passed arrives, with the model's defaults below what the call says."""
    model = genai.GenerativeModel(
        "gemini-pro",
        generation_config={"temperature": 0.5, "max_output_tokens": 10},
        safety_settings={"harassment": "low"},
        system_instruction="Be brief.",
        client=model.client,
    )
    script.reply("Yes")
    over = {"generation_config": {"temperature": 0.0}, "safety_settings": {"hate": "high"}}
    api.generate(model, ["Is this", "one turn?"], **over)
    (request,) = script.requests
    assert request.model == "models/gemini-pro"
    assert [part.text for part in request.contents[0].parts] == ["Is this", "one turn?"]
    assert request.contents[0].role == "user"
    assert request.system_instruction.parts[0].text == "Be brief."
    assert request.generation_config.temperature == 0.0
    assert request.generation_config.HasField("temperature")
    assert request.generation_config.max_output_tokens == 10
    assert len(request.safety_settings) == 2


def test_an_image(api: Any, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """An image of the program arrives as a Blob."""
    image = pytest.importorskip("PIL.Image").new("RGB", (4, 4), "red")
    script.reply("Red")
    assert api.generate(model, ["What api is this?", image]).text == "Red"
    assert script.requests[0].contents[0].parts[1].inline_data.mime_type == "image/webp"


def test_several_candidates(api: Any, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """Candidates are told apart by index, and `text` says where to read them."""
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


def test_count_tokens(api: Any, script: ScriptEngine, client: genai.Client) -> None:
    """The whole request is counted, the system instruction and tools included."""
    model = genai.GenerativeModel(system_instruction="one two", tools=[{"name": "f"}], client=client)
    assert api.count(model, "three four five").total_tokens == 5
    assert script.count_requests[0].tools[0].function_declarations[0].name == "f"


def test_list_models(api: Any, client: genai.Client) -> None:
    """Models are listed over as many pages as it takes."""
    names = [model.name for model in api.list_models(client=client, page_size=1)]
    assert names == ["models/script", "models/gemini-pro"]


def test_get_model(api: Any, client: genai.Client) -> None:
    """A model says what it can do."""
    assert "generateContent" in api.get_model("gemini-pro", client=client).supported_generation_methods


def test_unknown_model(api: Any, client: genai.Client) -> None:
    """An unknown model is NotFound, and the error says how to list those there are."""
    with pytest.raises(errors.NotFound, match=r"models/nope.*list_models\(\)") as caught:
        api.generate(genai.GenerativeModel("nope", client=client), "Hi")
    assert caught.value.attempts == 1
    assert caught.value.details[0].DESCRIPTOR.name == "ErrorInfo"


@pytest.mark.parametrize("status", errors.APIError.__subclasses__(), ids=lambda status: status.status)
def test_every_status(
    api: Any, model: genai.GenerativeModel, script: ScriptEngine, status: type[errors.APIError]
) -> None:
    """Each status code is a class of its own, with the message that the service sent."""
    script.reply(status("that is why"))
    with pytest.raises(status, match="that is why") as caught:
        api.generate(model, "Hi", request_options={"retry": None})
    assert caught.value.message == "that is why"
    assert caught.value.grpc_status_code.name == status.status


def test_retries(api: Any, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """A call that found the service unavailable is tried again, and the answer is the later try's."""
    script.reply(errors.ServiceUnavailable("not now")).reply("Now")
    quickly = genai.types.RetryPolicy(initial_backoff=0.001)
    assert api.generate(model, "Hi", request_options={"retry": quickly}).text == "Now"
    assert len(script.requests) == 2


def test_retries_end(api: Any, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """The last error says how many tries there were."""
    script.reply(errors.ServiceUnavailable("not now")).reply(errors.ServiceUnavailable("still not"))
    with pytest.raises(errors.ServiceUnavailable, match=r"still not \(after 2 attempts\)"):
        api.generate(
            model, "Hi", request_options={"retry": genai.types.RetryPolicy(max_attempts=2, initial_backoff=0.001)}
        )


def test_a_deadline(api: Any, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """A call ends at its deadline, and so does the model's work."""
    from genai_grpc.local import STALL

    script.reply("Wait", STALL)
    with pytest.raises(errors.DeadlineExceeded):
        api.generate(model, "Hi", request_options={"timeout": 0.5})
    script.wait_cancelled()


def test_a_message_too_large(api: Any, model: genai.GenerativeModel) -> None:
    """A request past the service's limit is refused with both sizes."""
    blob = {"mime_type": "image/png", "data": bytes(21 << 20)}
    with pytest.raises(errors.InvalidArgument, match=r"22,?0\d\d,?\d\d\d.*20,?971,?520"):
        api.generate(model, blob)


def test_a_large_reply(api: Any, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """A reply past gRPC's default limit of 4 MiB arrives."""
    script.reply("x" * (5 << 20))
    assert len(api.generate(model, "Hi").text) == 5 << 20


def test_default_client(script: ScriptEngine, server: Any) -> None:
    """A program that configures once names no client again."""
    script.reply("Hello")
    genai.configure(client_options={"api_endpoint": server.endpoint})
    assert genai.GenerativeModel().generate_content("Hi").text == "Hello"
    assert [model.name for model in genai.list_models()] == ["models/script", "models/gemini-pro"]


def test_two_clients(script: ScriptEngine, client: genai.Client) -> None:
    """Clients of different servers live side by side."""
    from genai_grpc.local import serve

    other = ScriptEngine().reply("from the other")
    script.reply("from the one")
    with serve(other) as second, genai.Client(endpoint=second.endpoint) as another:
        assert genai.GenerativeModel(client=another).generate_content("Hi").text == "from the other"
        assert genai.GenerativeModel(client=client).generate_content("Hi").text == "from the one"
