"""Answers that are grounded in passages: those of the request, or the chunks that a corpus has for the question."""

from __future__ import annotations

from typing import Any, Final

from genai_grpc import protos
from genai_grpc._responses.merge import ResponseMerger
from genai_grpc.errors import InvalidArgument
from genai_grpc.local._received_request import current_caller
from genai_grpc.local.engines.vectors import dot
from genai_grpc.local.services.errors import engine_errors
from genai_grpc.local.services.models import ALIAS, ModelRegistry
from genai_grpc.local.services.retriever import RetrieverService
from genai_grpc.local.services.tuner import embed_text

__all__ = ["answer", "ground"]

Style: Any = protos.GenerateAnswerRequest.AnswerStyle
_INSTRUCTIONS: Final = {
    Style.ABSTRACTIVE: "Answer in one or two short sentences.",
    Style.EXTRACTIVE: "Answer with the words of the passages, as short as possible.",
    Style.VERBOSE: "Answer in full sentences, with all details of the passages.",
}
_CHUNKS: Final = 5
_ATTRIBUTED: Final = 0.5
"""The part of the best similarity from which on a passage counts as a ground of the answer."""

_MODELS: Final = ("models/aqa",)
"""Names of Google's models for answers: the first engine that generates answers for them."""

_FLOOR: Final = 0.75
"""The cosine similarity of unrelated texts to the sentence model (multilingual-e5), whose similarities are 0.7 to 1."""


class Passage:
    """A passage with what attributes it.

    Args:
        text: The text.
        source: The AttributionSourceId that names it.
        content: The content.
    """

    def __init__(self, text: str, source: protos.AttributionSourceId, content: protos.Content) -> None:
        self.text, self.source, self.content = text, source, content


async def ground(request: protos.GenerateAnswerRequest, retriever: RetrieverService) -> list[Passage]:
    """The passages for a request.

    Raises:
        InvalidArgument: It has no question, no source, or an empty passage.
        APIError: The corpus cannot be searched.
    """
    if not request.contents or not _text_of(request.contents[-1]):
        raise InvalidArgument("contents has no question; its last content is the question")
    if request.answer_style not in _INSTRUCTIONS:
        raise InvalidArgument("answer_style is ABSTRACTIVE, EXTRACTIVE or VERBOSE")
    match request.WhichOneof("grounding_source"):
        case "inline_passages":
            return [_inline(index, each) for index, each in enumerate(request.inline_passages.passages)]
        case "semantic_retriever":
            return await _retrieve(request.semantic_retriever, retriever)
    raise InvalidArgument("there is nothing to ground the answer in; set inline_passages or semantic_retriever")


def _inline(index: int, passage: protos.GroundingPassage) -> Passage:
    text = _text_of(passage.content)
    if not text:
        raise InvalidArgument(f"inline_passages.passages[{index}] has no text")
    source = protos.AttributionSourceId()
    source.grounding_passage.passage_id = passage.id
    return Passage(text, source, passage.content)


async def _retrieve(config: protos.SemanticRetrieverConfig, retriever: RetrieverService) -> list[Passage]:
    of_documents = config.source.count("/") == 1
    kind = protos.QueryCorpusRequest if of_documents else protos.QueryDocumentRequest
    query = kind(
        name=config.source,
        query=_text_of(config.query),
        metadata_filters=config.metadata_filters,
        results_count=config.max_chunks_count or _CHUNKS,
    )
    chunks = await retriever.search(query, current_caller(), of_documents=of_documents)
    return [
        _chunk(config.source, each) for each in chunks if each.chunk_relevance_score >= config.minimum_relevance_score
    ]


def _chunk(corpus: str, found: protos.RelevantChunk) -> Passage:
    source = protos.AttributionSourceId()
    source.semantic_retriever_chunk.source = corpus
    source.semantic_retriever_chunk.chunk = found.chunk.name
    text = found.chunk.data.string_value
    return Passage(text, source, protos.Content(parts=[protos.Part(text=text)]))


async def answer(
    registry: ModelRegistry, request: protos.GenerateAnswerRequest, passages: list[Passage]
) -> protos.GenerateAnswerResponse:
    """Answer a question from passages."""
    model = ALIAS if request.model in _MODELS else request.model
    engine = registry.engine(model)
    question = _text_of(request.contents[-1])
    prompt = protos.GenerateContentRequest(
        model=model, contents=request.contents[:-1], safety_settings=request.safety_settings
    )
    if request.HasField("temperature"):
        prompt.generation_config.temperature = request.temperature
    text = "\n".join(
        [*(f"Passage: {each.text}" for each in passages), _INSTRUCTIONS[request.answer_style], f"Question: {question}"]
    )
    prompt.contents.append(protos.Content(role="user", parts=[protos.Part(text=text)]))
    merger = ResponseMerger()
    with engine_errors(engine):
        async for chunk in engine.generate(prompt):
            merger.add(chunk)
    generated = merger.result()
    reply = protos.GenerateAnswerResponse()
    if generated.candidates:
        reply.answer.CopyFrom(generated.candidates[0])
    if reason := generated.prompt_feedback.block_reason:
        reasons: Any = protos.GenerateAnswerResponse.InputFeedback.BlockReason
        is_safety = reason == protos.GenerateContentResponse.PromptFeedback.BlockReason.SAFETY
        reply.input_feedback.block_reason = reasons.SAFETY if is_safety else reasons.OTHER
    vector = await embed_text(registry, question, is_document=False)
    similarities = [dot(vector, await embed_text(registry, each.text, is_document=True)) for each in passages]
    best = max(similarities, default=0.0)
    floor = _FLOOR if registry.embedder is not None and best > _FLOOR else 0.0
    reply.answerable_probability = min(1.0, max(0.0, (best - floor) / (1.0 - floor)))
    for similarity, each in zip(similarities, passages, strict=True):
        if similarity - floor >= _ATTRIBUTED * (best - floor) and best > 0:
            reply.answer.grounding_attributions.add(source_id=each.source, content=each.content)
    return reply


def _text_of(content: protos.Content) -> str:
    return "\n".join(part.text for part in content.parts if part.text)
