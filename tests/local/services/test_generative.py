from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import grpc
import pytest

from genai_grpc import local, protos
from genai_grpc._rpc import status as _status
from genai_grpc.errors import APIError, ResourceExhausted
from genai_grpc.local.engines.script import STALL, ScriptEngine
from genai_grpc_protos.protobuf import Duration
from genai_grpc_protos.rpc import RetryInfo
from genai_grpc_protos.v1beta.generative_service_pb2_grpc import GenerativeServiceStub
from genai_grpc_protos.v1beta.model_service_pb2_grpc import ModelServiceStub

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


Part, Content = protos.Part, protos.Content
GEMINI_PRO = "models/gemini-pro"


def ask(*parts: protos.Part, model: str = "models/script", role: str = "user") -> protos.GenerateContentRequest:
    """A request for content, of one turn."""
    return protos.GenerateContentRequest(
        model=model, contents=[Content(role=role, parts=parts or [Part(text="Hello there")])]
    )


class Wire:
    """The stubs over one channel to a server."""

    def __init__(self, channel: grpc.Channel) -> None:
        self.channel = channel
        self.generative = GenerativeServiceStub(channel)
        self.models = ModelServiceStub(channel)


@contextmanager
def wired(*engines: Any, **settings: Any) -> Iterator[Wire]:
    """The stubs to a server of these engines, for the length of a block."""
    with local.serve(*engines, **settings) as server, grpc.insecure_channel(server.address) as channel:
        yield Wire(channel)


def error_of(call: Callable[[], object]) -> APIError:
    """The error that a call ends with, its status and details read as the client does."""
    with pytest.raises(grpc.RpcError) as caught:
        call()
    ended: Any = caught.value
    return _status.parse_status(ended.code(), ended.details(), ended.trailing_metadata())


def text(response: protos.GenerateContentResponse) -> str:
    """What a response, or a chunk, says in its one part."""
    return response.candidates[0].content.parts[0].text


class Broken(ScriptEngine):
    """A script of which one method has a defect."""

    def __init__(self, method: str) -> None:
        super().__init__()
        self.closed = False
        if method != "generate":
            setattr(self, method, self.fail)

    async def fail(self, *_: object) -> Any:
        """Stand in for the method with the defect."""
        raise ZeroDivisionError("by accident")

    async def aclose(self) -> None:
        """Note that it was closed."""
        self.closed = True


def test_streams_chunks() -> None:
    """A stream delivers the engine's chunks one by one, in order."""
    with wired(ScriptEngine().reply("Hello", " world")) as wire:
        chunks = list(wire.generative.StreamGenerateContent(ask()))

    assert [text(chunk) for chunk in chunks] == ["Hello", " world"]


def test_a_chunk_does_not_wait_for_the_next() -> None:
    """A chunk arrives while the engine still works on the one after it."""
    script = ScriptEngine().reply("Hello", STALL)
    with wired(script) as wire:
        stream = wire.generative.StreamGenerateContent(ask())
        assert text(next(stream)) == "Hello"
        stream.cancel()
        script.wait_cancelled()


def test_folds_a_unary_call() -> None:
    """A unary call gets the chunks as one response, with the last usage and finish reason."""
    with wired(ScriptEngine().reply("Hello", " world")) as wire:
        response = wire.generative.GenerateContent(ask())

    assert text(response) == "Hello world"
    assert response.candidates[0].finish_reason == protos.Candidate.STOP
    assert response.usage_metadata.total_token_count == 4


def test_the_request_reaches_the_engine() -> None:
    """The engine gets the request as it was sent."""
    script = ScriptEngine().reply("Hello")
    with wired(script) as wire:
        wire.generative.GenerateContent(ask(model=GEMINI_PRO))

    assert script.requests == (ask(model=GEMINI_PRO),)


def test_count_tokens_of_contents_or_of_a_request() -> None:
    """Tokens are counted of bare contents, or of a whole request, which need not name the model again."""
    whole = ask(model="")
    whole.system_instruction.parts.add(text="Be brief.")
    bare = protos.CountTokensRequest(model="models/script", contents=ask().contents)
    full = protos.CountTokensRequest(model="models/script", generate_content_request=whole)
    script = ScriptEngine()
    with wired(script) as wire:
        assert wire.generative.CountTokens(bare).total_tokens == 2
        assert wire.generative.CountTokens(full).total_tokens == 4

    assert [request.model for request in script.count_requests] == ["models/script"] * 2


