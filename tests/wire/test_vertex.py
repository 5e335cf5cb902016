"""What Vertex AI has of its own, over real gRPC and HTTP."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

import genai_grpc as genai
from genai_grpc import errors, protos, types
from genai_grpc.local import ScriptEngine
from genai_grpc.local.server import Server
from genai_grpc_protos import aiplatform_v1 as vertex
from genai_grpc_protos.aiplatform_v1.llm_utility_service_pb2_grpc import LlmUtilityServiceStub
from tests.conftest import Api

PLACE = "projects/my-project/locations/europe-west4"
MODEL = f"{PLACE}/publishers/google/models/gemini-pro"
ARMOR = f"{PLACE}/templates/strict"


@pytest.fixture
def client(server: Server, transport: Any) -> Iterator[genai.Client]:
    """A client of Vertex AI, over either transport."""
    endpoint = server.endpoint if transport == "grpc" else server.http_endpoint
    place = genai.Vertex("my-project", "europe-west4")
    with genai.Client(endpoint=endpoint, transport=transport, vertex=place) as connected:
        yield connected


class Requests(types.Interceptor):
    """Records the requests that are sent."""

    def __init__(self) -> None:
        self.sent: list[Any] = []

    def before(self, call: types.CallInfo) -> None:
        self.sent.append((call.method, call.request))


def test_whole_reply(api: Api, client: genai.Client, script: ScriptEngine) -> None:
    """Requests and replies are messages of Vertex AI, under the full name of the model."""
    script.reply("Hello,", " world")
    model = genai.GenerativeModel("gemini-pro", client=client)
    assert model.model_name == MODEL
    response = api.generate(model, "Say hello")
    assert response.text == "Hello, world"
    assert type(response.candidates[0]) is vertex.Candidate
    assert response.candidates[0].finish_reason == vertex.Candidate.STOP
    assert type(genai.responses.GenerateContentResponse.from_json(response.to_json())._result) is type(response._result)
    assert script.requests[0].model == "models/gemini-pro"


def test_chunks_and_counts(api: Api, client: genai.Client, script: ScriptEngine) -> None:
    """Streams and token counts work over each transport."""
    script.reply("Hello,", " world")
    model = genai.GenerativeModel("gemini-pro", system_instruction="Be brief.", tools=[{"name": "f"}], client=client)
    response = api.generate(model, "Say hello", stream=True)
    api.resolve(response)
    assert response.text == "Hello, world"
    count = api.count(model, "one two")
    assert (count.total_tokens, count.total_billable_characters) == (4, 14)
    assert script.count_requests[0].tools[0].function_declarations[0].name == "f"


def test_own_fields(api: Api, server: Server, script: ScriptEngine) -> None:
    """Fields of Vertex AI only are sent: of the request, of the settings, of parts and of tools."""
    requests = Requests()
    script.reply("Yes").reply("No").reply("Maybe")
    with genai.Client(
        endpoint=server.endpoint, vertex=genai.Vertex("my-project", "europe-west4"), interceptors=[requests]
    ) as client:
        model = genai.GenerativeModel(
            "gemini-pro",
            generation_config={"thinking_config": {"thinking_level": "low"}, "image_config": {"image_size": "2K"}},
            safety_settings=[{"category": "hate", "threshold": "low", "method": "SEVERITY"}],
            tools=["enterprise_web_search", {"google_search": {"exclude_domains": ["example.com"]}}],
            labels={"team": "a"},
            model_armor_config={"prompt_template_name": ARMOR},
            client=client,
        )
        api.generate(model, {"parts": [{"text": "Hi", "media_resolution": {"level": "MEDIA_RESOLUTION_HIGH"}}]})
        api.generate(model, "Hi", labels={"run": "1"})
        api.send(model.start_chat(), "Hi", labels={"run": "2"})
    (path, request), (_, second), (_, third) = requests.sent
    assert path == "/google.cloud.aiplatform.v1.PredictionService/GenerateContent"
    level = request.contents[0].parts[0].media_resolution.level
    assert level == vertex.Part.MediaResolution.MEDIA_RESOLUTION_HIGH
    assert request.generation_config.thinking_config.thinking_level.name == "LOW"
    assert request.generation_config.image_config.image_size == "2K"
    assert request.safety_settings[0].method.name == "SEVERITY"
    assert [field.name for tool in request.tools for field, _ in tool.ListFields()] == [
        "enterprise_web_search",
        "google_search",
    ]
    assert dict(request.labels) == {"team": "a"}
    assert request.model_armor_config.prompt_template_name == ARMOR
    assert dict(second.labels) == {"run": "1"}
    assert dict(third.labels) == {"run": "2"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"labels": {"team": "a"}}, "labels: the Gemini API has no such field; Vertex AI has it"),
        (
            {"generation_config": {"thinking_config": {"thinking_level": "low"}}},
            "thinking_level: the Gemini API has no",
        ),
        ({"tools": [{"retrieval": {}}]}, "Tool.retrieval: the Gemini API has no such field; Vertex AI has it"),
    ],
)
def test_refused_by_gemini(arguments: Any, message: str, server: Server, script: ScriptEngine) -> None:
    """A field that the Gemini API lacks is refused by name, before anything is sent."""
    with genai.Client(endpoint=server.endpoint) as client, pytest.raises(ValueError, match=message):
        genai.GenerativeModel(client=client, **arguments).generate_content("Hi")
    assert script.requests == ()


def test_refused_by_vertex(api: Api, client: genai.Client, script: ScriptEngine) -> None:
    """A field that Vertex AI lacks is refused likewise, wherever it is."""
    model = genai.GenerativeModel(client=client)
    for contents, options, message in (
        (protos.Part(text="x", part_metadata={"a": 1}), {}, "Part.part_metadata: Vertex AI has no such field"),
        ("Hi", {"generation_config": {"enable_enhanced_civic_answers": True}}, "Vertex AI has no such field; the Gem"),
        ("Hi", {"tools": ["file_search"]}, "Tool.file_search: Vertex AI has no such field; the Gemini API has it"),
    ):
        with pytest.raises(ValueError, match=message):
            api.generate(model, contents, **options)
    assert script.requests == ()


def test_missing_methods(api: Api, client: genai.Client) -> None:
    """What Vertex AI lacks is MethodNotImplemented before anything is sent, and the error says what has it."""
    for name, arguments in (
        ("get_model", ("gemini-pro",)),
        ("get_file", ("tale",)),
        ("get_tuned_model", ("tunedModels/mine",)),
        ("upload_file", (__file__,)),
    ):
        with pytest.raises(errors.MethodNotImplemented, match="Vertex AI has no .*; the Gemini API has"):
            api.call(genai, name, *arguments, client=client)


def test_history_of_the_other_api(api: Api, client: genai.Client, server: Server, script: ScriptEngine) -> None:
    """A chat goes on with the other API: its turns are converted by name."""
    for text in ("Hello", "Fine", "Bye"):
        script.reply(text)
    with genai.Client(endpoint=server.endpoint) as gemini:
        first = genai.GenerativeModel(client=gemini).start_chat()
        api.send(first, "Hi")
        second = genai.GenerativeModel(client=client).start_chat(history=first.history)
        api.send(second, "How are you?")
        third = genai.ChatSession.from_json(genai.GenerativeModel(client=gemini), second.to_json())
        api.send(third, "Bye")
    history: list[Any] = second.history
    assert [type(turn) for turn in history] == [vertex.Content] * 4
    texts = [turn.parts[0].text for turn in script.requests[-1].contents]
    assert texts == ["Hi", "Hello", "How are you?", "Fine", "Bye"]


def test_model_before_its_client(server: Server, script: ScriptEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that was built before the default client was set is one of the API that this client calls."""
    monkeypatch.setenv("GENAI_GRPC_ENDPOINT", server.endpoint)
    script.reply("Hello").reply("Hello")
    genai.configure()
    model = genai.GenerativeModel(
        "gemini-pro", system_instruction="Be brief.", safety_settings="low", tools=[{"name": "f"}]
    )
    chat = model.start_chat()
    chat.send_message("Hi")
    genai.configure(vertex=genai.Vertex("my-project"))
    try:
        chat.send_message("Hi again")
        assert type(chat.last.candidates[0]) is vertex.Candidate  # type: ignore[union-attr]
        before, after = script.requests
        del after.contents[:2]
        before.contents[0].parts[0].text = "Hi again"
        assert after == before
    finally:
        genai.configure()


