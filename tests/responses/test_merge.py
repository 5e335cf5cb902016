from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genai_grpc import protos
from genai_grpc._responses.merge import ResponseMerger
from tests.chunks import make_chunk

Response = protos.GenerateContentResponse


def merge(*chunks: Response) -> Response:
    """The response that the chunks merge into."""
    merger = ResponseMerger()
    for chunk in chunks:
        merger.add(chunk)
    return merger.result()


PYTHON = protos.ExecutableCode.PYTHON
OK, FAILED = protos.CodeExecutionResult.OUTCOME_OK, protos.CodeExecutionResult.OUTCOME_FAILED
ADD = {"function_call": protos.FunctionCall(name="add")}

PARTS: tuple[Any, ...] = (
    pytest.param([[{"text": "Hel"}], [{"text": "lo"}]], [{"text": "Hello"}], id="text"),
    pytest.param([[{"text": "Hi"}], []], [{"text": "Hi"}], id="chunk without parts"),
    pytest.param([[], [{"text": "Hi"}]], [{"text": "Hi"}], id="first chunk without parts"),
    pytest.param([[{"text": "Hi"}], [{"text": ""}]], [{"text": "Hi"}], id="empty last text"),
    pytest.param([[{"text": "a"}, {"text": "b"}]], [{"text": "a"}, {"text": "b"}], id="two parts of one chunk"),
    pytest.param(
        [[{"text": "a"}, {"text": "b"}], [{"text": "c"}]],
        [{"text": "a"}, {"text": "bc"}],
        id="only the last part continues",
    ),
    pytest.param(
        [[{"text": "Hm", "thought": True}], [{"text": "m", "thought": True}], [{"text": "Hi"}]],
        [{"text": "Hmm", "thought": True}, {"text": "Hi"}],
        id="thought before text",
    ),
    pytest.param(
        [[{"text": "a"}], [{"text": "b"}], [{"text": "", "thought_signature": b"s"}]],
        [{"text": "ab", "thought_signature": b"s"}],
        id="signature on empty last text",
    ),
    pytest.param(
        [[{"text": "a"}], [{"thought_signature": b"s"}]],
        [{"text": "a", "thought_signature": b"s"}],
        id="signature on part without data",
    ),
    pytest.param(
        [[{"text": "a", "thought_signature": b"s"}], [{"text": "b"}]],
        [{"text": "a", "thought_signature": b"s"}, {"text": "b"}],
        id="text after signature",
    ),
    pytest.param(
        [[ADD], [{"thought_signature": b"s"}]],
        [ADD, {"thought_signature": b"s"}],
        id="signature after function call",
    ),
    pytest.param([[ADD], [ADD]], [ADD, ADD], id="function calls"),
    pytest.param([[{"text": "a"}], [{}]], [{"text": "a"}, {}], id="part without data"),
    pytest.param(
        [
            [{"executable_code": protos.ExecutableCode(language=PYTHON, code="1 ")}],
            [{"executable_code": protos.ExecutableCode(code="+ 1")}],
            [{"code_execution_result": protos.CodeExecutionResult(output="the ")}],
            [{"code_execution_result": protos.CodeExecutionResult(output="sum", outcome=FAILED)}],
            [{"code_execution_result": protos.CodeExecutionResult(outcome=OK)}],
        ],
        [
            {"executable_code": protos.ExecutableCode(language=PYTHON, code="1 + 1")},
            {"code_execution_result": protos.CodeExecutionResult(output="the sum", outcome=OK)},
        ],
        id="code and result",
    ),
    pytest.param(
        [[{"inline_data": protos.Blob(data=b"a")}], [{"inline_data": protos.Blob(data=b"b")}]],
        [{"inline_data": protos.Blob(data=b"a")}, {"inline_data": protos.Blob(data=b"b")}],
        id="blobs",
    ),
)


@pytest.mark.parametrize(("chunks", "expected"), PARTS)
def test_parts(chunks: list[list[dict[str, Any]]], expected: list[dict[str, Any]]) -> None:
    """The pieces of text, code and results are joined; parts of every other kind stay separate."""
    assert merge(*(make_chunk(*parts) for parts in chunks)) == make_chunk(*expected)