@pytest.mark.usefixtures("no_api_core")
def test_an_api_error_keeps_its_status_and_details() -> None:
    """An APIError of an engine arrives with its code, message and details, after the chunks before it."""
    error = ResourceExhausted("slow down", details=[RetryInfo(retry_delay=Duration(seconds=7))])
    with wired(ScriptEngine().reply("Hello", error)) as wire:
        stream = wire.generative.StreamGenerateContent(ask())
        assert text(next(stream)) == "Hello"
        came = error_of(lambda: next(stream))

    assert (type(came), came.message, came.details) == (ResourceExhausted, "slow down", error.details)


@pytest.mark.parametrize("method", ["generate", "count_tokens"])
def test_a_defect_of_an_engine_is_internal_and_logged(method: str, caplog: pytest.LogCaptureFixture) -> None:
    """Any other exception is INTERNAL, naming the engine, with its traceback in the log."""
    script = Broken(method)
    count = protos.CountTokensRequest(model="models/script", contents=ask().contents)
    with wired(script) as wire, caplog.at_level(logging.ERROR, "genai_grpc.local"):
        if method == "generate":
            script.reply("Hello", ZeroDivisionError("by accident"))
            came = error_of(lambda: wire.generative.GenerateContent(ask()))
        else:
            came = error_of(lambda: wire.generative.CountTokens(count))

    assert came.status == "INTERNAL"
    assert "Broken (models/script) failed with ZeroDivisionError: by accident" in came.message
    (record,) = caplog.records
    assert record.exc_info
    assert record.exc_info[0] is ZeroDivisionError


def test_an_unknown_model() -> None:
    """A model that is not served is NOT_FOUND, saying how to list those that are, for every method that names one."""
    with wired(ScriptEngine()) as wire:
        name = "models/nothing"
        errors = [
            error_of(lambda: wire.generative.GenerateContent(ask(model=name))),
            error_of(lambda: list(wire.generative.StreamGenerateContent(ask(model=name)))),
            error_of(
                lambda: wire.generative.CountTokens(protos.CountTokensRequest(model=name, contents=ask().contents))
            ),
            error_of(lambda: wire.models.GetModel(protos.GetModelRequest(name=name))),
        ]

    for error in errors:
        assert error.status == "NOT_FOUND"
        assert error.message.startswith("models/nothing is not served here; genai_grpc.list_models()")
        (info,) = error.details
        assert getattr(info, "reason", None) == "MODEL_NOT_FOUND"
        assert dict(getattr(info, "metadata", {})) == {"model": name}


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (ask(model=""), "model is ''; name one"),
        (ask(model="script"), "model is 'script'; write 'models/script'"),
        (protos.GenerateContentRequest(model="models/script"), "contents is empty"),
        (protos.GenerateContentRequest(model="models/script", contents=[Content()]), r"contents[0].parts is empty"),
        (ask(Part(text="a"), Part()), "contents[0].parts[1] is empty"),
        (ask(role="robot"), "contents[0].role is 'robot'; it must be 'user', 'model' or 'function'"),
    ],
)
def test_a_wrong_request(request_: protos.GenerateContentRequest, message: str) -> None:
    """A request that no engine could answer is INVALID_ARGUMENT, saying what is wrong and where."""
    script = ScriptEngine()
    with wired(script) as wire:
        error = error_of(lambda: wire.generative.GenerateContent(request_))

    assert error.status == "INVALID_ARGUMENT"
    assert message in error.message
    assert not script.requests


def test_an_empty_system_instruction() -> None:
    """A system instruction without parts is INVALID_ARGUMENT."""
    request = ask()
    request.system_instruction.SetInParent()
    with wired(ScriptEngine()) as wire:
        assert "system_instruction.parts is empty" in error_of(lambda: wire.generative.GenerateContent(request)).message


