"""The writing of an answer, candidate after candidate, in a thread that does nothing else."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from genai_grpc import protos
from genai_grpc.errors import InvalidArgument
from genai_grpc.local.engines.llama.function_arguments import to_call
from genai_grpc.local.engines.llama.stop_sequences import StopFilter

if TYPE_CHECKING:
    from collections.abc import Callable

    from genai_grpc.local.engines.llama.llama_cpp import Completion, LlamaCpp
    from genai_grpc.local.engines.llama.output_grammar import Form
    from genai_grpc.local.engines.llama.sampling import Settings

__all__ = ["Job", "Piece", "write"]

_Finish = protos.Candidate.FinishReason


@dataclass(frozen=True, slots=True)
class Job:
    """A request made ready: what to continue, and how.

    Attributes:
        tokens: The prompt.
        settings: What the request asks for.
        stops: The texts that end an answer, those of the prompt's form included.
        trimmed: The answer begins after white space.
        function: The function to call with the answer as its arguments; None if the answer is for the user.
    """

    tokens: list[int]
    settings: Settings
    stops: tuple[str, ...]
    trimmed: bool
    function: protos.FunctionDeclaration | None = None


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of one candidate.

    Attributes:
        candidate: Its index.
        text: May be empty in the last piece.
        finish: Why the candidate ends here; unspecified if it goes on.
        written: In a last piece, the tokens of all candidates so far.
        call: In a last piece, the call that the candidate is.
    """

    candidate: int
    text: str
    finish: protos.Candidate.FinishReason.ValueType = _Finish.FINISH_REASON_UNSPECIFIED
    written: int = 0
    call: protos.FunctionCall | None = None


def write(llama: LlamaCpp, job: Job, emit: Callable[[Piece], None], given_up: Callable[[], bool]) -> None:
    """Write every candidate of a job. Blocks until done, or until the token after which `given_up()` is true.

    Raises:
        InvalidArgument: llama.cpp cannot hold the answer to the form that is asked for.
    """
    grammar = _grammar(llama, job.settings.form)
    written = 0
    for candidate in range(job.settings.candidates):
        if given_up():
            return
        written = _Candidate(candidate, job, emit, given_up).write(llama, grammar, written)


def _grammar(llama: LlamaCpp, form: Form | None) -> dict[str, object]:
    if form is None:
        return {}
    if not llama.obeys(form.probe):
        raise InvalidArgument(
            f"llama.cpp cannot hold an answer to {form.of}; leave out its rarer keywords, formats and "
            "patterns, and bounds that contradict each other"
        )
    return {"grammar": form.grammar}


class _Candidate:
    """One candidate while it is written."""

    def __init__(self, index: int, job: Job, emit: Callable[[Piece], None], given_up: Callable[[], bool]) -> None:
        self._index, self._job = index, job
        self._emit, self._given_up = emit, given_up
        self._stops = StopFilter(job.stops, trimmed=job.trimmed)
        self._arguments: list[str] = []

    def write(self, llama: LlamaCpp, grammar: dict[str, object], before: int) -> int:
        """Write it to its end; returns how many tokens have been written, `before` included."""
        settings = self._job.settings
        options = {
            **settings.options,
            **grammar,
            "seed": settings.seed_of(self._index),
            # A prompt that is read anew gives the same numbers whatever was asked before.
            "cache_prompt": settings.seed is None or self._index > 0,
        }
        end = llama.complete(self._job.tokens, options, self._take)
        if not self._given_up():
            self._emit(self._last(end, before + end.tokens))
        return before + end.tokens

    def _last(self, end: Completion, written: int) -> Piece:
        """The last piece. Arguments that the token limit cut off make no call."""
        finish = _Finish.MAX_TOKENS if end.full and not self._stops.stopped else _Finish.STOP
        text, function = self._stops.flush(), self._job.function
        if function is None:
            return Piece(self._index, text, finish, written)
        arguments = "".join((*self._arguments, text))
        call = None if finish == _Finish.MAX_TOKENS else to_call(function, arguments, f"call-{secrets.token_hex(8)}")
        return Piece(self._index, "", finish, written, call)

    def _take(self, text: str) -> bool:
        if not self._given_up() and (certain := self._stops.feed(text)):
            if self._job.function is None:
                self._emit(Piece(self._index, certain))
            else:
                self._arguments.append(certain)
        return self._stops.stopped or self._given_up()