def test_one_chunk() -> None:
    """One chunk is the whole response."""
    whole = make_chunk({"text": "Hi"}, finish_reason=protos.Candidate.STOP)
    assert merge(whole) == whole


def test_no_chunks() -> None:
    """No chunks merge into an empty response."""
    assert merge() == Response()


def test_candidates() -> None:
    """Candidates are merged separately, and ordered by index."""
    merged = merge(
        make_chunk({"text": "b"}, index=1),
        make_chunk({"text": "a"}),
        make_chunk({"text": "B"}, index=1),
        make_chunk({"text": "A"}),
    )
    assert [(candidate.index, candidate.content.parts[0].text) for candidate in merged.candidates] == [
        (0, "aA"),
        (1, "bB"),
    ]


def test_candidate_without_content() -> None:
    """A candidate whose chunks have no content has none."""
    chunks = Response(), Response()
    for chunk in chunks:
        chunk.candidates.add(finish_reason=protos.Candidate.SAFETY)
    assert not merge(*chunks).candidates[0].HasField("content")


def test_empty_content() -> None:
    """An empty content stays set."""
    chunks = Response(), Response()
    for chunk in chunks:
        chunk.candidates.add().content.SetInParent()
    assert merge(*chunks).candidates[0].HasField("content")


def test_first_prompt_feedback() -> None:
    """The prompt feedback is that of the first chunk that has one."""
    feedback = Response.PromptFeedback
    chunks = (
        Response(),
        Response(prompt_feedback=feedback(block_reason=feedback.SAFETY)),
        Response(prompt_feedback=feedback(block_reason=feedback.OTHER)),
    )
    assert merge(*chunks).prompt_feedback.block_reason == feedback.SAFETY


def test_latest_values() -> None:
    """Usage and citations are those of the last chunk that has them, not sums."""
    usage = Response.UsageMetadata
    source = protos.CitationSource
    merged = merge(
        Response(usage_metadata=usage(prompt_token_count=3, candidates_token_count=1), model_version="1"),
        make_chunk(citation_metadata=protos.CitationMetadata(citation_sources=[source(uri="a")])),
        make_chunk(citation_metadata=protos.CitationMetadata(citation_sources=[source(uri="a"), source(uri="b")])),
        Response(usage_metadata=usage(candidates_token_count=5), model_version="2", response_id="r"),
        make_chunk({"text": "Hi"}),
    )
    assert merged.usage_metadata == usage(candidates_token_count=5)
    assert (merged.model_version, merged.response_id) == ("2", "r")
    assert [cited.uri for cited in merged.candidates[0].citation_metadata.citation_sources] == ["a", "b"]


def test_concatenated_metadata() -> None:
    """Grounding, log probabilities and URL context of all chunks are concatenated."""
    logprobs = protos.LogprobsResult
    chunks = [
        make_chunk(
            grounding_metadata=protos.GroundingMetadata(web_search_queries=[word]),
            logprobs_result=logprobs(chosen_candidates=[logprobs.Candidate(token=word)]),
            url_context_metadata=protos.UrlContextMetadata(url_metadata=[protos.UrlMetadata(retrieved_url=word)]),
        )
        for word in ("a", "b")
    ]
    last = make_chunk(finish_reason=protos.Candidate.STOP, finish_message="done", token_count=2)
    candidate = merge(*chunks, last).candidates[0]
    assert candidate.grounding_metadata.web_search_queries == ["a", "b"]
    assert [chosen.token for chosen in candidate.logprobs_result.chosen_candidates] == ["a", "b"]
    assert [url.retrieved_url for url in candidate.url_context_metadata.url_metadata] == ["a", "b"]
    assert (candidate.finish_reason, candidate.finish_message) == (protos.Candidate.STOP, "done")
    assert candidate.token_count == 2


