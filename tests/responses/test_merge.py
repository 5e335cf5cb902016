from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genai_grpc import protos
from genai_grpc._responses.merge import ResponseMerger

Response = protos.GenerateContentResponse


def chunk(*parts: dict[str, Any], role: str = "model", index: int = 0, **fields: Any) -> Response:
    """A chunk with one candidate of these parts."""
    made = Response()
    candidate = made.candidates.add(index=index, **fields)
    candidate.content.role = role
    candidate.content.parts.extend(protos.Part(**part) for part in parts)
    return made


def folded(*chunks: Response) -> Response:
    """The response that the chunks fold into."""
    fold = ResponseMerger()
    for each in chunks:
        fold.add(each)
    return fold.result()


PYTHON = protos.ExecutableCode.PYTHON
OK, FAILED = protos.CodeExecutionResult.OUTCOME_OK, protos.CodeExecutionResult.OUTCOME_FAILED
ADD = {"function_call": protos.FunctionCall(name="add")}

PARTS: tuple[Any, ...] = (
    pytest.param([[{"text": "Hel"}], [{"text": "lo"}]], [{"text": "Hello"}], id="text"),
    pytest.param([[{"text": "Hi"}], []], [{"text": "Hi"}], id="a chunk without parts"),
    pytest.param([[], [{"text": "Hi"}]], [{"text": "Hi"}], id="a first chunk without parts"),
    pytest.param([[{"text": "Hi"}], [{"text": ""}]], [{"text": "Hi"}], id="an empty text at the end"),
    pytest.param([[{"text": "a"}, {"text": "b"}]], [{"text": "a"}, {"text": "b"}], id="parts that came together"),
    pytest.param(
        [[{"text": "a"}, {"text": "b"}], [{"text": "c"}]], [{"text": "a"}, {"text": "bc"}], id="only the last goes on"
    ),
    pytest.param(
        [[{"text": "Hm", "thought": True}], [{"text": "m", "thought": True}], [{"text": "Hi"}]],
        [{"text": "Hmm", "thought": True}, {"text": "Hi"}],
        id="thoughts stay apart from the answer",
    ),
    pytest.param(
        [[{"text": "a"}], [{"text": "b"}], [{"text": "", "thought_signature": b"s"}]],
        [{"text": "ab", "thought_signature": b"s"}],
        id="a signature on an empty last text",
    ),
    pytest.param(
        [[{"text": "a"}], [{"thought_signature": b"s"}]],
        [{"text": "a", "thought_signature": b"s"}],
        id="a signature on a part of nothing else",
    ),
    pytest.param(
        [[{"text": "a", "thought_signature": b"s"}], [{"text": "b"}]],
        [{"text": "a", "thought_signature": b"s"}, {"text": "b"}],
        id="a signature closes its part",
    ),
    pytest.param(
        [[ADD], [{"thought_signature": b"s"}]],
        [ADD, {"thought_signature": b"s"}],
        id="a signature after a call is kept beside it",
    ),
    pytest.param([[ADD], [ADD]], [ADD, ADD], id="function calls are whole"),
    pytest.param([[{"text": "a"}], [{}]], [{"text": "a"}, {}], id="a part of nothing continues none"),
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
        id="code and its result",
    ),
    pytest.param(
        [[{"inline_data": protos.Blob(data=b"a")}], [{"inline_data": protos.Blob(data=b"b")}]],
        [{"inline_data": protos.Blob(data=b"a")}, {"inline_data": protos.Blob(data=b"b")}],
        id="blobs are whole",
    ),
)


@pytest.mark.parametrize(("chunks", "expected"), PARTS)
def test_parts(chunks: list[list[dict[str, Any]]], expected: list[dict[str, Any]]) -> None:
    """Text, code and results that were cut are joined; what is whole stays whole."""
    assert folded(*(chunk(*parts) for parts in chunks)) == chunk(*expected)


def test_one_chunk() -> None:
    """A response that came at once is itself."""
    whole = chunk({"text": "Hi"}, finish_reason=protos.Candidate.STOP)
    assert folded(whole) == whole


def test_no_chunks() -> None:
    """Nothing folds into an empty response."""
    assert folded() == Response()


def test_candidates() -> None:
    """Candidates are folded each for itself, and stand in the order of their indices."""
    made = folded(
        chunk({"text": "b"}, index=1), chunk({"text": "a"}), chunk({"text": "B"}, index=1), chunk({"text": "A"})
    )
    assert [(candidate.index, candidate.content.parts[0].text) for candidate in made.candidates] == [
        (0, "aA"),
        (1, "bB"),
    ]


