"""Public calls spell out their keyword parameters, and completion offers them."""

from __future__ import annotations

import importlib
import inspect
import json
import os
import subprocess
import sys
from typing import Any

import pytest

import genai_grpc as genai
from genai_grpc.caching import CachedContent

# The signatures of google.generativeai's reference page of GenerativeModel.
REFERENCE_PAGE = {
    "": """
        model_name='gemini-pro', safety_settings=None, generation_config=None, tools=None, tool_config=None,
        system_instruction=None""",
    "count_tokens": """
        contents=None, *, generation_config=None, safety_settings=None, tools=None, tool_config=None,
        request_options=None""",
    "count_tokens_async": """
        contents=None, *, generation_config=None, safety_settings=None, tools=None, tool_config=None,
        request_options=None""",
    "from_cached_content": "cached_content, *, generation_config=None, safety_settings=None",
    "generate_content": """
        contents, *, generation_config=None, safety_settings=None, stream=False, tools=None, tool_config=None,
        request_options=None""",
    "generate_content_async": """
        contents, *, generation_config=None, safety_settings=None, stream=False, tools=None, tool_config=None,
        request_options=None""",
    "start_chat": "*, history=None, enable_automatic_function_calling=False",
}
# After them, those of Vertex AI only.
SEND_MESSAGE = REFERENCE_PAGE["generate_content"].replace("contents", "content") + ", labels=None"
SEND_MESSAGE += ", model_armor_config=None"


def parameters(function: Any) -> list[tuple[str, Any, Any]]:
    """The name, kind and default of each parameter but `self`."""
    found = inspect.signature(function).parameters.values()
    return [(each.name, each.kind, each.default) for each in found if each.name != "self"]


def expected(source: str) -> list[tuple[str, Any, Any]]:
    """The same for parameters as they are written in a definition."""
    function: Any = eval(f"lambda {' '.join(source.split())}: None")  # noqa: S307 -- our own text
    return parameters(function)


@pytest.mark.parametrize("name", REFERENCE_PAGE)
def test_reference_page(name: str) -> None:
    """Each signature is that of the reference page; parameters beyond it are keywords with defaults, and come last."""
    reference = expected(REFERENCE_PAGE[name])
    found = parameters(getattr(genai.GenerativeModel, name) if name else genai.GenerativeModel)
    assert found[: len(reference)] == reference
    for _, kind, default in found[len(reference) :]:
        assert kind is inspect.Parameter.KEYWORD_ONLY
        assert default is not inspect.Parameter.empty


def test_embeddings() -> None:
    """The signature is that of google.generativeai 0.8.6, and a keyword."""
    found = parameters(genai.embed_content)
    assert found[:-1] == expected(
        "model, content, task_type=None, title=None, output_dimensionality=None, client=None, request_options=None"
    )
    assert found[-1:] == expected("*, as_numpy=False")


@pytest.mark.parametrize("name", ["send_message", "send_message_async"])
def test_chats(name: str) -> None:
    """A chat's calls take what the model's take."""
    assert parameters(getattr(genai.ChatSession, name)) == expected(SEND_MESSAGE)


def public_callables() -> list[Any]:
    """Every public function and method, by its qualified name."""
    found = {}
    for module_name in ("chat", "caching", "client", "embeddings", "generative_model", "models", "responses", "types"):
        module = importlib.import_module(f"genai_grpc.{module_name}")
        for name in module.__all__:
            value = getattr(module, name)
            if inspect.isfunction(value) or inspect.ismethod(value):
                found[name] = value
            elif inspect.isclass(value) and value.__module__.startswith("genai_grpc."):
                for member in vars(value):
                    if not member.startswith("_") and callable(function := getattr(value, member)):
                        found[f"{value.__qualname__}.{member}"] = function
    return [pytest.param(function, id=name) for name, function in sorted(found.items())]


@pytest.mark.parametrize("function", public_callables())
def test_no_catch_all(function: Any) -> None:
    """No public call hides its parameters behind *args or **kwargs."""
    kinds = {each.kind for each in inspect.signature(function).parameters.values()}
    assert not kinds & {inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL}


TWINS = [
    *((genai.GenerativeModel, name) for name in ("generate_content", "count_tokens", "from_cached_content")),
    (genai.ChatSession, "send_message"),
    (genai.Client, "connect"),
    *((CachedContent, name) for name in ("create", "get", "list", "update", "delete")),
    *((genai, name) for name in ("get_model", "get_base_model", "get_tuned_model", "list_models", "embed_content")),
]


@pytest.mark.parametrize(("owner", "name"), TWINS, ids=[name for _, name in TWINS])
def test_twins(owner: Any, name: str) -> None:
    """An async call takes what its sync twin takes."""
    assert parameters(getattr(owner, f"{name}_async")) == parameters(getattr(owner, name))


CALLS = [
    (genai.GenerativeModel, "generate_content", ("Hi",)),
    (genai.GenerativeModel, "count_tokens", ("Hi",)),
    (genai.GenerativeModel, "start_chat", ()),
    (CachedContent, "create", ("gemini-pro",)),
]