def test_safety_ratings() -> None:
    """Each category has its latest rating; once blocked, it stays blocked."""
    category, probability = protos.HarmCategory.HARM_CATEGORY_HARASSMENT, protos.SafetyRating.HarmProbability
    rating = protos.SafetyRating
    merged = merge(
        make_chunk(safety_ratings=[rating(category=category, probability=probability.HIGH, blocked=True)]),
        make_chunk(safety_ratings=[rating(category=category, probability=probability.LOW)]),
    )
    assert list(merged.candidates[0].safety_ratings) == [
        rating(category=category, probability=probability.LOW, blocked=True),
    ]


def test_partial_result() -> None:
    """The result can be read at any time; later chunks change neither it nor the chunks before."""
    merger, first = ResponseMerger(), make_chunk({"text": "Hel"})
    merger.add(first)
    partial = merger.result()
    assert merger.result() is partial
    merger.add(make_chunk({"text": "lo"}))
    assert merger.result() == make_chunk({"text": "Hello"})
    assert partial == first == make_chunk({"text": "Hel"})


def test_metadata_without_candidates() -> None:
    """The metadata is the response so far without candidates."""
    merger = ResponseMerger()
    merger.add(Response(model_version="1", candidates=make_chunk({"text": "Hi"}).candidates))
    assert merger.metadata == Response(model_version="1")


# The law: however a response is split into chunks, they merge into the response. A part may be split anywhere into
# pieces. The pieces of one part are in different chunks; otherwise, adjacent parts may share a chunk.

texts = st.text(max_size=8)
signatures = st.sampled_from([b"", b"", b"s"])


@st.composite
def whole_parts(draw: st.DrawFn) -> protos.Part:
    """A part as an unstreamed response has it."""
    kind = draw(st.sampled_from(["text", "thought", "code", "result", "call"]))
    part = protos.Part(thought_signature=draw(signatures))
    match kind:
        case "text" | "thought":
            part.text = draw(texts)
            part.thought = kind == "thought"
        case "code":
            part.executable_code.CopyFrom(protos.ExecutableCode(language=PYTHON, code=draw(texts)))
        case "result":
            part.code_execution_result.CopyFrom(protos.CodeExecutionResult(outcome=OK, output=draw(texts)))
        case "call":
            part.function_call.name = draw(st.sampled_from(["add", "subtract"]))
    return part


def _kind(part: protos.Part) -> tuple[str | None, bool]:
    return part.WhichOneof("data"), part.thought


@st.composite
def whole_contents(draw: st.DrawFn) -> list[protos.Part]:
    """Parts of which no two adjacent ones could be the pieces of one part."""
    parts: list[protos.Part] = []
    for part in draw(st.lists(whole_parts(), max_size=6)):
        if (
            not parts
            or _kind(part)[0] == "function_call"
            or _kind(part) != _kind(parts[-1])
            or parts[-1].thought_signature
        ):
            parts.append(part)
    return parts


def _split(draw: st.DrawFn, part: protos.Part) -> list[protos.Part]:
    """The pieces of a part, the last of which has its signature."""
    kind = part.WhichOneof("data")
    if kind == "function_call":
        return [part]
    whole = {
        "text": part.text,
        "executable_code": part.executable_code.code,
        "code_execution_result": part.code_execution_result.output,
    }[str(kind)]
    cuts = sorted(draw(st.lists(st.integers(0, len(whole)), max_size=3)))
    pieces = []
    for begin, end in zip([0, *cuts], [*cuts, len(whole)], strict=True):
        piece = protos.Part()
        piece.CopyFrom(part)
        piece.thought_signature = b""
        match kind:
            case "text":
                piece.text = whole[begin:end]
            case "executable_code":
                piece.executable_code.code = whole[begin:end]
            case _:
                piece.code_execution_result.output = whole[begin:end]
        pieces.append(piece)
    pieces[-1].thought_signature = part.thought_signature
    return pieces


