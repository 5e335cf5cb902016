"""Coexistence with Google's packages, which register the same messages in protobuf's default pool."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final, NamedTuple

import pytest

from genai_grpc import local

if TYPE_CHECKING:
    from pathlib import Path

    from tests.installed.conftest import MakeVenv, Venv

pytestmark = [pytest.mark.venv, pytest.mark.libraries, pytest.mark.timeout(600)]


class Official(NamedTuple):
    """One of Google's packages, the module that programs import, and the protobuf version that it is installed with."""

    requirement: str
    module: str
    protobuf: str


OFFICIAL: Final = (
    Official("google-ai-generativelanguage==0.12.*", "google.ai.generativelanguage", "7"),
    # The package whose API ours follows.
    Official("google-generativeai==0.8.6", "google.generativeai", "5.29"),
)

MESSAGES = """
import importlib, pickle, sys

runtime, version, *order = sys.argv[1:]
for name in order:
    importlib.import_module(name)

import google.protobuf
from google.ai import generativelanguage as theirs
from google.protobuf.internal import api_implementation

from genai_grpc import protos as ours

assert api_implementation.Type() == runtime, api_implementation.Type()
assert google.protobuf.__version__.startswith(version + "."), google.protobuf.__version__

their_content = theirs.Content(role="user", parts=[theirs.Part(text="hello")])
our_content = ours.Content(role="user", parts=[ours.Part(text="hello")])
assert theirs.Content.serialize(their_content) == our_content.SerializeToString()
assert ours.Content.FromString(theirs.Content.serialize(their_content)) == our_content
assert theirs.Content.deserialize(our_content.SerializeToString()) == their_content
assert theirs.Content.pb(their_content).DESCRIPTOR.full_name == our_content.DESCRIPTOR.full_name
assert pickle.loads(pickle.dumps(our_content)) == our_content
"""

RESPONSES = """
import json, sys

import grpc
from google.ai import generativelanguage as theirs
from google.ai.generativelanguage_v1beta.services.generative_service.transports import GenerativeServiceGrpcTransport
from google.ai.generativelanguage_v1beta.services.model_service.transports import ModelServiceGrpcTransport

import genai_grpc as genai

address = sys.argv[1]
NAME, PROMPT = "models/gemini-pro", "how are you"
CONTENTS = [{"role": "user", "parts": [{"text": PROMPT}]}]


def summary(response):
    [candidate] = response.candidates
    usage = response.usage_metadata
    return {
        "text": "".join(part.text for part in candidate.content.parts),
        "finish_reason": int(candidate.finish_reason),
        "tokens": [usage.prompt_token_count, usage.candidates_token_count, usage.total_token_count],
    }


def describe(model):
    return [model.name, model.display_name, model.input_token_limit, list(model.supported_generation_methods)]


def official_client():
    channel = grpc.insecure_channel(address)
    service = theirs.GenerativeServiceClient(transport=GenerativeServiceGrpcTransport(channel=channel))
    models = theirs.ModelServiceClient(transport=ModelServiceGrpcTransport(channel=channel))
    return {
        "generate": summary(service.generate_content(model=NAME, contents=CONTENTS)),
        "stream": [summary(chunk) for chunk in service.stream_generate_content(model=NAME, contents=CONTENTS)],
        "count": service.count_tokens(model=NAME, contents=CONTENTS).total_tokens,
        "models": [describe(model) for model in models.list_models()],
    }


def our_client():
    genai.configure(client_options={"api_endpoint": f"http://{address}"})
    model = genai.GenerativeModel(NAME)
    return {
        "generate": summary(model.generate_content(PROMPT)),
        "stream": [summary(chunk) for chunk in model.generate_content(PROMPT, stream=True)],
        "count": model.count_tokens(PROMPT).total_tokens,
        "models": [describe(model) for model in genai.list_models()],
    }


print(json.dumps([official_client(), our_client()]))
"""


WIRE = """
from google.ai import generativelanguage  # registers its messages in the default pool
from google.protobuf.descriptor_pool import Default

from genai_grpc_protos import v1beta
from genai_grpc_protos._pool import POOL


def wire_format(message):
    return {
        field.name.removesuffix("_"): (field.number, field.type, field.is_repeated, field.has_presence)
        for field in message.fields
    }


def walk(message):
    yield message
    for nested in message.nested_types:
        if not nested.GetOptions().map_entry:
            yield from walk(nested)


compared = 0
for name in v1beta.__all__:
    if hasattr(cls := getattr(v1beta, name), "DESCRIPTOR") and hasattr(cls.DESCRIPTOR, "fields"):
        for ours in walk(cls.DESCRIPTOR):
            theirs = Default().FindMessageTypeByName(ours.full_name)
            assert wire_format(ours) == wire_format(theirs), (ours.full_name, wire_format(ours), wire_format(theirs))
            compared += 1
print(compared)
"""


@pytest.fixture(scope="session", params=OFFICIAL, ids=lambda official: official.requirement)
def official(request: pytest.FixtureRequest) -> Official:
    """Each of Google's packages."""
    return request.param  # type: ignore[no-any-return]  # one of OFFICIAL


@pytest.fixture(scope="session")
def venv(official: Official, repository: Path, make_venv: MakeVenv) -> Venv:
    """A virtual environment with Google's package and ours, resolved and installed together."""
    return make_venv(str(repository), official.requirement)


@pytest.mark.parametrize("runtime", ["upb", "python"])
@pytest.mark.parametrize("first", ["ours", "theirs"])
def test_both_packages_work_in_one_process(venv: Venv, official: Official, runtime: str, first: str) -> None:
    """Imported in either order, on either protobuf runtime, the messages of both work and have the same bytes."""
    order = ["genai_grpc.protos", official.module]
    if first == "theirs":
        order.reverse()
    environment = {"PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": runtime}
    venv.run("-c", MESSAGES, runtime, official.protobuf, *order, **environment)


def test_official_client_with_our_server(venv: Venv) -> None:
    """Google's client, on an insecure channel, gets the same responses from the local server as our client."""
    script = local.ScriptEngine()
    for _ in ("official client", "our client"):
        script.reply("hello").reply("I am ", "well")
    with local.serve(script) as server:
        theirs, ours = json.loads(venv.run("-c", RESPONSES, server.address))
    assert theirs == ours
    assert theirs["generate"] == {"text": "hello", "finish_reason": 1, "tokens": [3, 1, 4]}
    assert [chunk["text"] for chunk in theirs["stream"]] == ["I am ", "well"]
    assert theirs["count"] == 3
    assert [name for name, *_ in theirs["models"]] == ["models/script", "models/gemini-pro"]


def test_wire_format_is_the_published_one(venv: Venv, official: Official) -> None:
    """Every message has the fields of Google's newest package, with their numbers, types and presence."""
    if official.protobuf != "7":
        pytest.skip("an older package, with fewer messages")
    assert int(venv.run("-c", WIRE)) == 192
