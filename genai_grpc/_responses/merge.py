"""Merges the chunks of a stream into the response that the same call would have given unstreamed.

Time and memory are linear in the chunks: text is collected in lists, and joined once when the result is read.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from google.protobuf.message import Message

from genai_grpc import protos
from genai_grpc._services.messages import GEMINI

__all__ = ["ResponseMerger"]

# Fields whose last value replaces the ones before. Every other field is merged as protobuf merges it: the last value of
# a scalar, messages field by field, repeated fields concatenated.
REPLACED: Final = frozenset({"usage_metadata", "citation_metadata"})


class ResponseMerger:
    """Merges chunks: `add` each in order, then read the `result`.

    Args:
        response_type: The class of the chunks.

    >>> merger = ResponseMerger()
    >>> from genai_grpc import protos
    >>> for word in "Hel", "lo":
    ...     candidate = protos.Candidate(content={"parts": [{"text": word}]})
    ...     merger.add(protos.GenerateContentResponse(candidates=[candidate]))
    >>> merger.result().candidates[0].content.parts[0].text
    'Hello'
    """

    __slots__ = ("_candidates", "_chunks", "_response", "_result")

    def __init__(self, response_type: type[protos.GenerateContentResponse] | None = None) -> None:
        self._response = (response_type or GEMINI.GenerateContentResponse)()
        self._candidates: dict[int, _Candidate] = {}
        self._result: protos.GenerateContentResponse | None = None
        self._chunks = 0

    def add(self, chunk: protos.GenerateContentResponse) -> None:
        """Add the next chunk, which must not change afterwards."""
        self._result = None
        self._chunks += 1
        for field, value in chunk.ListFields():
            match field.name:
                case "candidates":
                    for candidate in value:
                        self._candidate(candidate).add(candidate, self._chunks)
                case "prompt_feedback":
                    # The first one, or the first that blocks the prompt.
                    if not self._response.HasField("prompt_feedback") or (
                        value.block_reason and not self._response.prompt_feedback.block_reason
                    ):
                        self._response.prompt_feedback.CopyFrom(value)
                case _:
                    _put(self._response, field.name, value)

    def result(self) -> protos.GenerateContentResponse:
        """The response so far; the same object until the next chunk is added."""
        if self._result is None:
            self._result = type(self._response)()
            self._result.CopyFrom(self._response)
            for _, candidate in sorted(self._candidates.items()):
                candidate.write(self._result.candidates.add())
        return self._result

    def spans(self) -> list[tuple[int, int]]:
        """For each part of the first candidate, the numbers of the chunks with its first and its last content."""
        _, candidate = min(self._candidates.items())
        return candidate.spans()

    @property
    def metadata(self) -> protos.GenerateContentResponse:
        """The response so far without candidates, which costs nothing while chunks still arrive."""
        return self._response

    def _candidate(self, piece: protos.Candidate) -> _Candidate:
        candidate = self._candidates.get(piece.index)
        if candidate is None:
            candidate = self._candidates[piece.index] = _Candidate(type(piece)())
        return candidate


class _Candidate:
    """The chunks of one candidate. Adjacent parts of one kind are the pieces of one part."""

    __slots__ = ("_fields", "_has_content", "_parts", "_ratings", "_role")

    def __init__(self, fields: protos.Candidate) -> None:
        self._fields = fields
        self._parts: list[_Part] = []
        self._ratings: dict[int, protos.SafetyRating] = {}
        self._role = ""
        self._has_content = False

    def add(self, candidate: protos.Candidate, chunk: int) -> None:
        for field, value in candidate.ListFields():
            match field.name:
                case "content":
                    self._has_content = True
                    self._role = self._role or value.role
                    self._add_parts(value.parts, chunk)
                case "safety_ratings":
                    for rating in value:
                        self._rate(rating)
                case _:
                    _put(self._fields, field.name, value)

    def write(self, candidate: protos.Candidate) -> None:
        candidate.CopyFrom(self._fields)
        candidate.safety_ratings.extend(self._ratings.values())
        if self._has_content:
            candidate.content.role = self._role
            candidate.content.parts.extend(part.merged() for part in self._parts)

    def spans(self) -> list[tuple[int, int]]:
        return [part.span for part in self._parts]

    def _add_parts(self, parts: Iterable[protos.Part], chunk: int) -> None:
        # Only the first part of a chunk can continue the chunk before: parts of one chunk are separate.
        for position, part in enumerate(parts):
            if position or not self._parts or not self._parts[-1].extend(part, chunk):
                self._parts.append(_Part(part, chunk))

    def _rate(self, rating: protos.SafetyRating) -> None:
        latest = type(rating)()
        latest.CopyFrom(rating)
        before = self._ratings.get(rating.category)
        latest.blocked = rating.blocked or (before is not None and before.blocked)
        self._ratings[rating.category] = latest


class _Part:
    """A part, and the pieces that continue it."""

    __slots__ = ("_first", "_kind", "_pieces", "_signature", "span")

    def __init__(self, part: protos.Part, chunk: int) -> None:
        self._first = part
        self._kind = part.WhichOneof("data")
        self._pieces: list[protos.Part] = []
        self._signature = part.thought_signature
        # The chunks with its first and its last content; an empty piece of text is none.
        self.span = (chunk, chunk) if _has_content(part) else (0, 0)

    def extend(self, part: protos.Part, chunk: int) -> bool:
        """Add `part` if it continues this one, and return whether it does.

        A thought signature ends a part: it signs what came before it.
        """
        kind = part.WhichOneof("data") or ("text" if part.thought_signature else None)
        if kind != self._kind or kind not in _JOIN or self._signature or part.thought != self._first.thought:
            return False
        if kind == "function_call" and not _will_continue(self._pieces[-1] if self._pieces else self._first):
            return False
        self._pieces.append(part)
        if _has_content(part):
            self.span = (self.span[0] or chunk, chunk)
        self._signature = part.thought_signature
        return True

    def merged(self) -> protos.Part:
        if not self._pieces and not (self._kind == "function_call" and _pieces_of(self._first)):
            return self._first
        whole = type(self._first)()
        whole.CopyFrom(self._first)
        _JOIN[self._kind or ""](whole, [self._first, *self._pieces])
        if self._signature:
            whole.thought_signature = self._signature
        return whole


def _has_content(part: protos.Part) -> bool:
    return bool(part.text) or part.WhichOneof("data") not in ("text", None)


def _join_text(whole: protos.Part, parts: list[protos.Part]) -> None:
    whole.text = "".join(part.text for part in parts)


def _join_code(whole: protos.Part, parts: list[protos.Part]) -> None:
    pieces = [part.executable_code for part in parts]
    whole.executable_code.language = max(piece.language for piece in pieces)
    whole.executable_code.code = "".join(piece.code for piece in pieces)


def _join_output(whole: protos.Part, parts: list[protos.Part]) -> None:
    results = [part.code_execution_result for part in parts]
    whole.code_execution_result.outcome = results[-1].outcome
    whole.code_execution_result.output = "".join(result.output for result in results)


def _will_continue(part: protos.Part) -> bool:
    """Whether later chunks have more of the part's function call, as Vertex AI streams them."""
    return bool(getattr(part.function_call, "will_continue", False))


def _pieces_of(part: protos.Part) -> Sequence[Any]:
    """The pieces of arguments that a part's function call has."""
    pieces: Sequence[Any] = getattr(part.function_call, "partial_args", ())
    return pieces


def _join_call(whole: protos.Part, parts: list[protos.Part]) -> None:
    from genai_grpc._responses.partial_args import join_arguments  # of Vertex AI, if it is asked for them

    arguments = join_arguments(piece for part in parts for piece in _pieces_of(part))
    call: Any = whole.function_call
    for name in ("partial_args", "will_continue"):
        call.ClearField(name)
    call.args.update(arguments)


_JOIN: Final = {
    "text": _join_text,
    "executable_code": _join_code,
    "code_execution_result": _join_output,
    "function_call": _join_call,
}


def _put(message: Message, name: str, value: object) -> None:
    """Set or merge one field of a message."""
    if name in REPLACED:
        message.ClearField(name)
    part = type(message)(**{name: value})
    message.MergeFrom(part)