def test_environment(server: Server, script: ScriptEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variables of google-genai select Vertex AI; vertex=False stays with the Gemini API."""
    monkeypatch.setenv("GOOGLE_GENAI_USE_VERTEXAI", "True")
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "my-project")
    monkeypatch.setenv("GOOGLE_CLOUD_LOCATION", "europe-west4")
    with genai.Client(endpoint=server.endpoint) as client:
        assert genai.GenerativeModel("gemini-pro", client=client).model_name == MODEL
    with genai.Client(endpoint=server.endpoint, vertex=False) as client:
        assert genai.GenerativeModel("gemini-pro", client=client).model_name == "models/gemini-pro"
    genai.configure()
    assert genai.GenerativeModel("gemini-pro").model_name == MODEL
    monkeypatch.setenv("GOOGLE_GENAI_USE_ENTERPRISE", "false")
    with genai.Client(endpoint=server.endpoint) as client:
        assert genai.GenerativeModel("gemini-pro", client=client).model_name == "models/gemini-pro"


def test_endpoints(monkeypatch: pytest.MonkeyPatch) -> None:
    """A location has its endpoint; a key without a project is that of the express mode."""
    key = "a-key"
    regional = genai.Client(key, vertex=genai.Vertex("my-project", "europe-west4"))
    assert regional.endpoint == "https://europe-west4-aiplatform.googleapis.com:443"
    multi_regional = genai.Client(key, vertex=genai.Vertex("my-project", "eu"))
    assert multi_regional.endpoint == "https://aiplatform.eu.rep.googleapis.com:443"
    express = genai.Client(key, vertex=True)
    assert express.endpoint == "https://aiplatform.googleapis.com:443"
    assert genai.GenerativeModel("gemini-pro", client=express).model_name == "publishers/google/models/gemini-pro"
    with pytest.raises(errors.ConfigurationError, match="no project for Vertex AI"):
        genai.Client(vertex=True)
    monkeypatch.setattr("genai_grpc._transport.config.find_spec", lambda _: None)
    with pytest.raises(errors.ConfigurationError, match="no credentials for Vertex AI"):
        genai.Client(vertex=genai.Vertex("my-project"))
    with pytest.raises(TypeError, match="vertex is a Vertex, True or False; got str"):
        genai.Client(vertex="my-project")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    with pytest.raises(errors.ConfigurationError, match="the location of Vertex AI is a name"):
        genai.Client(key, vertex=genai.Vertex("my-project", "evil.example/"))
    with pytest.raises(errors.ConfigurationError, match="api_version='v1' is of the Gemini API"):
        genai.Client(key, vertex=genai.Vertex("my-project"), api_version="v1")


def test_project_of_the_credentials(server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The project is that of the application default credentials, unless the program or the environment names one."""
    pytest.importorskip("google.auth")
    account = {"type": "authorized_user", "client_id": "a", "client_secret": "b", "refresh_token": "c"}
    (tmp_path / "application_default_credentials.json").write_text(json.dumps(account))
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    gcloud = tmp_path / "gcloud"
    gcloud.write_text("#!/bin/sh\necho gcloud-project\n")
    gcloud.chmod(0o700)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)

    def project_of(vertex: genai.Vertex | bool) -> str:
        with genai.Client(endpoint=server.endpoint, vertex=vertex) as client:
            return genai.GenerativeModel("m", client=client).model_name.split("/")[1]

    assert project_of(True) == "gcloud-project"
    monkeypatch.setenv("GOOGLE_API_KEY", "a-key")
    assert project_of(genai.Vertex(location="eu")) == "gcloud-project"
    assert project_of(True) == "google"  # express mode: publishers/google/models/m
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "project-of-the-environment")
    assert project_of(True) == "project-of-the-environment"
    assert project_of(genai.Vertex("my-project")) == "my-project"


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("gemini-pro", MODEL),
        ("models/gemini-pro", MODEL),
        ("publishers/google/models/gemini-pro", MODEL),
        (MODEL, MODEL),
        ("meta/llama-4", f"{PLACE}/publishers/meta/models/llama-4"),
        ("endpoints/7", f"{PLACE}/endpoints/7"),
        ("projects/other/locations/us-east1/endpoints/7", "projects/other/locations/us-east1/endpoints/7"),
    ],
)
def test_names(client: genai.Client, given: str, name: str) -> None:
    """Names are completed with the project and the location."""
    assert genai.GenerativeModel(given, client=client).model_name == name
    with pytest.raises(ValueError, match="Vertex AI has no 'tunedModels/mine'; names begin with"):
        genai.GenerativeModel("tunedModels/mine", client=client)