def test_a_thought_signature_may_stand_alone() -> None:
    """A part with a thought signature alone is accepted, since models send such parts."""
    with wired(ScriptEngine().reply("Hello")) as wire:
        assert text(wire.generative.GenerateContent(ask(Part(text="a"), Part(thought_signature=b"sign")))) == "Hello"


def test_count_tokens_takes_one_prompt() -> None:
    """Contents beside a whole request, or two models, are INVALID_ARGUMENT."""
    both = protos.CountTokensRequest(model="models/script", contents=ask().contents, generate_content_request=ask())
    two = protos.CountTokensRequest(model="models/script", generate_content_request=ask(model=GEMINI_PRO))
    with wired(ScriptEngine()) as wire:
        assert "exclude each other" in error_of(lambda: wire.generative.CountTokens(both)).message
        assert "name one" in error_of(lambda: wire.generative.CountTokens(two)).message


PNG = Part(inline_data=protos.Blob(mime_type="image/png", data=b"png"))
PDF = Part(file_data=protos.FileData(mime_type="application/pdf", file_uri="files/a"))
BARE = Part(file_data=protos.FileData(file_uri="files/a"))


@pytest.mark.parametrize(
    ("accepts", "part", "message"),
    [
        ((), PNG, "models/script cannot read image/png (contents[0].parts[1]); it accepts text only"),
        (("image/*",), PDF, "cannot read application/pdf (contents[0].parts[1]); it accepts text and image/*"),
        (("image/*",), BARE, "cannot read media without a MIME type"),
        (("image/*",), PNG, None),
        (("*/*",), PDF, None),
    ],
)
def test_media_that_the_model_cannot_read(accepts: tuple[str, ...], part: protos.Part, message: str | None) -> None:
    """Media that an engine does not accept is INVALID_ARGUMENT naming model and type; what it accepts reaches it."""
    script = ScriptEngine(supported_mime_types=accepts)
    request = ask(Part(text="What is this?"), part)
    with wired(script) as wire:
        if message is None:
            script.reply("A picture.")
            assert text(wire.generative.GenerateContent(request)) == "A picture."
        else:
            error = error_of(lambda: wire.generative.GenerateContent(request))
            assert error.status == "INVALID_ARGUMENT"
            assert message in error.message


def test_a_request_too_large() -> None:
    """A request over the limit is INVALID_ARGUMENT, naming both sizes and what to do; also one of several MiB."""
    with wired(ScriptEngine(), max_request_bytes=1000) as wire:
        for size in 1000, 5_000_000:
            request = ask(Part(text="x" * size))
            error = error_of(lambda request=request: wire.generative.GenerateContent(request))  # type: ignore[misc]
            assert error.status == "INVALID_ARGUMENT"
            assert f"has {request.ByteSize():,} bytes and this server takes 1,000 at most" in error.message
            assert "max_request_bytes" in error.message


def test_models_and_the_alias() -> None:
    """ListModels names each engine and gemini-pro, whose description says which model it is an alias of."""
    with wired(ScriptEngine(name="one"), ScriptEngine(name="two")) as wire:
        models = wire.models.ListModels(protos.ListModelsRequest()).models
        alias = wire.models.GetModel(protos.GetModelRequest(name=GEMINI_PRO))

    assert [model.name for model in models] == ["models/one", "models/two", GEMINI_PRO]
    assert alias == models[2]
    assert alias.description.startswith("An alias of models/one")
    assert "generateContent" in alias.supported_generation_methods


def test_each_engine_answers_for_itself() -> None:
    """A request goes to the engine that it names, and gemini-pro is the first one."""
    one, two = ScriptEngine(name="one").reply("1").reply("1"), ScriptEngine(name="two").reply("2")
    with wired(one, two) as wire:
        asked = ("models/two", "models/one", GEMINI_PRO)
        assert [text(wire.generative.GenerateContent(ask(model=name))) for name in asked] == ["2", "1", "1"]


def test_an_engine_named_like_the_alias() -> None:
    """An engine that is called gemini-pro itself is not hidden by the alias."""
    with wired(ScriptEngine(name="one"), ScriptEngine(name="gemini-pro")) as wire:
        models = wire.models.ListModels(protos.ListModelsRequest()).models

    assert [model.display_name for model in models] == ["Script", "Script"]