def test_candidate_without_content() -> None:
    """A candidate that never said anything has no content."""
    chunks = Response(), Response()
    for each in chunks:
        each.candidates.add(finish_reason=protos.Candidate.SAFETY)
    assert not folded(*chunks).candidates[0].HasField("content")


def test_empty_content() -> None:
    """A content that is there and empty stays there."""
    chunks = Response(), Response()
    for each in chunks:
        each.candidates.add().content.SetInParent()
    assert folded(*chunks).candidates[0].HasField("content")


def test_the_first_prompt_feedback() -> None:
    """The prompt is judged once, by the first chunk that says so."""
    feedback = Response.PromptFeedback
    chunks = (
        Response(),
        Response(prompt_feedback=feedback(block_reason=feedback.SAFETY)),
        Response(prompt_feedback=feedback(block_reason=feedback.OTHER)),
    )
    assert folded(*chunks).prompt_feedback.block_reason == feedback.SAFETY


def test_the_latest_values() -> None:
    """Usage and citations are those of the latest chunk that has them, not sums."""
    usage = Response.UsageMetadata
    source = protos.CitationSource
    made = folded(
        Response(usage_metadata=usage(prompt_token_count=3, candidates_token_count=1), model_version="1"),
        chunk(citation_metadata=protos.CitationMetadata(citation_sources=[source(uri="a")])),
        chunk(citation_metadata=protos.CitationMetadata(citation_sources=[source(uri="a"), source(uri="b")])),
        Response(usage_metadata=usage(candidates_token_count=5), model_version="2", response_id="r"),
        chunk({"text": "Hi"}),
    )
    assert made.usage_metadata == usage(candidates_token_count=5)
    assert (made.model_version, made.response_id) == ("2", "r")
    assert [cited.uri for cited in made.candidates[0].citation_metadata.citation_sources] == ["a", "b"]


def test_metadata_is_kept() -> None:
    """Grounding, log probabilities and url context of all chunks are kept."""
    logprobs = protos.LogprobsResult
    chunks = [
        chunk(
            grounding_metadata=protos.GroundingMetadata(web_search_queries=[word]),
            logprobs_result=logprobs(chosen_candidates=[logprobs.Candidate(token=word)]),
            url_context_metadata=protos.UrlContextMetadata(url_metadata=[protos.UrlMetadata(retrieved_url=word)]),
        )
        for word in ("a", "b")
    ]
    made = folded(*chunks, chunk(finish_reason=protos.Candidate.STOP, finish_message="done", token_count=2)).candidates[
        0
    ]
    assert made.grounding_metadata.web_search_queries == ["a", "b"]
    assert [chosen.token for chosen in made.logprobs_result.chosen_candidates] == ["a", "b"]
    assert [url.retrieved_url for url in made.url_context_metadata.url_metadata] == ["a", "b"]
    assert (made.finish_reason, made.finish_message, made.token_count) == (protos.Candidate.STOP, "done", 2)


def test_safety_ratings() -> None:
    """A category has one rating, the latest; blocked once is blocked."""
    category, probability = protos.HarmCategory.HARM_CATEGORY_HARASSMENT, protos.SafetyRating.HarmProbability
    rating = protos.SafetyRating
    made = folded(
        chunk(safety_ratings=[rating(category=category, probability=probability.HIGH, blocked=True)]),
        chunk(safety_ratings=[rating(category=category, probability=probability.LOW)]),
    )
    assert list(made.candidates[0].safety_ratings) == [
        rating(category=category, probability=probability.LOW, blocked=True),
    ]


def test_results_on_the_way() -> None:
    """A result can be taken at any time; later chunks change neither it nor the chunks."""
    fold, first = ResponseMerger(), chunk({"text": "Hel"})
    fold.add(first)
    half = fold.result()
    assert fold.result() is half
    fold.add(chunk({"text": "lo"}))
    assert fold.result() == chunk({"text": "Hello"})
    assert half == first == chunk({"text": "Hel"})


def test_latest_without_candidates() -> None:
    """What can be read while chunks still arrive is all but the candidates."""
    fold = ResponseMerger()
    fold.add(Response(model_version="1", candidates=chunk({"text": "Hi"}).candidates))
    assert fold.metadata == Response(model_version="1")


# The law. A piece is what a chunk carries of a part; a part is cut anywhere into pieces, a chunk takes any run of
# pieces that were apart to begin with.

