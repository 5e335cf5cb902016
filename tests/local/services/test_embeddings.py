from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest

from genai_grpc import local, protos
from genai_grpc.errors import ResourceExhausted
from genai_grpc.local.engines.script import STALL, ScriptEngine
from tests.local.services.wire import ALIAS, SCRIPT, error_of, serving, to_request

ALIASES = "models/embedding-001", "models/gemini-embedding-001", "models/text-embedding-004"


class Lengths:
    """An engine that only embeds: the length of the text."""

    def __init__(self, name: str = "models/lengths") -> None:
        self.model = protos.Model(name=name, supported_generation_methods=["embedContent"])

    async def start(self) -> None: ...

    async def aclose(self) -> None: ...

    async def embed(self, requests: Sequence[protos.EmbedContentRequest]) -> Sequence[Sequence[float]]:
        return [[len(request.content.parts[0].text)] for request in requests]


class Generator(ScriptEngine):
    """An engine that only generates."""

    def __init__(self) -> None:
        super().__init__(name="generator")
        self.model.supported_generation_methods[:] = ["generateContent"]


def to_embed(*parts: Any, model: str = SCRIPT, **fields: Any) -> protos.EmbedContentRequest:
    """A request to embed one content, which says "Hello there" by default."""
    content = protos.Content(parts=parts or [protos.Part(text="Hello there")])
    return protos.EmbedContentRequest(model=model, content=content, **fields)


def to_batch(*requests: protos.EmbedContentRequest, model: str = SCRIPT) -> protos.BatchEmbedContentsRequest:
    """A batch of these requests."""
    return protos.BatchEmbedContentsRequest(model=model, requests=requests)


def test_embed_content() -> None:
    """The engine gets the request as it was sent, and its vector is the reply."""
    script = ScriptEngine().reply_embedding([1, 2])
    request = to_embed(task_type="RETRIEVAL_DOCUMENT", title="T", output_dimensionality=2)
    with serving(script) as stubs:
        response = stubs.generative.EmbedContent(request)

    assert response == protos.EmbedContentResponse(embedding={"values": [1, 2]})
    assert script.embed_requests == (request,)


def test_batch_embed_contents() -> None:
    """A batch of up to 100 requests has a vector for each, in order."""
    requests = [to_embed(protos.Part(text="x" * number), model="models/lengths") for number in range(1, 101)]
    with serving(Lengths()) as stubs:
        response = stubs.generative.BatchEmbedContents(to_batch(*requests, model="models/lengths"))

    assert [list(embedding.values) for embedding in response.embeddings] == [[number] for number in range(1, 101)]


def test_models() -> None:
    """ListModels names the models that embed, without their aliases; GetModel describes these, too."""
    with serving(Generator(), Lengths(), Lengths("models/others")) as stubs:
        models = stubs.models.ListModels(protos.ListModelsRequest()).models
        aliases = [stubs.models.GetModel(protos.GetModelRequest(name=name)) for name in ALIASES]
        lengths = [
            stubs.generative.EmbedContent(to_embed(model=name)).embedding.values[0]
            for name in ("models/lengths", *ALIASES)
        ]

    assert [model.name for model in models if "embedContent" in model.supported_generation_methods] == [
        "models/lengths",
        "models/others",
    ]
    for name, alias in zip(ALIASES, aliases, strict=True):
        assert (alias.name, list(alias.supported_generation_methods)) == (name, ["embedContent"])
        assert alias.description.startswith("An alias of models/lengths")
    assert lengths == [11.0] * 4


def test_alias_of_an_engine_that_does_both() -> None:
    """The aliases of an engine that generates and embeds are for one of them each."""
    script = ScriptEngine()
    with serving(script) as stubs:
        generates = stubs.models.GetModel(protos.GetModelRequest(name=ALIAS)).supported_generation_methods
        embed = error_of(lambda: stubs.generative.EmbedContent(to_embed(model=ALIAS)))
        generate = error_of(lambda: stubs.generative.GenerateContent(to_request(model=ALIASES[0])))

    assert list(generates) == ["generateContent", "countTokens", "createCachedContent"]
    assert embed.message.startswith(f"{ALIAS} is not served for embedContent; genai_grpc.list_models() lists")
    assert generate.message.startswith(f"{ALIASES[0]} is not served for generateContent; ")
    assert (embed.status, generate.status) == ("NOT_FOUND", "NOT_FOUND")


def test_methods_of_other_models() -> None:
    """A model that only embeds generates, counts and caches nothing, and one that only generates embeds nothing."""
    turn = to_request().contents
    with serving(Generator(), Lengths()) as stubs:
        name = "models/lengths"
        errors = [
            error_of(lambda: stubs.generative.GenerateContent(to_request(model=name))),
            error_of(lambda: list(stubs.generative.StreamGenerateContent(to_request(model=name)))),
            error_of(lambda: stubs.generative.CountTokens(protos.CountTokensRequest(model=name, contents=turn))),
            error_of(lambda: stubs.generative.EmbedContent(to_embed(model="models/generator"))),
            error_of(lambda: stubs.generative.BatchEmbedContents(to_batch(model="models/generator"))),
        ]

    assert [error.status for error in errors] == ["NOT_FOUND"] * 5


def test_embedding_engine_alone() -> None:
    """Without an engine that generates, there is no gemini-pro."""
    with serving(Lengths()) as stubs:
        models = stubs.models.ListModels(protos.ListModelsRequest()).models
        error = error_of(lambda: stubs.generative.GenerateContent(to_request(model=ALIAS)))

    assert [model.name for model in models] == ["models/lengths"]
    assert error.status == "NOT_FOUND"


