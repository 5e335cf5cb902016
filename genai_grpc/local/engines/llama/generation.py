"""Generation of a response on the worker thread, one candidate after another."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass

from genai_grpc import protos
from genai_grpc.errors import InvalidArgument
from genai_grpc.local.engines.llama.function_arguments import to_call
from genai_grpc.local.engines.llama.llama_cpp import Completion, LlamaCpp
from genai_grpc.local.engines.llama.output_grammar import OutputSchema
from genai_grpc.local.engines.llama.sampling import REPETITION_PENALTY, SamplingSettings
from genai_grpc.local.engines.llama.stop_sequences import StopFilter

__all__ = ["GeneratedChunk", "GenerationJob", "run_job"]

_FinishReason = protos.Candidate.FinishReason


@dataclass(frozen=True, slots=True)
class GenerationJob:
    """A request that is ready for llama.cpp.

    Attributes:
        tokens: The prompt.
        prompt_tokens: The tokens of what the caller sent, for the usage.
        settings: How to continue it.
        stops: All stop sequences: those of the request and those of the prompt's format.
        strip_start: Drop white space at the beginning of the response.
        function: The function to call with the generated arguments; None to generate text.
    """

    tokens: list[int]
    prompt_tokens: int
    settings: SamplingSettings
    stops: tuple[str, ...]
    strip_start: bool
    function: protos.FunctionDeclaration | None = None


@dataclass(frozen=True, slots=True)
class GeneratedChunk:
    """A chunk of one candidate.

    Attributes:
        candidate: The candidate's index.
        text: May be empty in the last chunk.
        finish_reason: Why the candidate ends; unspecified in all chunks but the last.
        token_count: In the last chunk, the number of tokens generated so far, for all candidates.
        function_call: In the last chunk, the call, if the candidate is one.
    """

    candidate: int
    text: str
    finish_reason: protos.Candidate.FinishReason = _FinishReason.FINISH_REASON_UNSPECIFIED
    token_count: int = 0
    function_call: protos.FunctionCall | None = None


def run_job(
    llama: LlamaCpp, job: GenerationJob, emit: Callable[[GeneratedChunk], None], is_cancelled: Callable[[], bool]
) -> None:
    """Generate all candidates of a job. Blocks until the end, or until the first token after a cancellation.

    Raises:
        InvalidArgument: llama.cpp does not support the output schema.
    """
    grammar = _grammar(llama, job.settings.output_schema)
    token_count = 0
    for index in range(job.settings.candidates):
        if is_cancelled():
            return
        token_count = _Candidate(index, job, emit, is_cancelled).generate(llama, grammar, token_count)


def _grammar(llama: LlamaCpp, schema: OutputSchema | None) -> dict[str, object]:
    if schema is None:
        return {}
    if not llama.supports_grammar(schema.probe):
        raise InvalidArgument(
            f"llama.cpp cannot restrict an answer to {schema.source}; leave out its rarer keywords, formats and "
            "patterns, and bounds that contradict each other"
        )
    return {"grammar": schema.grammar}


class _Candidate:
    """Generation of one candidate."""

    def __init__(
        self,
        index: int,
        job: GenerationJob,
        emit: Callable[[GeneratedChunk], None],
        is_cancelled: Callable[[], bool],
    ) -> None:
        self._index, self._job = index, job
        self._emit, self._is_cancelled = emit, is_cancelled
        self._stop_filter = StopFilter(job.stops, strip_start=job.strip_start)
        self._arguments: list[str] = []

    def generate(self, llama: LlamaCpp, grammar: dict[str, object], tokens_before: int) -> int:
        """Generate the candidate to its end, and return the number of tokens so far, including `tokens_before`."""
        settings = self._job.settings
        options = {
            **settings.options,
            **grammar,
            **(REPETITION_PENALTY if settings.penalize_repetition and not grammar else {}),
            "seed": settings.seed_of(self._index),
            # Without the cache, a seed gives the same response whatever the previous prompt was.
            "cache_prompt": settings.seed is None or self._index > 0,
        }
        completion = llama.complete(self._job.tokens, options, self._on_text)
        token_count = tokens_before + completion.tokens
        if not self._is_cancelled():
            self._emit(self._last_chunk(completion, token_count))
        return token_count

    def _last_chunk(self, completion: Completion, token_count: int) -> GeneratedChunk:
        """The last chunk; arguments that the token limit truncated are dropped."""
        truncated = completion.truncated and not self._stop_filter.stopped
        finish_reason = _FinishReason.MAX_TOKENS if truncated else _FinishReason.STOP
        text, function = self._stop_filter.flush(), self._job.function
        if function is None:
            return GeneratedChunk(self._index, text, finish_reason, token_count)
        arguments = "".join((*self._arguments, text))
        call = None if truncated else to_call(function, arguments, f"call-{secrets.token_hex(8)}")
        return GeneratedChunk(self._index, "", finish_reason, token_count, call)

    def _on_text(self, text: str) -> bool:
        if not self._is_cancelled() and (passed := self._stop_filter.feed(text)):
            if self._job.function is None:
                self._emit(GeneratedChunk(self._index, passed))
            else:
                self._arguments.append(passed)
        return self._stop_filter.stopped or self._is_cancelled()
