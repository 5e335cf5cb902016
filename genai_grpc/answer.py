"""Answers that are grounded in passages, which the program sends or a corpus has.

>>> import genai_grpc as genai
>>> passages = ["The rabbit wears a waistcoat.", "The queen likes tarts."]
>>> reply = genai.answer.generate_answer(contents="What does the queen like?", inline_passages=passages)
>>> reply.answer.content.parts[0].text
'Tarts.'
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from genai_grpc import protos, types
from genai_grpc._coerce.content import to_content, to_contents
from genai_grpc._coerce.enums import to_answer_style
from genai_grpc._coerce.resource_names import to_any_model_name
from genai_grpc._coerce.settings import to_options, to_safety_map, to_safety_settings
from genai_grpc._rpc.call import Call, reply_message
from genai_grpc._services.generative_language import method
from genai_grpc.client import Client, async_transport, default_client, sync_transport
from genai_grpc.types._metadata import to_filters
from genai_grpc_protos._convert import to_message

__all__ = ["DEFAULT_MODEL", "generate_answer", "generate_answer_async"]

DEFAULT_MODEL: Final = "models/aqa"
"""Google's model for answers; the local server answers with the model that it has."""


def generate_answer(
    *,
    model: types.AnyModelNameOptions = DEFAULT_MODEL,
    contents: types.ContentsType,
    inline_passages: Any = None,
    semantic_retriever: Any = None,
    answer_style: Any = None,
    safety_settings: Any = None,
    temperature: float | None = None,
    client: Client | None = None,
    request_options: types.RequestOptionsType | None = None,
) -> protos.GenerateAnswerResponse:
    """Answer a question from passages.

    Args:
        model: The resource name, or a Model.
        contents: The question, or the turns of a conversation of which the last is the question.
        inline_passages: The passages: contents, pairs of an id and a content, a dict of contents by id, or
            `protos.GroundingPassages`.
        semantic_retriever: In place of these, a Corpus or Document or its name, a dict of a
            `protos.SemanticRetrieverConfig`, or the message.
        answer_style: A `protos.GenerateAnswerRequest.AnswerStyle`, or its name: "abstractive" (the default),
            "extractive" or "verbose".
        safety_settings: As those of a GenerativeModel.
        temperature: Randomness.
        client: By default the one that `configure` sets.
        request_options: Timeouts, retry policy and metadata of the call.

    Returns:
        The message: `answer` is a candidate, whose `grounding_attributions` name the passages that it is from;
        `answerable_probability` is how likely the passages have an answer.

    Raises:
        TypeError: There are neither passages nor a source of them, or they are of another type.
        ValueError: There are both.
        APIError: The call failed.

    >>> reply = generate_answer(contents="What does the queen like?", inline_passages={"1": "The queen likes tarts."})
    >>> reply.answer.grounding_attributions[0].source_id.grounding_passage.passage_id
    '1'
    """
    return sync_transport(client or default_client()).call(
        _call(
            model,
            contents,
            inline_passages,
            semantic_retriever,
            answer_style,
            safety_settings,
            temperature,
            request_options,
        )
    )


async def generate_answer_async(
    *,
    model: types.AnyModelNameOptions = DEFAULT_MODEL,
    contents: types.ContentsType,
    inline_passages: Any = None,
    semantic_retriever: Any = None,
    answer_style: Any = None,
    safety_settings: Any = None,
    temperature: float | None = None,
    client: Client | None = None,
    request_options: types.RequestOptionsType | None = None,
) -> protos.GenerateAnswerResponse:
    """The async twin of `generate_answer`."""
    return await async_transport(client or default_client()).call(
        _call(
            model,
            contents,
            inline_passages,
            semantic_retriever,
            answer_style,
            safety_settings,
            temperature,
            request_options,
        )
    )


def _call(
    model: Any,
    contents: Any,
    inline_passages: Any,
    semantic_retriever: Any,
    answer_style: Any,
    safety_settings: Any,
    temperature: float | None,
    request_options: Any,
) -> Call[Any, Any, protos.GenerateAnswerResponse]:
    turns = to_contents(contents)
    style = protos.GenerateAnswerRequest.AnswerStyle.ABSTRACTIVE if answer_style is None else answer_style
    request = protos.GenerateAnswerRequest(
        model=to_any_model_name(model),
        contents=turns,
        answer_style=to_answer_style(style),
        safety_settings=to_safety_settings(to_safety_map(safety_settings)),
        temperature=temperature,
    )
    if (inline_passages is None) == (semantic_retriever is None):
        kind = TypeError if inline_passages is None else ValueError
        raise kind("an answer is grounded in inline_passages or in a semantic_retriever; pass one of them")
    if inline_passages is not None:
        request.inline_passages.CopyFrom(_to_passages(inline_passages))
    else:
        request.semantic_retriever.CopyFrom(_to_source(semantic_retriever, turns[-1]))
    return Call(method("GenerativeService.GenerateAnswer"), request, reply_message, to_options(request_options))


def _to_passages(given: Any) -> protos.GroundingPassages:
    if getattr(getattr(given, "DESCRIPTOR", None), "name", "") == "GroundingPassages":
        return to_message(protos.GroundingPassages, given)
    if isinstance(given, str) or not isinstance(given, (Mapping, Iterable)):
        raise TypeError(f"inline_passages are several contents, or a dict of them by id; got {type(given).__name__}")
    items = given.items() if isinstance(given, Mapping) else given
    return protos.GroundingPassages(passages=[_to_passage(index, each) for index, each in enumerate(items)])


def _to_passage(index: int, given: Any) -> protos.GroundingPassage:
    if getattr(getattr(given, "DESCRIPTOR", None), "name", "") == "GroundingPassage":
        return to_message(protos.GroundingPassage, given)
    identifier, content = given if isinstance(given, tuple) else (str(index), given)
    return protos.GroundingPassage(id=identifier, content=to_content(content))


def _to_source(given: Any, question: protos.Content) -> protos.SemanticRetrieverConfig:
    if isinstance(given, Mapping):
        fields = dict(given)
        source, query = fields.pop("source"), fields.pop("query", None)
        config = protos.SemanticRetrieverConfig(
            source=_name_of(source), metadata_filters=to_filters(fields.pop("metadata_filters", None))
        )
        for name, value in fields.items():
            setattr(config, name, value)
    else:
        query = None
        if getattr(getattr(given, "DESCRIPTOR", None), "name", "") == "SemanticRetrieverConfig":
            return to_message(protos.SemanticRetrieverConfig, given)
        config = protos.SemanticRetrieverConfig(source=_name_of(given))
    config.query.CopyFrom(question if query is None else to_content(query))
    return config


def _name_of(source: Any) -> str:
    name = source if isinstance(source, str) else getattr(source, "name", None)
    if not isinstance(name, str):
        raise TypeError(f"semantic_retriever is a Corpus or a Document, or its name; got {type(source).__name__}")
    return name