def test_pickles(client: genai.Client, script: ScriptEngine) -> None:
    """Models, chats and responses are pickled with their API."""
    script.reply("Hello").reply("Hello")
    chat = genai.GenerativeModel("gemini-pro", labels={"a": "b"}, client=client).start_chat()
    response = chat.send_message("Hi", stream=True)
    response.resolve()
    loaded: Any = pickle.loads(pickle.dumps(chat))
    assert loaded.model.model_name == MODEL
    assert loaded.history == chat.history
    assert pickle.loads(pickle.dumps(response))._result == response._result
    loaded.send_message("Hi")
    loaded.model.client.close()


def test_compute_tokens(server: Server) -> None:
    """The tokens of each turn are shown by an engine that has them."""
    request = vertex.ComputeTokensRequest(endpoint=MODEL, contents=[{"role": "user", "parts": [{"text": "a b a"}]}])
    with grpc.insecure_channel(server.address) as channel:
        [info] = LlmUtilityServiceStub(channel).ComputeTokens(request, timeout=30).tokens_info
    assert (info.role, list(info.tokens)) == ("user", [b"a", b"b", b"a"])
    assert info.token_ids[0] == info.token_ids[2] != info.token_ids[1]


PROGRAM = """
import sys
import genai_grpc as genai
client = genai.Client(endpoint={endpoint!r}, vertex={vertex})
model = genai.GenerativeModel("gemini-pro", system_instruction="Hi", generation_config={{"top_k": 1}}, client=client)
chat = model.start_chat()
print(chat.send_message("Hi").text, chat.send_message("Hi", stream=True).resolve())
print(model.count_tokens("Hi").total_tokens)
print(*sorted(name for name in sys.modules if name.startswith({other!r})))
"""


@pytest.mark.parametrize(
    ("place", "other"),
    [("None", "genai_grpc_protos.aiplatform_v1"), ('genai.Vertex("p")', "genai_grpc_protos.v1beta.")],
    ids=["gemini", "vertex"],
)
def test_imports(server: Server, script: ScriptEngine, place: str, other: str) -> None:
    """A program of one API does not import the messages of the other."""
    script.reply("Hello").reply("Hello")
    program = PROGRAM.format(endpoint=server.endpoint, vertex=place, other=other)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "Hello None\n2\n\n", done.stderr