@st.composite
def candidates(draw: st.DrawFn, index: int) -> tuple[protos.Candidate, list[Response]]:
    """A whole candidate, and the chunks of it."""
    parts, last = draw(whole_contents()), protos.Candidate(index=index, finish_reason=protos.Candidate.STOP)
    last.citation_metadata.citation_sources.add(uri="u")
    last.safety_ratings.add(category=protos.HarmCategory.HARM_CATEGORY_HATE_SPEECH)
    searches = draw(st.lists(texts, max_size=3))
    tokens = draw(st.lists(texts, max_size=3))
    whole = protos.Candidate()
    whole.CopyFrom(last)
    whole.content.role = "model"
    whole.content.parts.extend(parts)
    whole.grounding_metadata.web_search_queries.extend(searches)
    whole.logprobs_result.chosen_candidates.extend(protos.LogprobsResult.Candidate(token=token) for token in tokens)

    chunks = []
    for pieces in _chunk_parts(draw, parts):
        chunk = make_chunk(index=index)
        candidate = chunk.candidates[0]
        candidate.content.parts.extend(pieces)
        candidate.grounding_metadata.SetInParent()
        candidate.logprobs_result.SetInParent()
        chunks.append(chunk)
    for place, search in zip(_places(draw, chunks, searches), searches, strict=True):
        chunks[place].candidates[0].grounding_metadata.web_search_queries.append(search)
    for place, token in zip(_places(draw, chunks, tokens), tokens, strict=True):
        chunks[place].candidates[0].logprobs_result.chosen_candidates.add(token=token)
    chunks[-1].candidates[0].MergeFrom(last)
    return whole, chunks


def _chunk_parts(draw: st.DrawFn, parts: list[protos.Part]) -> list[list[protos.Part]]:
    """The parts of each chunk: a chunk ends after a piece, and may end after a whole part."""
    chunks: list[list[protos.Part]] = [[]]
    for part in parts:
        if draw(st.booleans()):
            chunks.append([])
        for number, piece in enumerate(_split(draw, part)):
            if number:
                chunks.append([])
            chunks[-1].append(piece)
    return chunks


def _places(draw: st.DrawFn, chunks: list[Response], items: list[str]) -> list[int]:
    """The chunk of each item; the items keep their order."""
    return sorted(draw(st.integers(0, len(chunks) - 1)) for _ in items)


def _interleave(draw: st.DrawFn, queues: list[list[Response]]) -> list[Response]:
    """One stream of the chunks of several candidates, some of them joined into one chunk."""
    stream: list[Response] = []
    while waiting := [queue for queue in queues if queue]:
        chunk = draw(st.sampled_from(waiting)).pop(0)
        index = chunk.candidates[0].index
        join = draw(st.booleans())
        if join and stream and all(candidate.index != index for candidate in stream[-1].candidates):
            stream[-1].candidates.extend(chunk.candidates)
        else:
            stream.append(chunk)
    return stream


@st.composite
def streams(draw: st.DrawFn) -> tuple[Response, list[Response]]:
    """A whole response, and a stream of its chunks."""
    whole = Response(model_version="v", response_id="r")
    whole.usage_metadata.total_token_count = draw(st.integers(1, 99))
    queues: list[list[Response]] = []
    for index in range(draw(st.integers(1, 3))):
        candidate, chunks = draw(candidates(index))
        whole.candidates.append(candidate)
        queues.append(chunks)
    stream = _interleave(draw, queues)
    stream[0].model_version, stream[-1].response_id = "v", "r"
    stream[-1].usage_metadata.CopyFrom(whole.usage_metadata)
    return whole, stream


@given(streams())
def test_any_chunking_merges_into_the_whole(stream: tuple[Response, list[Response]]) -> None:
    """However a response is split into chunks, they merge into the response."""
    whole, chunks = stream
    assert merge(*chunks) == whole


@given(streams())
def test_reading_partial_results_changes_nothing(stream: tuple[Response, list[Response]]) -> None:
    """Reading the result after each chunk changes neither the final result nor the chunks."""
    whole, chunks = stream
    before = [chunk.SerializeToString(deterministic=True) for chunk in chunks]
    merger = ResponseMerger()
    for chunk in chunks:
        merger.add(chunk)
        merger.result()
    assert merger.result() == whole
    assert [chunk.SerializeToString(deterministic=True) for chunk in chunks] == before
