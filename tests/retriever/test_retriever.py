"""The semantic retriever, permissions, answers and predictions, in the client and on the local server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import genai_grpc as genai
from genai_grpc import errors, protos
from genai_grpc.local import ScriptEngine, Server, serve
from genai_grpc.local.services.metadata_filters import matches
from genai_grpc.retriever import ChunkData, Condition, CustomMetadata, MetadataFilter
from tests.conftest import Api

TEXTS = ["Alice fell down a rabbit hole", "the queen likes tarts", "a cat that grins", "a clock that is slow"]


@pytest.fixture
def corpus(client: genai.Client) -> genai.retriever.Corpus:
    """A corpus of one document with four chunks."""
    corpus = genai.retriever.create_corpus("tales", "Tales", client=client)
    document = corpus.create_document("alice", "Alice", custom_metadata=[CustomMetadata("year", 1865)])
    chunks = [{"data": text, "name": f"c{index}", "custom_metadata": [{"key": "page", "value": index}]}
              for index, text in enumerate(TEXTS)]  # fmt: skip
    document.batch_create_chunks(chunks)
    return corpus


def texts(found: list[Any]) -> list[str]:
    return [each.chunk.data.string_value for each in found]


def test_life_of_a_corpus(api: Api, client: genai.Client) -> None:
    """Corpora are created, listed in pages, changed, and deleted with what is in them."""
    corpus = api.call(genai.retriever, "create_corpus", "tales", "Tales", client=client)
    assert (corpus.name, corpus.display_name, corpus.create_time) == ("corpora/tales", "Tales", corpus.update_time)
    named = api.call(genai.retriever, "create_corpus", display_name="The Other Tales!", client=client)
    assert named.name.startswith("corpora/the-other-tales-")
    assert [each.name for each in api.items(genai.retriever, "list_corpora", page_size=1, client=client)] == [
        "corpora/tales",
        named.name,
    ]
    assert api.call(corpus, "update", {"display_name": "Old tales"}) is corpus
    assert api.call(genai.retriever, "get_corpus", "tales", client=client) == corpus
    assert (corpus.display_name, corpus.update_time > corpus.create_time) == ("Old tales", True)
    with pytest.raises(ValueError, match="only the display_name of a corpus can be changed"):
        api.call(corpus, "update", {"name": "x"})
    with pytest.raises(errors.AlreadyExists, match="there is a corpus 'corpora/tales' already"):
        api.call(genai.retriever, "create_corpus", "tales", client=client)
    with pytest.raises(ValueError, match="up to 40 lower-case letters"):
        api.call(genai.retriever, "create_corpus", "Tales of old", client=client)
    api.call(corpus, "create_document", "alice")
    with pytest.raises(errors.FailedPrecondition, match="corpora/tales has documents; delete them, or set force"):
        api.call(genai.retriever, "delete_corpus", "tales", client=client)
    api.call(genai.retriever, "delete_corpus", "tales", force=True, client=client)
    api.call(genai.retriever, "delete_corpus", named.name, client=client)
    assert api.items(genai.retriever, "list_corpora", client=client) == []
    for _ in range(5):
        api.call(genai.retriever, "create_corpus", client=client)
    with pytest.raises(errors.FailedPrecondition, match="a caller has 5 corpora at most"):
        api.call(genai.retriever, "create_corpus", client=client)


def test_life_of_a_document(api: Api, corpus: Any) -> None:
    """Documents are created with metadata, listed, changed and deleted with their chunks."""
    metadata = [
        CustomMetadata("tags", ["a", "b"]),
        {"key": "n", "value": 1.5},
        protos.CustomMetadata(key="s", string_value="x"),
    ]
    document = api.call(corpus, "create_document", display_name="Snow White", custom_metadata=metadata)
    assert document.name.startswith("corpora/tales/documents/snow-white-")
    assert [each.value for each in document.custom_metadata] == [["a", "b"], 1.5, "x"]
    assert [each.display_name for each in api.items(corpus, "list_documents", 1)] == ["Alice", "Snow White"]
    api.call(document, "update", {"custom_metadata": [CustomMetadata("n", 2)]})
    found = api.call(corpus, "get_document", document.name)
    assert ([each.value for each in found.custom_metadata], found.display_name) == ([2.0], "Snow White")
    with pytest.raises(errors.FailedPrecondition, match="has chunks; delete them, or set force"):
        api.call(corpus, "delete_document", "alice")
    api.call(corpus, "delete_document", "alice", force=True)
    with pytest.raises(errors.NotFound, match="there is no document"):
        api.call(corpus, "get_document", "alice")
    with pytest.raises(errors.InvalidArgument, match="custom_metadata has 21 items; give at most 20"):
        api.call(corpus, "create_document", custom_metadata=[CustomMetadata(f"k{i}", i) for i in range(21)])
    with pytest.raises(TypeError, match="is a str, a number or several str; got NoneType"):
        api.call(corpus, "create_document", custom_metadata=[{"key": "k", "value": None}])


def test_life_of_chunks(api: Api, corpus: Any) -> None:
    """Chunks are created one by one and in batches of any size, listed, changed and deleted."""
    document = api.call(corpus, "get_document", "alice")
    chunk = api.call(document, "create_chunk", ChunkData("one"), "one", [CustomMetadata("page", 9)])
    assert (chunk.name, chunk.state.name) == ("corpora/tales/documents/alice/chunks/one", "STATE_ACTIVE")
    created = api.call(document, "batch_create_chunks", [f"text {number}" for number in range(150)])
    assert len({each.name for each in created}) == 150
    listed = api.items(document, "list_chunks", page_size=100)
    assert [each.data.string_value for each in listed[:6]] == [*TEXTS, "one", "text 0"]
    changed = api.call(document, "batch_update_chunks", {each.name: {"data": "new"} for each in created})
    assert {each.data.string_value for each in changed} == {"new"}
    api.call(document, "batch_delete_chunks", created[:149])
    api.call(document, "delete_chunk", created[149].name.rpartition("/")[2])
    assert api.call(chunk, "update", {"data": {"string_value": "two"}}) is chunk
    assert [each.value for each in api.call(document, "get_chunk", "one").custom_metadata] == [9]
    api.call(chunk, "update", {"custom_metadata": []})
    found = api.call(document, "get_chunk", "one")
    assert (found.data.string_value, found.custom_metadata) == ("two", [])
    api.call(chunk, "delete")
    assert len(api.items(document, "list_chunks")) == 4
    with pytest.raises(errors.NotFound, match="there is no chunk"):
        api.call(document, "batch_delete_chunks", ["c0", "none"])
    assert len(api.items(document, "list_chunks")) == 4  # a batch is deleted whole or not at all
    with pytest.raises(errors.InvalidArgument, match="the chunk has 9,000 characters; give at most 8,172"):
        api.call(document, "create_chunk", "x" * 9000)
    with pytest.raises(ValueError, match="the data and the custom_metadata of a chunk can be changed"):
        api.call(chunk, "update", {"name": "x"})
    with pytest.raises(TypeError, match="a chunk is a str, a Chunk or a dict with 'data'; got int"):
        api.call(document, "batch_create_chunks", [7])


def test_query(api: Api, corpus: Any) -> None:
    """The chunks nearest to a query come first; filters and the count bound them."""
    found = api.call(corpus, "query", "what does the queen likes")
    assert texts(found)[0] == "the queen likes tarts"
    assert [each.chunk_relevance_score for each in found] == sorted(
        (each.chunk_relevance_score for each in found), reverse=True
    )
    assert found[0].document.display_name == "Alice"
    document = api.call(corpus, "get_document", "alice")
    assert len(api.call(document, "query", "a", results_count=2)) == 2
    pages = MetadataFilter("chunk.custom_metadata.page", [Condition(1, "<="), Condition(3, "==")])
    assert sorted(texts(api.call(document, "query", "a", [pages]))) == sorted([TEXTS[0], TEXTS[1], TEXTS[3]])
    year = MetadataFilter("document.custom_metadata.year", Condition(1900, ">"))
    assert api.call(corpus, "query", "a", [year, pages]) == []
    api.call(api.call(document, "get_chunk", "c2"), "update", {"data": "the queen likes tarts a lot"})
    assert set(texts(api.call(corpus, "query", "the queen likes tarts"))[:2]) == {
        TEXTS[1],
        "the queen likes tarts a lot",
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"query": ""}, "query is empty"),
        ({"query": "a", "results_count": 101}, "results_count is 101; it is 1 to 100"),
        ({"query": "a", "metadata_filters": [MetadataFilter("page", Condition(1, "<"))]}, "key is 'page'; it begins"),
        ({"query": "a", "metadata_filters": [MetadataFilter("chunk.custom_metadata.a", [])]}, "has no conditions"),
        (
            {"query": "a", "metadata_filters": [MetadataFilter("chunk.custom_metadata.a", Condition("x", "<"))]},
            "compares a string_value by LESS; strings take EQUAL",
        ),
    ],
)
def test_bad_query(api: Api, corpus: Any, arguments: dict[str, Any], message: str) -> None:
    """A query that cannot be answered says why."""
    with pytest.raises(errors.InvalidArgument, match=message):
        api.call(corpus, "query", **arguments)
    if arguments["query"] == "a" and len(arguments) == 1:
        pytest.fail("every query here is refused")


VALUES = st.one_of(st.sampled_from(["x", "y"]), st.integers(-2, 2), st.lists(st.sampled_from(["x", "y"]), max_size=2))
NUMBERS = {"<": "__lt__", "<=": "__le__", "==": "__eq__", ">=": "__ge__", ">": "__gt__", "!=": "__ne__"}
CONDITIONS = st.one_of(
    st.tuples(st.sampled_from(["x", "y"]), st.sampled_from(["==", "!=", "in", "not in"])),
    st.tuples(st.integers(-2, 2), st.sampled_from(list(NUMBERS))),
)


def holds(stored: Any, value: Any, operation: str) -> bool:
    """The comparison in Python."""
    if isinstance(value, int):
        return isinstance(stored, int) and bool(getattr(float(stored), NUMBERS[operation])(float(value)))
    if operation in ("in", "not in"):
        return isinstance(stored, list) and (value in stored) == (operation == "in")
    return isinstance(stored, str) and (stored == value) == (operation == "==")


@settings(max_examples=200)
@given(
    st.dictionaries(st.sampled_from("ab"), VALUES),
    st.dictionaries(st.sampled_from("ab"), VALUES),
    st.lists(
        st.tuples(st.sampled_from(["chunk", "document"]), st.sampled_from("ab"), st.lists(CONDITIONS, min_size=1))
    ),
)
def test_filters(of_chunk: Any, of_document: Any, filters: Any) -> None:
    """A chunk passes if one condition of every filter holds, as Python compares."""

    def to_protos(metadata: dict[str, Any]) -> list[protos.CustomMetadata]:
        return [CustomMetadata(key, value).to_proto() for key, value in metadata.items()]

    expected = all(
        any(holds((of_chunk if of == "chunk" else of_document).get(key), *each) for each in conditions)
        for of, key, conditions in filters
    )
    messages = [
        MetadataFilter(f"{of}.custom_metadata.{key}", [Condition(*each) for each in conditions]).to_proto()
        for of, key, conditions in filters
    ]
    chunk = protos.Chunk(custom_metadata=to_protos(of_chunk))
    assert matches(messages, protos.Document(custom_metadata=to_protos(of_document)), chunk) == expected


USERS = {"ada@example.com": "key-of-ada", "bob@example.com": "key-of-bob"}


@pytest.fixture
def shared(script: ScriptEngine) -> Iterator[Server]:
    """A server that knows two users."""
    with serve(script, users=USERS) as running:
        yield running


def uses(corpus: str, client: genai.Client) -> dict[str, Any]:
    """What a caller may do with a corpus, by the role that it needs."""
    found = genai.retriever.Corpus(corpus, _client=client)
    return {
        "READER": lambda: found.query("queen"),
        "READER too": lambda: list(found.list_documents()),
        "READER three": lambda: list(found.permissions),
        "READER four": lambda: found.get_document("alice").query("queen"),
        "WRITER": lambda: found.create_document(),
        "WRITER too": lambda: found.get_document("alice").create_chunk("text"),
        "WRITER three": lambda: found.update({"display_name": "x"}),
        "WRITER four": lambda: found.permissions.create("reader", email_address="eve@example.com").delete(),
        "OWNER": lambda: genai.retriever.delete_corpus(corpus, force=True, client=client),
    }


@pytest.mark.parametrize("role", [None, "READER", "WRITER"])
@pytest.mark.parametrize("everyone", [False, True])
def test_access(shared: Server, role: str | None, everyone: bool) -> None:
    """A caller may do what its role allows, and nothing else; the owner everything."""
    with (
        genai.Client("key-of-ada", endpoint=shared.endpoint) as ada,
        genai.Client("key-of-bob", endpoint=shared.endpoint) as bob,
    ):
        corpus = genai.retriever.create_corpus("tales", client=ada)
        corpus.create_document("alice")
        if role is not None:
            grantee: dict[str, Any] = {"grantee_type": "everyone"} if everyone else {"email_address": "bob@example.com"}
            corpus.permissions.create(role, **grantee)
        assert len(list(genai.retriever.list_corpora(client=bob))) == (role is not None)
        allowed = {None: (), "READER": ("READER",), "WRITER": ("READER", "WRITER")}[role]
        for needed, use in uses(corpus.name, bob).items():
            if needed.split()[0] in allowed:
                use()
            else:
                with pytest.raises(errors.PermissionDenied, match="which has not made this one a"):
                    use()
        for use in uses(corpus.name, ada).values():
            use()


def test_permissions(api: Api, shared: Server) -> None:
    """Permissions are granted, listed, changed and revoked; one grantee has one."""
    with genai.Client("key-of-ada", endpoint=shared.endpoint) as client:
        corpus = api.call(genai.retriever, "create_corpus", "tales", client=client)
        permissions = corpus.permissions
        [own] = api.items(permissions, "list")
        assert (own.role.name, own.email_address) == ("OWNER", "ada@example.com")
        permission = api.call(permissions, "create", "reader", email_address="bob@example.com")
        group = api.call(permissions, "create", "writer", email_address="all@googlegroups.com")
        assert (permission.grantee_type.name, group.grantee_type.name) == ("USER", "GROUP")
        with pytest.raises(errors.AlreadyExists, match="is for the same grantee; update its role"):
            api.call(permissions, "create", "writer", email_address="bob@example.com")
        assert api.call(permission, "update", {"role": "writer"}).role.name == "WRITER"
        found = api.call(permissions, "get", permission.name.rpartition("/")[2])
        by_name = api.call(genai.permissions, "get_permission", permission.name, client=client)
        assert found == by_name == permission
        parts = {
            "resource_name": "tales",
            "permission_id": permission.name.rpartition("/")[2],
            "resource_type": "corpus",
        }
        assert api.call(genai.permissions, "get_permission", client=client, **parts) == permission
        api.call(permission, "delete")
        assert [each.role.name for each in api.items(permissions, "list", page_size=1)] == ["OWNER", "WRITER"]
        for wrong in ({"role": "reader"}, {"role": "reader", "grantee_type": "everyone", "email_address": "a@b"}):
            with pytest.raises(ValueError, match="email_address"):
                api.call(permissions, "create", **wrong)
        with pytest.raises(ValueError, match="only the role of a permission can be changed; got 'email_address'"):
            api.call(group, "update", {"email_address": "x@y"})
        changes: list[Any] = [lambda: api.call(own, "delete"), lambda: api.call(own, "update", {"role": "reader"})]
        for change in changes:
            with pytest.raises(errors.InvalidArgument, match="TransferOwnership"):
                change()
        with pytest.raises(errors.InvalidArgument, match="role is WRITER or READER"):
            api.call(permissions, "create", "owner", email_address="bob@example.com")
        with pytest.raises(ValueError, match="the name of a permission is"):
            api.call(genai.permissions, "get_permission", "corpora/tales", client=client)
        with pytest.raises(ValueError, match="the ownership of a tuned model can be transferred"):
            api.call(permissions, "transfer_ownership", "bob@example.com")
        api.close_client(client)


def test_tuned_models_are_shared(api: Api, shared: Server, script: ScriptEngine) -> None:
    """A tuned model is used by its readers, changed by its writers, and handed over to another owner."""
    with (
        genai.Client("key-of-ada", endpoint=shared.endpoint) as ada,
        genai.Client("key-of-bob", endpoint=shared.endpoint) as bob,
    ):
        genai.create_tuned_model("gemini-pro", [("1", "2")], id="next", client=ada).result(timeout=60)
        permissions = genai.permissions.Permissions("tunedModels/next", client=ada)
        model = genai.GenerativeModel("tunedModels/next", client=bob)
        with pytest.raises(errors.PermissionDenied):
            model.generate_content("1")
        api.call(permissions, "create", "reader", email_address="bob@example.com")
        script.reply("2")
        assert model.generate_content("1").text == "2"
        assert [each.name for each in genai.list_tuned_models(client=bob)] == ["tunedModels/next"]
        with pytest.raises(errors.PermissionDenied, match="a WRITER"):
            genai.update_tuned_model("tunedModels/next", {"display_name": "x"}, client=bob)
        with pytest.raises(errors.InvalidArgument, match="this server knows no user 'eve@example.com'"):
            api.call(permissions, "transfer_ownership", "eve@example.com")
        api.call(permissions, "transfer_ownership", "bob@example.com")
        roles = {each.email_address: each.role.name for each in api.items(permissions, "list")}
        assert roles == {"ada@example.com": "WRITER", "bob@example.com": "OWNER"}
        genai.update_tuned_model("tunedModels/next", {"display_name": "x"}, client=ada)
        with pytest.raises(errors.PermissionDenied, match="an? OWNER"):
            genai.delete_tuned_model("next", client=ada)
        genai.delete_tuned_model("next", client=bob)
        api.close_client(ada)


def test_keys_of_users(script: ScriptEngine) -> None:
    """A server with a key takes those of its users, too, and no other."""
    with serve(script, api_key="server-key", users=USERS) as server:
        for key, accepted in (("server-key", True), ("key-of-bob", True), ("key-of-eve", False)):
            with genai.Client(key, endpoint=server.endpoint) as client:
                if accepted:
                    assert list(genai.retriever.list_corpora(client=client)) == []
                else:
                    with pytest.raises(errors.Unauthenticated):
                        list(genai.retriever.list_corpora(client=client))


@pytest.mark.parametrize("form", ["list", "dict", "pairs", "message"])
def test_answer_from_passages(api: Api, client: genai.Client, script: ScriptEngine, form: str) -> None:
    """An answer names the passages that it is from; the prompt has them and the question."""
    passages: Any = {
        "list": TEXTS[:2],
        "dict": {"0": TEXTS[0], "1": TEXTS[1]},
        "pairs": [("0", TEXTS[0]), ("1", TEXTS[1])],
        "message": protos.GroundingPassages(
            passages=[
                {"id": str(index), "content": {"parts": [{"text": text}]}} for index, text in enumerate(TEXTS[:2])
            ]
        ),
    }[form]
    script.reply("Tarts.")
    question = "What does the queen likes"
    reply = api.call(
        genai.answer, "generate_answer", contents=question, inline_passages=passages, answer_style="extractive",
        temperature=0.5, client=client,
    )  # fmt: skip
    assert reply.answer.content.parts[0].text == "Tarts."
    [ground] = reply.answer.grounding_attributions
    assert (ground.source_id.grounding_passage.passage_id, ground.content.parts[0].text) == ("1", TEXTS[1])
    assert 0 < reply.answerable_probability <= 1
    [request] = script.requests
    prompt = request.contents[-1].parts[0].text
    assert all(text in prompt for text in (*TEXTS[:2], question, "with the words of the passages"))
    assert request.generation_config.temperature == 0.5


def test_answer_from_a_corpus(api: Api, client: genai.Client, script: ScriptEngine, corpus: Any) -> None:
    """An answer is grounded in the chunks that a corpus has for the question; each source of them works."""
    sources: list[Any] = [
        corpus,
        corpus.name,
        corpus.get_document("alice"),
        {"source": corpus, "max_chunks_count": 1},
        {"source": corpus, "query": "queen", "minimum_relevance_score": 0.1},
    ]
    for source in sources:
        script.reply("Tarts.")
        reply = api.call(
            genai.answer, "generate_answer", contents="what the queen likes", semantic_retriever=source, client=client
        )
        ground = reply.answer.grounding_attributions[0].source_id.semantic_retriever_chunk
        assert ground.chunk == "corpora/tales/documents/alice/chunks/c1"
        assert ground.source == (source["source"].name if isinstance(source, dict) else getattr(source, "name", source))
    assert script.requests[3].contents[-1].parts[0].text.count("Passage: ") == 1


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({}, TypeError, "in inline_passages or in a semantic_retriever; pass one of them"),
        ({"inline_passages": ["a"], "semantic_retriever": "corpora/a"}, ValueError, "pass one of them"),
        ({"inline_passages": "a"}, TypeError, "inline_passages are several contents"),
        ({"semantic_retriever": 7}, TypeError, "semantic_retriever is a Corpus or a Document, or its name; got int"),
        ({"semantic_retriever": "corpora/none"}, errors.NotFound, "there is no corpus 'corpora/none'"),
        ({"inline_passages": ["a"], "model": "models/none"}, errors.NotFound, "models/none is not served here"),
    ],
)
def test_bad_answer(
    api: Api, client: genai.Client, arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    """An answer needs one source of passages, and a model."""
    with pytest.raises(error, match=message):
        api.call(genai.answer, "generate_answer", contents="Who?", client=client, **arguments)


def test_two_servers_on_one_directory(tmp_path: Path) -> None:
    """What one server stores, another one on the same directory finds, and a later one, too."""
    with (
        serve(ScriptEngine(), state_dir=tmp_path) as one,
        serve(ScriptEngine(), state_dir=tmp_path) as two,
        genai.Client(endpoint=one.endpoint) as first,
        genai.Client(endpoint=two.endpoint) as second,
    ):
        corpus = genai.retriever.create_corpus("tales", client=first)
        corpus.create_document("alice").batch_create_chunks(TEXTS)
        assert texts(genai.retriever.get_corpus("tales", client=second).query("queen tarts"))[0] == TEXTS[1]
    with serve(ScriptEngine(), state_dir=tmp_path) as server, genai.Client(endpoint=server.endpoint) as client:
        assert len(genai.retriever.get_corpus("tales", client=client).query("queen tarts")) == 4


class Painter(ScriptEngine):
    """An engine that predicts."""

    async def predict(self, request: protos.PredictRequest) -> protos.PredictResponse:
        return protos.PredictResponse(predictions=request.instances)

    async def predict_long_running(self, request: Any) -> protos.PredictLongRunningResponse:
        sample = protos.Media(video=protos.Video(uri=f"files/{len(request.instances)}"))
        video = protos.PredictLongRunningGeneratedVideoResponse(generated_samples=[sample])
        return protos.PredictLongRunningResponse(generate_video_response=video)


def test_predict(api: Api, client: genai.Client) -> None:
    """Predictions are JSON values, or an operation; a language model does not predict."""
    instances = [{"prompt": "A girl", "size": [1, 2.5, None, True]}]
    with pytest.raises(errors.FailedPrecondition, match="gemini-pro does not predict: it is a language model"):
        api.call(genai.prediction, "predict", "gemini-pro", instances, client=client)
    with serve(Painter()) as server, genai.Client(endpoint=server.endpoint) as painter:
        predicted = api.call(genai.prediction, "predict", "gemini-pro", instances, parameters={"n": 1}, client=painter)
        assert predicted == instances
        operation = api.call(genai.prediction, "predict_long_running", "gemini-pro", instances, client=painter)
        result = api.call(operation, "result", timeout=60)
        assert result.generate_video_response.generated_samples[0].video.uri == "files/1"
        found = genai.operations.get_operation(operation.name, client=painter)
        assert found.to_proto() == operation.to_proto()
        api.close_client(painter)


@pytest.mark.llama
def test_real_models() -> None:
    """The sentence model finds the right chunk in other words, and the language model answers from it."""
    with serve() as server, genai.Client(endpoint=server.endpoint) as client:
        document = genai.retriever.create_corpus("facts", client=client).create_document("facts")
        document.batch_create_chunks(
            ["The Eiffel Tower is 330 metres tall.", "Bread is baked from flour and water.", "Whales are mammals."]
        )
        found = document.query("How high is the famous monument in Paris?")
        assert texts(found)[0].startswith("The Eiffel Tower")
        reply = genai.answer.generate_answer(
            contents="How tall is the Eiffel Tower?", semantic_retriever=document, client=client
        )
        assert "330" in reply.answer.content.parts[0].text
