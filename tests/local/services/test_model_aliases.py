"""Names under which the first engine's model is served besides its own."""

from __future__ import annotations

from collections.abc import Callable

import grpc
import pytest

import genai_grpc as genai
from genai_grpc import errors, local, protos
from genai_grpc.caching import CachedContent
from genai_grpc.local.engines.script import ScriptEngine
from genai_grpc.local.services.models import to_patterns
from tests.local.services.wire import Stubs, error_of, serving, text, to_request

FLASH = "models/gemini-2.5-flash"


def _outcomes(stubs: Stubs, name: str) -> list[str]:
    """Of each method that names a model, "OK" or the status of its error."""

    def outcome(call: Callable[[], object]) -> str:
        try:
            call()
        except grpc.RpcError as error:
            status: str = error.code().name
            return status
        return "OK"

    request = to_request(model=name)
    content = protos.CachedContent(model=name, contents=request.contents)
    calls: tuple[Callable[[], object], ...] = (
        lambda: stubs.generative.GenerateContent(request),
        lambda: list(stubs.generative.StreamGenerateContent(request)),
        lambda: stubs.generative.CountTokens(protos.CountTokensRequest(model=name, contents=request.contents)),
        lambda: stubs.models.GetModel(protos.GetModelRequest(name=name)),
        lambda: stubs.caches.CreateCachedContent(protos.CreateCachedContentRequest(cached_content=content)),
    )
    return [outcome(call) for call in calls]


@pytest.mark.parametrize(
    ("aliases", "served", "refused"),
    [
        (None, [FLASH, "models/gemini-3-pro-preview"], ["models/palm-2", "tunedModels/mine", "tunedModels/gemini-1"]),
        ((), ["models/gemini-pro"], [FLASH]),
        (
            ["palm-*", "models/exact", "tunedModels/mine"],
            ["models/palm-2", "models/exact", "tunedModels/mine", "models/gemini-pro"],
            [FLASH, "models/exactly", "models/palm-2/x", "tunedModels/palm-2", "tunedModels/other"],
        ),
    ],
    ids=["default", "none", "own"],
)
def test_every_method_agrees(aliases: list[str] | None, served: list[str], refused: list[str]) -> None:
    """A name is served by every method that takes one, or is NOT_FOUND for every one."""
    script = ScriptEngine()
    for _ in served:
        script.reply("one").reply("two")
    settings = {} if aliases is None else {"aliases": aliases}
    with serving(script, **settings) as stubs:
        for name in served:
            assert _outcomes(stubs, name) == ["OK"] * 5, name
        for name in refused:
            assert _outcomes(stubs, name) == ["NOT_FOUND"] * 5, name


def test_alias() -> None:
    """An alias has a description that names its model, ListModels leaves it out, and replies name the model."""
    with serving(ScriptEngine(name="one").reply("Hi"), ScriptEngine(name="two")) as stubs:
        model = stubs.models.GetModel(protos.GetModelRequest(name=FLASH))
        response = stubs.generative.GenerateContent(to_request(model=FLASH))
        listed = [each.name for each in stubs.models.ListModels(protos.ListModelsRequest()).models]

    assert (model.name, model.base_model_id) == (FLASH, "gemini-2.5-flash")
    assert model.description.startswith("An alias of models/one")
    assert (text(response), response.model_version) == ("Hi", "one")
    assert listed == ["models/one", "models/two", "models/gemini-pro"]


def test_engine_with_a_name_of_gemini() -> None:
    """An engine that has the name of a Gemini model serves that name, and the first engine the other names."""
    two = ScriptEngine(name="gemini-2.5-flash").reply("two")
    with serving(ScriptEngine(name="one").reply("one"), two) as stubs:
        assert text(stubs.generative.GenerateContent(to_request(model=FLASH))) == "two"
        assert text(stubs.generative.GenerateContent(to_request(model="models/gemini-2.5-pro"))) == "one"


def test_names_of_embedding_models() -> None:
    """A name with "embedding" in it is one of the model that embeds; without any, it is NOT_FOUND."""
    request = protos.GetModelRequest(name="models/gemini-embedding-2-preview")
    with serving(ScriptEngine()) as stubs:
        assert list(stubs.models.GetModel(request).supported_generation_methods) == ["embedContent"]
    words_only = ScriptEngine()
    words_only.model.supported_generation_methods.remove("embedContent")
    with serving(words_only) as stubs:
        assert error_of(lambda: stubs.models.GetModel(request)).status == "NOT_FOUND"


def test_cache_of_an_alias() -> None:
    """A cached content goes with the name that it was created for, not with others of the same engine."""
    script = ScriptEngine().reply("Hello")
    with local.serve(script) as server, genai.Client(endpoint=server.endpoint) as client:
        cached = CachedContent.create(FLASH, contents=["A long tale."], client=client)
        assert cached.model == FLASH
        assert genai.GenerativeModel.from_cached_content(cached, client=client).generate_content("Hi").text == "Hello"
    with serving(ScriptEngine()) as stubs:
        content = protos.CachedContent(model=FLASH, contents=to_request().contents)
        created = stubs.caches.CreateCachedContent(protos.CreateCachedContentRequest(cached_content=content))
        request = to_request(model="models/gemini-2.5-pro")
        request.cached_content = created.name
        error = error_of(lambda: stubs.generative.GenerateContent(request))

    assert (error.status, error.message) == (
        "INVALID_ARGUMENT",
        f"{created.name} is for {FLASH}; model is 'models/gemini-2.5-pro'",
    )


def test_name_without_a_prefix() -> None:
    """A program may name a Gemini model without "models/"."""
    with (
        local.serve(ScriptEngine().reply("Hello")) as server,
        genai.Client(endpoint=server.endpoint) as client,
    ):
        assert genai.GenerativeModel("gemini-2.5-flash", client=client).generate_content("Hi").text == "Hello"
        with pytest.raises(errors.NotFound):
            genai.GenerativeModel("gemma-3", client=client).generate_content("Hi")


@pytest.mark.parametrize("alias", ["", "/", "a/", "models/", "a/b/c"])
def test_invalid_alias(alias: str) -> None:
    """An alias that cannot be a model's name is a ValueError, before anything starts."""
    with pytest.raises(ValueError, match="an alias is"):
        local.serve(ScriptEngine(), aliases=[alias])


def test_one_str_for_aliases() -> None:
    """A str in place of a list is a TypeError that says what to write."""
    with pytest.raises(TypeError, match=r"e\.g\. \['gemini-\*'\]"):
        to_patterns("gemini-*")
