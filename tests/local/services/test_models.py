from __future__ import annotations

import pytest

from genai_grpc import local, protos
from genai_grpc.local.engines.script import ScriptEngine
from genai_grpc.local.services.models import ModelRegistry
from tests.local.services.wire import ALIAS, SCRIPT, error_of, serving, to_request


def test_list_models() -> None:
    """ListModels has each engine's model and gemini-pro, whose description names the model that it is an alias of."""
    with serving(ScriptEngine(name="one"), ScriptEngine(name="two")) as stubs:
        models = stubs.models.ListModels(protos.ListModelsRequest()).models
        alias = stubs.models.GetModel(protos.GetModelRequest(name=ALIAS))

    assert [model.name for model in models] == ["models/one", "models/two", ALIAS]
    assert alias == models[2]
    assert alias.description.startswith("An alias of models/one")
    assert "generateContent" in alias.supported_generation_methods


def test_engine_with_the_name_of_the_alias() -> None:
    """An engine that is called gemini-pro takes the place of the alias."""
    with serving(ScriptEngine(name="one"), ScriptEngine(name="gemini-pro")) as stubs:
        models = stubs.models.ListModels(protos.ListModelsRequest()).models

    assert [model.display_name for model in models] == ["Script", "Script"]


def test_caching_methods() -> None:
    """Every model that generates lists createCachedContent, the alias too; the engine's own message stays unchanged."""
    script = ScriptEngine()
    registry = ModelRegistry([script])

    for name in SCRIPT, ALIAS:
        methods = registry.model(name).supported_generation_methods
        assert [each for each in methods if each != "embedContent"] == [
            "generateContent",
            "countTokens",
            "createCachedContent",
        ]
    assert "createCachedContent" not in script.model.supported_generation_methods


def test_unknown_model() -> None:
    """A model that is not served is NOT_FOUND, naming those that are, for every method that names one."""
    name = "models/nothing"
    cached_content = protos.CachedContent(model=name, contents=to_request().contents)
    with serving(ScriptEngine()) as stubs:
        request = to_request(model=name)
        count_request = protos.CountTokensRequest(model=name, contents=request.contents)
        errors = [
            error_of(lambda: stubs.generative.GenerateContent(request)),
            error_of(lambda: list(stubs.generative.StreamGenerateContent(request))),
            error_of(lambda: stubs.generative.CountTokens(count_request)),
            error_of(lambda: stubs.models.GetModel(protos.GetModelRequest(name=name))),
            error_of(
                lambda: stubs.caches.CreateCachedContent(
                    protos.CreateCachedContentRequest(cached_content=cached_content)
                )
            ),
        ]

    for error in errors:
        assert error.status == "NOT_FOUND"
        assert error.message == (
            "models/nothing is not served here; genai_grpc.list_models() lists the models that are: "
            "models/script, models/gemini-pro, models/gemini-*"
        )
        (info,) = error.details
        assert getattr(info, "reason", None) == "MODEL_NOT_FOUND"
        assert dict(getattr(info, "metadata", {})) == {"model": name}


@pytest.mark.parametrize(("name", "message"), [("", "model is ''; name one"), ("script", "write 'models/script'")])
def test_incomplete_model_name(name: str, message: str) -> None:
    """A name without "models/" is INVALID_ARGUMENT, saying what to write."""
    with serving(ScriptEngine()) as stubs:
        error = error_of(lambda: stubs.generative.GenerateContent(to_request(model=name)))

    assert error.status == "INVALID_ARGUMENT"
    assert message in error.message


def test_pages() -> None:
    """ListModels pages by page_size, and its last page has no token."""
    with serving(*[ScriptEngine(name=f"m{number}") for number in range(4)]) as stubs:
        pages: list[list[str]] = []
        token = ""
        while not pages or token:
            page = stubs.models.ListModels(protos.ListModelsRequest(page_size=2, page_token=token))
            pages.append([model.name for model in page.models])
            token = page.next_page_token

    assert pages == [["models/m0", "models/m1"], ["models/m2", "models/m3"], [ALIAS]]


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (protos.ListModelsRequest(page_size=-1), "page_size is -1"),
        (protos.ListModelsRequest(page_token="made up"), "page_token is not one"),
    ],
)
def test_invalid_page(request_: protos.ListModelsRequest, message: str) -> None:
    """A negative page size or an invented token is INVALID_ARGUMENT."""
    with serving(ScriptEngine()) as stubs:
        error = error_of(lambda: stubs.models.ListModels(request_))

    assert error.status == "INVALID_ARGUMENT"
    assert message in error.message


@pytest.mark.parametrize(("names", "message"), [(("a", "a"), "two engines are called models/a"), (("tuned/a",), None)])
def test_invalid_engine_names(names: tuple[str, ...], message: str | None) -> None:
    """Two engines of one name are a ValueError, and so is a name that does not begin with "models/"."""
    engines = [ScriptEngine(name=name) for name in names]
    if message is None:
        engines[0].model.name, message = "tuned/a", "a model's name begins with 'models/'"
    with pytest.raises(ValueError, match=message):
        local.serve(*engines).start()
