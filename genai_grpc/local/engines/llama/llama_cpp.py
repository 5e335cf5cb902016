"""Typed calls to llama.cpp in this process; the only module that imports `xllamacpp`.

Behaviour of `xllamacpp` that its documentation does not state:

- It is llama.cpp's server, which also listens on a port of 127.0.0.1. Only that port offers tokenization and chat
  templates, so this module calls it, with a random key that keeps others out.
- The callback of a completion returns True to stop it. An exception in the callback ends the stream and is lost.
- Without `return_progress`, nothing can stop the evaluation of a long prompt; with it, the callback is called after
  each batch.
- A grammar that it cannot follow is ignored without an error; `supports_grammar` detects that.
- A verbosity of -1 keeps it silent, even about a file that is no model.
"""

from __future__ import annotations

import http.client
import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Final, NoReturn
from urllib.parse import urlsplit

from genai_grpc.errors import ConfigurationError, InternalServerError, InvalidArgument
from genai_grpc.local.engines.llama.prompt import Turn
from genai_grpc.local.engines.llama.vocabulary import Vocabulary, read_vocabulary

__all__ = ["Completion", "LlamaCpp"]

_BATCH_SIZE: Final = 128
"""Prompt tokens that are evaluated between two checks for cancellation: 0.7 s on one core; 512 are no faster."""

_HTTP_TIMEOUT: Final = 60
"""Seconds for a call to the loopback port; it takes tens of milliseconds for a full context."""


@dataclass(frozen=True, slots=True)
class Completion:
    """The end of a completion.

    Attributes:
        tokens: The number of generated tokens.
        truncated: The token limit ended it.
    """

    tokens: int
    truncated: bool


class LlamaCpp:
    """A loaded model. `complete` must not run on two threads at once; the other calls are thread-safe.

    Args:
        path: A GGUF file.
        context_size: Tokens of prompt and response together; fewer if the model was trained on fewer.
        threads: Threads that compute. More than there are idle cores makes it many times slower.

    Attributes:
        context_size: The actual size of the context, in tokens.
        vocabulary: What bounds the number of a text's tokens.

    Raises:
        ConfigurationError: `xllamacpp` is not installed, or cannot load the file.
    """

    def __init__(self, path: Path, *, context_size: int, threads: int) -> None:
        self._key = secrets.token_urlsafe(32)
        self._server: Any = _load(path, context_size=context_size, threads=threads, key=self._key)
        self._address: str = urlsplit(self._server.listening_address).netloc
        self._supported_grammars: set[str] = set()
        self.vocabulary = _read_vocabulary(path)
        self.context_size: int = self._request("GET", "/props")["default_generation_settings"]["n_ctx"]

    def close(self) -> None:
        """Free the model; blocks until llama.cpp's own threads have ended."""
        self._server = None

    def render(self, turns: Sequence[Turn], *, add_generation_prompt: bool = True) -> str:
        """Render turns with the model's chat template.

        Args:
            turns: The turns, at least one.
            add_generation_prompt: End with the mark with which the reply begins.

        Raises:
            InvalidArgument: The template does not support these turns, e.g. a system instruction.
        """
        messages = [{"role": turn.role, "content": turn.text} for turn in turns]
        body = {"messages": messages, "add_generation_prompt": add_generation_prompt}
        prompt: str = self._request("POST", "/apply-template", body)["prompt"]
        return prompt

    def tokenize(self, text: str, *, add_special: bool = True) -> list[int]:
        """The tokens of a prompt, including special tokens and, by default, the model's begin-of-sequence token.

        Nothing can stop it, and it takes a second for a megabyte: check `vocabulary.least_tokens` before.
        """
        body = {"content": text, "add_special": add_special, "parse_special": True}
        tokens: list[int] = self._request("POST", "/tokenize", body)["tokens"]
        return tokens

    def complete(
        self, tokens: Sequence[int], options: Mapping[str, object], on_text: Callable[[str], bool]
    ) -> Completion:
        """Continue a prompt. Blocks until the end.

        Args:
            tokens: The prompt.
            options: Fields of llama.cpp's completion request.
            on_text: Called with each piece of text, which is empty while the prompt is evaluated and in the middle of
                a character. It returns True to stop; an exception that it raises is raised here.
        """
        callback = _CompletionCallback(on_text)
        request = {
            "return_progress": True,
            "timings_per_token": True,
            **options,
            "prompt": list(tokens),
            "stream": True,
        }
        self._server.handle_completions(request, callback)
        if callback.error is not None:
            raise callback.error
        return Completion(callback.tokens, callback.truncated)

    def supports_grammar(self, grammar: str) -> bool:
        """Whether llama.cpp follows a grammar whose texts all begin with "@"; generates one token, the first time."""
        if grammar not in self._supported_grammars:
            pieces: list[str] = []

            def collect(text: str) -> bool:
                pieces.append(text)
                return False

            self.complete(self.tokenize("-"), {"grammar": grammar, "n_predict": 1, "temperature": 0.0}, collect)
            if "".join(pieces) != "@":
                return False
            self._supported_grammars.add(grammar)
        return True

    def _request(self, method: str, path: str, body: object = None) -> Any:
        """Send one request to our own loopback port, never through a proxy."""
        connection = http.client.HTTPConnection(self._address, timeout=_HTTP_TIMEOUT)
        try:
            headers = {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"}
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            response = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        if "error" in response:
            _raise_error(response["error"])
        return response


class _CompletionCallback:
    """Receives the chunks of one completion."""

    def __init__(self, on_text: Callable[[str], bool]) -> None:
        self.tokens = 0
        self.truncated = False
        self.error: BaseException | None = None
        self._on_text = on_text

    def __call__(self, chunk: dict[str, Any]) -> bool:
        try:
            return self._on_chunk(chunk)
        except BaseException as error:
            self.error = error
            return True

    def _on_chunk(self, chunk: dict[str, Any]) -> bool:
        if "error" in chunk:
            _raise_error(chunk["error"])
        [choice] = chunk["choices"]
        self.tokens = chunk.get("timings", {}).get("predicted_n", self.tokens)
        self.truncated = choice["finish_reason"] == "length"
        return self._on_text(choice["text"])


def _raise_error(error: dict[str, Any]) -> NoReturn:
    """Raise llama.cpp's error, by its HTTP status."""
    message = f"llama.cpp: {error.get('message', error)}"
    raise InvalidArgument(message) if error.get("code") == 400 else InternalServerError(message)


def _load(path: Path, *, context_size: int, threads: int, key: str) -> Any:
    try:
        xllamacpp: Any = import_module("xllamacpp")  # it has no stubs
    except ImportError as error:
        raise ConfigurationError("xllamacpp is not installed; pip install 'genai-grpc[local]'") from error
    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.n_ctx, params.n_parallel = context_size, 1
    params.n_batch = params.n_ubatch = _BATCH_SIZE
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
    params.n_threads_http = 2
    params.api_keys = [key]
    params.verbosity = -1
    params.ui = params.endpoint_slots = False
    params.cache_ram_mib = 0  # the default caches up to 8 GiB of earlier prompts
    try:
        return xllamacpp.Server(params)
    except RuntimeError as error:
        raise ConfigurationError(f"llama.cpp cannot load {path}; is it a GGUF model? ({error})") from error


def _read_vocabulary(path: Path) -> Vocabulary:
    try:
        return read_vocabulary(path)
    except ValueError as error:
        raise ConfigurationError(f"{error}; give a GGUF file of version 2 or 3 with its vocabulary") from error