texts = st.text(max_size=8)
signatures = st.sampled_from([b"", b"", b"s"])


@st.composite
def whole_parts(draw: st.DrawFn) -> protos.Part:
    """A part such as a model gives at once."""
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
    """Parts of which no two neighbours could be one that was cut."""
    kept: list[protos.Part] = []
    for part in draw(st.lists(whole_parts(), max_size=6)):
        if (
            not kept
            or _kind(part)[0] == "function_call"
            or _kind(part) != _kind(kept[-1])
            or kept[-1].thought_signature
        ):
            kept.append(part)
    return kept


def _cut(draw: st.DrawFn, part: protos.Part) -> list[protos.Part]:
    """The part in pieces, its signature on the last."""
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
def streams(draw: st.DrawFn) -> tuple[Response, list[Response]]:
    """A whole response, and chunks that carry it."""
    whole = Response(model_version="v", response_id="r")
    whole.usage_metadata.total_token_count = draw(st.integers(1, 99))
    queues: list[list[Response]] = []
    for index in range(draw(st.integers(1, 3))):
        parts, last = draw(whole_contents()), protos.Candidate(index=index, finish_reason=protos.Candidate.STOP)
        last.citation_metadata.citation_sources.add(uri="u")
        last.safety_ratings.add(category=protos.HarmCategory.HARM_CATEGORY_HATE_SPEECH)
        searches = draw(st.lists(texts, max_size=3))
        tokens = draw(st.lists(texts, max_size=3))
        candidate = whole.candidates.add()
        candidate.CopyFrom(last)
        candidate.content.role = "model"
        candidate.content.parts.extend(parts)
        candidate.grounding_metadata.web_search_queries.extend(searches)
        candidate.logprobs_result.chosen_candidates.extend(protos.LogprobsResult.Candidate(token=t) for t in tokens)

        # A chunk ends after each piece, but whole parts may come together.
        runs: list[list[protos.Part]] = [[]]
        for part in parts:
            pieces = _cut(draw, part)
            if draw(st.booleans()):
                runs.append([])
            for number, piece in enumerate(pieces):
                if number:
                    runs.append([])
                runs[-1].append(piece)
        carried = [chunk({}, index=index) for _ in runs]
        for each, run in zip(carried, runs, strict=True):
            del each.candidates[0].content.parts[:]
            each.candidates[0].content.parts.extend(run)
        for field, items in (("searches", searches), ("tokens", tokens)):
            places = sorted(draw(st.integers(0, len(carried) - 1)) for _ in items)
            for place, item in zip(places, items, strict=True):
                target = carried[place].candidates[0]
                if field == "searches":
                    target.grounding_metadata.web_search_queries.append(item)
                else:
                    target.logprobs_result.chosen_candidates.add(token=item)
        carried[-1].candidates[0].MergeFrom(last)
        for each in carried:
            each.candidates[0].grounding_metadata.SetInParent()
            each.candidates[0].logprobs_result.SetInParent()
        queues.append(carried)
    chunks: list[Response] = []
    while queue := [each for each in queues if each]:
        chunks.append(draw(st.sampled_from(queue)).pop(0))
        if (
            len(chunks) > 1
            and draw(st.booleans())
            and chunks[-1].candidates[0].index != chunks[-2].candidates[-1].index
        ):
            taken = chunks.pop()
            if taken.candidates[0].index not in {candidate.index for candidate in chunks[-1].candidates}:
                chunks[-1].candidates.extend(taken.candidates)
            else:
                chunks.append(taken)
    chunks[0].model_version, chunks[-1].response_id = "v", "r"
    chunks[-1].usage_metadata.CopyFrom(whole.usage_metadata)
    return whole, chunks


@given(streams())
def test_folding_any_chunking_equals_the_whole(stream: tuple[Response, list[Response]]) -> None:
    """However a response is cut into chunks, folding them gives the response."""
    whole, chunks = stream
    assert folded(*chunks) == whole


@given(streams())
def test_looking_changes_nothing(stream: tuple[Response, list[Response]]) -> None:
    """Taking results on the way changes neither the result nor the chunks."""
    whole, chunks = stream
    before = [each.SerializeToString(deterministic=True) for each in chunks]
    fold = ResponseMerger()
    for each in chunks:
        fold.add(each)
        fold.result()
    assert fold.result() == whole
    assert [each.SerializeToString(deterministic=True) for each in chunks] == before
