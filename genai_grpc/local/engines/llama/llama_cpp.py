"""llama.cpp in this process, behind a few typed calls; the only file that knows `xllamacpp`.

What one has to know of `xllamacpp`, found by trying it:

- It is llama.cpp's server: it also listens on a port of 127.0.0.1. Tokenizing and chat templates are to be had only
  there, so a random key guards it, and we call it ourselves.
- The callback of a completion returns True to stop it. Its exceptions are swallowed, and end the stream.
- Without `return_progress`, nothing can stop the reading of a long prompt; with it, the callback is called after each
  batch.
- A grammar that it cannot follow is ignored in silence; `obeys` finds out.
- A verbosity of -1 keeps it silent, also about a file that is no model.
"""

from __future__ import annotations

import http.client
import json
import secrets
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, NoReturn
from urllib.parse import urlsplit

from genai_grpc.errors import ConfigurationError, InternalServerError, InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from genai_grpc.local.engines.llama.prompt import Turn

__all__ = ["Completion", "LlamaCpp"]

_BATCH: Final = 128
"""Tokens of a prompt that are read between two looks at whether to stop; 0.7 s on one core, and 512 are no faster."""

_SECONDS: Final = 60
"""How long a call to the loopback port may take; it is tens of milliseconds for a full context."""


@dataclass(frozen=True, slots=True)
class Completion:
    """How a completion ended.

    Attributes:
        tokens: How many tokens were written.
        full: The token limit ended it.
    """

    tokens: int
    full: bool


class LlamaCpp:
    """A loaded model. One thread at a time may complete; the other calls may come from any.

    Args:
        path: A GGUF file.
        context: Tokens of prompt and answer together; a model trained on fewer has fewer.
        threads: Threads that compute. More than there are idle cores makes it many times slower.

    Attributes:
        context: The tokens that there is room for.

    Raises:
        ConfigurationError: `xllamacpp` is not installed, or cannot load the file.
    """

    def __init__(self, path: Path, *, context: int, threads: int) -> None:
        self._key = secrets.token_urlsafe(32)
        self._server: Any = _load(path, context=context, threads=threads, key=self._key)
        self._address: str = urlsplit(self._server.listening_address).netloc
        self._obeyed: set[str] = set()
        self.context: int = self._ask("GET", "/props")["default_generation_settings"]["n_ctx"]

    def close(self) -> None:
        """Free the model; blocks until llama.cpp's own threads have ended."""
        self._server = None

    def render(self, turns: Sequence[Turn]) -> str:
        """Put turns into the model's chat template.

        Raises:
            InvalidArgument: The template does not take such turns, e.g. a system instruction.
        """
        messages = [{"role": turn.role, "content": turn.text} for turn in turns]
        prompt: str = self._ask("POST", "/apply-template", {"messages": messages})["prompt"]
        return prompt

    def tokenize(self, text: str) -> list[int]:
        """The tokens of a prompt, special ones and the model's own beginning included."""
        asked = {"content": text, "add_special": True, "parse_special": True}
        tokens: list[int] = self._ask("POST", "/tokenize", asked)["tokens"]
        return tokens

    def complete(
        self, tokens: Sequence[int], options: Mapping[str, object], on_text: Callable[[str], bool]
    ) -> Completion:
        """Continue a prompt. Blocks the thread until the end.

        Args:
            tokens: The prompt.
            options: Fields of llama.cpp's completion request.
            on_text: Takes each piece of text, which is empty while the prompt is read and in the middle of a character.
                It returns True to stop. What it raises comes out here.
        """
        reader = _Reader(on_text)
        asked = {"return_progress": True, "timings_per_token": True, **options, "prompt": list(tokens), "stream": True}
        self._server.handle_completions(asked, reader)
        if reader.error is not None:
            raise reader.error
        return Completion(reader.tokens, reader.full)

    def obeys(self, grammar: str) -> bool:
        """Whether llama.cpp can follow a grammar of which each text begins with "@"; costs one token, once."""
        if grammar not in self._obeyed:
            written: list[str] = []

            def keep(text: str) -> bool:
                written.append(text)
                return False

            self.complete(self.tokenize("-"), {"grammar": grammar, "n_predict": 1, "temperature": 0.0}, keep)
            if "".join(written) != "@":
                return False
            self._obeyed.add(grammar)
        return True

    def _ask(self, method: str, path: str, body: object = None) -> Any:
        """One request to our own loopback port; no proxy is ever asked."""
        connection = http.client.HTTPConnection(self._address, timeout=_SECONDS)
        try:
            headers = {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"}
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        if "error" in answer:
            _fail(answer["error"])
        return answer


class _Reader:
    """The callback of one completion."""

    def __init__(self, on_text: Callable[[str], bool]) -> None:
        self.tokens = 0
        self.full = False
        self.error: BaseException | None = None
        self._on_text = on_text

    def __call__(self, chunk: dict[str, Any]) -> bool:
        try:
            return self._take(chunk)
        except BaseException as error:
            self.error = error
            return True

    def _take(self, chunk: dict[str, Any]) -> bool:
        if "error" in chunk:
            _fail(chunk["error"])
        [choice] = chunk["choices"]
        self.tokens = chunk.get("timings", {}).get("predicted_n", self.tokens)
        self.full = choice["finish_reason"] == "length"
        return self._on_text(choice["text"])


def _fail(error: dict[str, Any]) -> NoReturn:
    """Raise what llama.cpp answered, by its HTTP status."""
    message = f"llama.cpp: {error.get('message', error)}"
    raise InvalidArgument(message) if error.get("code") == 400 else InternalServerError(message)


def _load(path: Path, *, context: int, threads: int, key: str) -> Any:
    try:
        xllamacpp: Any = import_module("xllamacpp")  # it has no stubs
    except ImportError as error:
        raise ConfigurationError("xllamacpp is not installed; pip install 'genai-grpc[local]'") from error
    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.n_ctx, params.n_parallel = context, 1
    params.n_batch = params.n_ubatch = _BATCH
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
    params.n_threads_http = 2
    params.api_keys = [key]
    params.verbosity = -1
    params.ui = params.endpoint_slots = False
    params.cache_ram_mib = 0  # the default keeps up to 8 GiB of earlier prompts
    try:
        return xllamacpp.Server(params)
    except RuntimeError as error:
        raise ConfigurationError(f"llama.cpp cannot load {path}; is it a GGUF model? ({error})") from error