def test_engine_without_the_method() -> None:
    """An engine that lists embedContent and cannot embed is a ValueError at the start."""
    engine: Any = SimpleNamespace(model=Lengths().model, start=Lengths().start, aclose=Lengths().aclose)
    with pytest.raises(ValueError, match="models/lengths lists embedContent, and has no method `embed`"):
        local.serve(engine).start()


INVALID = [
    (to_embed(protos.Part()), "content has no text"),
    (protos.EmbedContentRequest(model=SCRIPT), "content has no text"),
    (to_embed(protos.Part(text="")), "content has no text"),
    (
        to_embed(protos.Part(text="Hi"), protos.Part(inline_data={"mime_type": "image/png", "data": b"x"})),
        "content.parts[1] is image/png; models/script embeds text only",
    ),
    (
        to_embed(protos.Part(text="Hi"), protos.Part(file_data={"file_uri": "files/a"})),
        "content.parts[1] is a file without a MIME type; ",
    ),
    (
        to_embed(protos.Part(text="Hi"), protos.Part(function_call={"name": "f"})),
        "content.parts[1] is a function_call; ",
    ),
    (to_embed(protos.Part(text="Hi"), protos.Part()), "content.parts[1] is empty; "),
    (to_embed(title="T"), "title is for the task_type RETRIEVAL_DOCUMENT only"),
    (to_embed(title="T", task_type="RETRIEVAL_QUERY"), "title is for the task_type RETRIEVAL_DOCUMENT only"),
    (to_embed(task_type=99), "task_type is 99; "),
    (to_embed(output_dimensionality=0), "output_dimensionality is 0; it must be at least 1"),
    (to_embed(output_dimensionality=-3), "output_dimensionality is -3; "),
    (to_embed(output_dimensionality=769), "output_dimensionality is 769; models/script has vectors of 768 numbers"),
]


@pytest.mark.parametrize(("request_", "message"), INVALID, ids=[message for _, message in INVALID])
def test_invalid_request(request_: protos.EmbedContentRequest, message: str) -> None:
    """What a model cannot embed is INVALID_ARGUMENT by name, in a batch with its place."""
    with serving(ScriptEngine()) as stubs:
        single = error_of(lambda: stubs.generative.EmbedContent(request_))
        batch = error_of(lambda: stubs.generative.BatchEmbedContents(to_batch(to_embed(), request_)))

    assert (single.status, batch.status) == ("INVALID_ARGUMENT", "INVALID_ARGUMENT")
    assert message in single.message
    place = "" if "769" in message else "requests[1]."
    assert f"{place}{message}" in batch.message


def test_invalid_batch() -> None:
    """A batch without requests, of more than 100, or for two models is INVALID_ARGUMENT; no engine gets it."""
    script = ScriptEngine()
    with serving(script, Lengths()) as stubs:
        batches = [[], [to_embed()] * 101, [to_embed(), to_embed(model="models/lengths")]]
        calls = [partial(stubs.generative.BatchEmbedContents, to_batch(*batch)) for batch in batches]
        errors = list(map(error_of, calls))

    assert [error.status for error in errors] == ["INVALID_ARGUMENT"] * 3
    assert [error.message.partition(";")[0] for error in errors] == [
        "requests has 0 items",
        "requests has 101 items",
        "requests[1].model is 'models/lengths'",
    ]
    assert script.embed_requests == ()


def test_size() -> None:
    """A request above the limit is INVALID_ARGUMENT."""
    with serving(ScriptEngine(), max_request_bytes=100) as stubs:
        request = to_embed(protos.Part(text="x" * 101))
        errors = [
            error_of(lambda: stubs.generative.EmbedContent(request)),
            error_of(lambda: stubs.generative.BatchEmbedContents(to_batch(request))),
        ]

    assert all("bytes and this server takes 100" in error.message for error in errors)


def test_errors_of_the_engine() -> None:
    """An APIError of the engine is the status; any other exception, or a vector too few, is INTERNAL."""

    class Forgetful(ScriptEngine):
        async def embed(self, requests: Any) -> Any:
            return (await super().embed(requests))[1:]

    script = ScriptEngine().reply_embedding(ResourceExhausted("enough"), LookupError("where?"))
    with serving(script, Forgetful(name="forgetful")) as stubs:
        quota = error_of(lambda: stubs.generative.EmbedContent(to_embed()))
        defect = error_of(lambda: stubs.generative.EmbedContent(to_embed()))
        missing = error_of(lambda: stubs.generative.EmbedContent(to_embed(model="models/forgetful")))

    assert (quota.status, quota.message) == ("RESOURCE_EXHAUSTED", "enough")
    assert (defect.status, missing.status) == ("INTERNAL", "INTERNAL")
    assert "failed with LookupError: where?" in defect.message
    assert "`embed` returned 0 vectors for 1 requests" in missing.message


def test_cancellation_stops_engine() -> None:
    """A call that is cancelled, or past its deadline, ends the work of the engine."""
    script = ScriptEngine().reply_embedding(STALL, STALL)
    with serving(script) as stubs:
        call = stubs.generative.EmbedContent.future(to_embed())
        while not script.embed_requests:
            time.sleep(0.01)
        call.cancel()
        script.wait_cancelled()
        error = error_of(lambda: stubs.generative.BatchEmbedContents(to_batch(to_embed()), timeout=0.2))
        script.wait_cancelled(2)

    assert error.status == "DEADLINE_EXCEEDED"