@pytest.mark.parametrize(("owner", "name", "arguments"), CALLS, ids=[name for _, name, _ in CALLS])
def test_unknown_keyword(owner: Any, name: str, arguments: tuple[Any, ...], client: genai.Client) -> None:
    """An unknown keyword is a TypeError that names the public method."""
    receiver = owner(client=client) if owner is genai.GenerativeModel else owner
    with pytest.raises(TypeError, match=rf"{name}\(\) got an unexpected keyword argument 'temperature'"):
        getattr(receiver, name)(*arguments, temperature=0)


# In an interpreter of its own, since IPython changes how tracebacks and displays work. Jedi and IPython may warn.
COMPLETE = """
import json, sys
import jedi
from IPython.core.completer import IPCompleter, provisionalcompleter
import genai_grpc as genai

namespace = {"genai": genai, "model": genai.GenerativeModel("gemini-pro")}
line = sys.argv[1]
script = "import genai_grpc as genai\\nmodel = genai.GenerativeModel()\\nchat = model.start_chat()\\n" + line
found = {"jedi": [each.name_with_symbols for each in jedi.Script(script).complete()]}
completer = IPCompleter(namespace=namespace, global_namespace=namespace)
completer.use_jedi = False
with provisionalcompleter():
    found["IPython"] = [each.text for each in completer.completions(line, len(line))]
print(json.dumps(found))
"""


@pytest.mark.parametrize(
    ("line", "offered", "hidden"),
    [
        (
            "model.generate_content('Hi', ",
            {"generation_config=", "safety_settings=", "stream=", "tools=", "tool_config=", "request_options="},
            set[str](),
        ),
        ("model.", {"generate_content", "count_tokens", "start_chat", "model_name"}, {"call", "describe", "library"}),
        ("genai.types.", {"RetryPolicy", "Interceptor", "GenerationConfig"}, {"dataclass", "KW_ONLY", "Any"}),
    ],
    ids=["keywords", "methods", "types"],
)
def test_completion(line: str, offered: set[str], hidden: set[str]) -> None:
    """Completion in IPython and by jedi offers the keywords and names of the public surface, and no others."""
    pytest.importorskip("IPython")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, "-c", COMPLETE, line]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True, timeout=100)
    for tool, names in json.loads(done.stdout).items():
        found = {name.rpartition(".")[2] for name in names}
        assert offered <= found, tool
        assert tool == "jedi" or not hidden & found  # jedi reads the source, IPython the object


# Jedi reads the source, as editors do, and runs nothing.
JEDI = """
import json, sys
import jedi

start = "import genai_grpc as genai\\nmodel = genai.GenerativeModel()\\nchat = model.start_chat()\\n"
print(json.dumps([[each.name_with_symbols for each in jedi.Script(start + line).complete()] for line in sys.argv[1:]]))
"""
CHUNK = {"text", "parts", "candidates", "usage_metadata", "prompt_feedback", "function_calls"}
COMPLETIONS = {
    "for chunk in model.generate_content('Hi', stream=True):\n    chunk.": CHUNK,
    "for chunk in chat.send_message('Hi', stream=True):\n    chunk.": CHUNK,
    "async def f():\n async for chunk in await model.generate_content_async('Hi', stream=True):\n  chunk.": CHUNK,
    "async def f():\n r = await chat.send_message_async('Hi', stream=True)\n async for chunk in r:\n  chunk.": CHUNK,
    "for chunk in model.generate_content('Hi', stream=True):\n    chunk.candidates[0].": {"content", "finish_reason"},
    "model.generate_content('Hi').parts[0].": {"text", "inline_data", "function_call"},
    "for m in genai.list_models():\n    m.": {"name", "supported_generation_methods", "input_token_limit"},
    "genai.get_model('gemini-pro').": {"name", "supported_generation_methods", "tuning_task"},
    "chat.send_message('Hi', ": {"stream=", "tools=", "request_options="},
    "genai.ChatSession(model, ": {"history=", "enable_automatic_function_calling="},
    "genai.Client(": {"api_key=", "endpoint=", "timeout=", "retry="},
    "genai.configure(": {"api_key=", "client_options="},
    "genai.GenerationConfig(": {"temperature=", "response_schema="},
    "genai.types.RequestOptions(": {"timeout=", "retry="},
    "genai.protos.Part(": {"text=", "inline_data=", "function_call="},
    "genai.protos.Content(": {"role=", "parts="},
}


def test_completion_by_jedi() -> None:
    """Jedi completes the attributes of a stream's chunks and of results, and the keywords of calls and messages."""
    pytest.importorskip("jedi")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, "-c", JEDI, *COMPLETIONS]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True, timeout=100)
    missing = {
        line: expected - set(found)
        for (line, expected), found in zip(COMPLETIONS.items(), json.loads(done.stdout), strict=True)
    }
    assert not {line: names for line, names in missing.items() if names}


PREDECESSOR = {
    "get_model": "name, *, client=None, request_options=None",
    "get_base_model": "name, *, client=None, request_options=None",
    "get_tuned_model": "name, *, client=None, request_options=None",
    "list_models": "*, page_size=50, client=None, request_options=None",
    "configure": """
        *, api_key=None, credentials=None, transport=None, client_options=None, client_info=None,
        default_metadata=(), vertex=None""",
}


@pytest.mark.parametrize("name", PREDECESSOR)
def test_functions_of_google_generativeai(name: str) -> None:
    """A function has the parameters that it has in google-generativeai; `configure` has `vertex`, too."""
    assert parameters(getattr(genai, name)) == expected(PREDECESSOR[name])
