"""`import genai_grpc.as_google_generativeai`, each in an interpreter of its own."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from genai_grpc import local

FORMS = """
import google.protobuf  # another package of `google`
import genai_grpc.as_google_generativeai
import google.generativeai
import google.generativeai as genai
from google import generativeai
from google.generativeai import caching, protos
from google.generativeai.types import content_types
import google.generativeai.types.safety_types as safety_types

import genai_grpc.generativeai.types.content_types

assert genai is google.generativeai is generativeai is genai_grpc.generativeai
assert genai.__spec__.name == "genai_grpc.generativeai"
assert content_types is genai_grpc.generativeai.types.content_types
assert genai.GenerativeModel is genai_grpc.GenerativeModel
assert (caching.CachedContent, protos.Part) == (genai_grpc.caching.CachedContent, genai_grpc.protos.Part)
assert safety_types.HarmCategory is genai.types.HarmCategory
assert google.protobuf.__name__ == "google.protobuf"
"""

PATCHES = """
import genai_grpc.as_google_generativeai
from unittest import mock

import genai_grpc
import google.generativeai as genai

with mock.patch("google.generativeai.GenerativeModel") as model:
    assert genai.GenerativeModel is model
assert genai.GenerativeModel is genai_grpc.GenerativeModel
with mock.patch("google.generativeai.generative_models.GenerativeModel.generate_content") as generate_content:
    assert genai_grpc.GenerativeModel.generate_content is generate_content
"""

SEVERAL_KEYS = """
import sys
import genai_grpc.as_google_generativeai
import google.generativeai as genai
from google.generativeai.client import _ClientManager, get_default_generative_client, get_default_model_client

genai.configure(client_options={"api_endpoint": sys.argv[1]})
assert get_default_generative_client() is get_default_model_client()
assert [model.name for model in genai.list_models(client=get_default_model_client())][-1] == "models/gemini-pro"

manager = _ClientManager()
manager.configure(api_key="another-key", client_options={"api_endpoint": sys.argv[1]})
model = genai.GenerativeModel("gemini-pro")
model._client = manager.get_default_client("generative")
assert model.client is manager.get_default_client("generative") is not get_default_generative_client()
print(model.generate_content(["Say", {"text": "hello"}]).text)
"""

TOO_LATE = """
import sys, types
sys.modules["google.generativeai"] = types.ModuleType("google.generativeai")
sys.modules["google.generativeai"].__file__ = "site-packages/google/generativeai/__init__.py"
try:
    import genai_grpc.as_google_generativeai
except ImportError as error:
    print(error)
"""


def run(program: str, *arguments: str) -> str:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    # google.api_core warns about some versions of Python.
    command = [sys.executable, "-W", "ignore", "-c", program, *arguments]
    done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.parametrize("program", [FORMS, PATCHES], ids=["forms", "patches"])
def test_import(program: str) -> None:
    """Every form of the import gives this package, beside other packages of `google`; mock.patch finds it, too."""
    run(program)


def test_calls(script: local.ScriptEngine) -> None:
    """A program that uses a client manager of its own gets its answers."""
    script.reply("hello")
    with local.serve(script) as server:
        assert run(SEVERAL_KEYS, server.endpoint) == "hello\n"


def test_imported_too_late() -> None:
    """After the predecessor was imported, the import fails and says what to change."""
    assert run(TOO_LATE) == (
        "google.generativeai has been imported already, from site-packages/google/generativeai/__init__.py; "
        "import genai_grpc.as_google_generativeai before the first module that imports it\n"
    )


@pytest.mark.parametrize("module", ["notebook", "string_utils"])
def test_missing_module(module: str) -> None:
    """A module that is missing on purpose is a ModuleNotFoundError."""
    program = f"import genai_grpc.as_google_generativeai\ntry: import google.generativeai.{module}\n"
    assert run(program + "except ModuleNotFoundError as error: print(error.name)") == (
        f"genai_grpc.generativeai.{module}\n"
    )