def test_pages_of_models() -> None:
    """A listing pages by page_size, and its last page has no token."""
    with wired(*[ScriptEngine(name=f"m{number}") for number in range(4)]) as wire:
        pages: list[list[str]] = []
        token = ""
        while not pages or token:
            page = wire.models.ListModels(protos.ListModelsRequest(page_size=2, page_token=token))
            pages.append([model.name for model in page.models])
            token = page.next_page_token

    assert pages == [["models/m0", "models/m1"], ["models/m2", "models/m3"], [GEMINI_PRO]]


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (protos.ListModelsRequest(page_size=-1), "page_size is -1"),
        (protos.ListModelsRequest(page_token="made up"), "page_token is not one"),
    ],
)
def test_a_wrong_page(request_: protos.ListModelsRequest, message: str) -> None:
    """A negative page size or a made-up token is INVALID_ARGUMENT."""
    with wired(ScriptEngine()) as wire:
        error = error_of(lambda: wire.models.ListModels(request_))

    assert error.status == "INVALID_ARGUMENT"
    assert message in error.message


def test_what_is_not_offered() -> None:
    """Methods that no engine has, such as embeddings and tuned models, are UNIMPLEMENTED."""
    with wired(ScriptEngine()) as wire:
        embed = error_of(lambda: wire.generative.EmbedContent(protos.EmbedContentRequest()))
        tuned = error_of(lambda: wire.models.ListTunedModels(protos.ListTunedModelsRequest()))

    assert (embed.status, tuned.status) == ("UNIMPLEMENTED", "UNIMPLEMENTED")


def test_a_key_is_asked_for() -> None:
    """With a key set, calls without it, or with another, are UNAUTHENTICATED, and those with it are answered."""
    with wired(ScriptEngine().reply("Hello"), api_key="right-key") as wire:
        call = wire.generative.GenerateContent
        none = error_of(lambda: call(ask()))
        wrong = error_of(lambda: call(ask(), metadata=(("x-goog-api-key", "wrong-key"),)))
        stream = error_of(lambda: list(wire.generative.StreamGenerateContent(ask())))
        models = error_of(lambda: wire.models.ListModels(protos.ListModelsRequest()))
        assert text(call(ask(), metadata=(("x-goog-api-key", "right-key"),))) == "Hello"

    errors = [none, wrong, stream, models]
    assert [error.status for error in errors] == ["UNAUTHENTICATED"] * 4
    assert "configure(api_key=...)" in none.message
    assert not any("-key'" in error.message or "right" in error.message for error in errors)
    assert getattr(wrong.details[0], "reason", None) == "API_KEY_INVALID"


def test_cancelling_stops_the_engine() -> None:
    """A call that the client cancels is closed in the engine, whether it waits there or is held up in the sending."""
    script = ScriptEngine().reply("Hello", STALL).reply(*["x" * 1_000_000] * 100)
    with wired(script) as wire:
        for number in 1, 2:
            stream = wire.generative.StreamGenerateContent(ask())
            next(stream)
            stream.cancel()
            script.wait_cancelled(number)


def test_a_deadline_stops_the_engine() -> None:
    """A call past its deadline is closed in the engine too, be it unary or a stream."""
    script = ScriptEngine().reply(STALL).reply(STALL)
    with wired(script) as wire:
        unary = error_of(lambda: wire.generative.GenerateContent(ask(), timeout=0.2))
        stream = error_of(lambda: list(wire.generative.StreamGenerateContent(ask(), timeout=0.2)))
        script.wait_cancelled(2)

    assert (unary.status, stream.status) == ("DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED")


@pytest.mark.parametrize(("names", "message"), [(("a", "a"), "two engines are called models/a"), (("tuned/a",), None)])
def test_names_of_engines(names: tuple[str, ...], message: str | None) -> None:
    """Two engines of one name are refused with a ValueError, and so is a name that is no model's."""
    engines = [ScriptEngine(name=name) for name in names]
    if message is None:
        engines[0].model.name, message = "tuned/a", "a model's name begins with 'models/'"
    with pytest.raises(ValueError, match=message):
        local.serve(*engines).start()
