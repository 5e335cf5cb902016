"""The conversation of `genai-grpc chat`, and its commands."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from genai_grpc.chat import ChatSession
from genai_grpc.cli._output import chunk_text
from genai_grpc.cli._prompt import read_image, read_text
from genai_grpc.errors import BrokenResponseError, GenAIError
from genai_grpc.generative_model import GenerativeModel
from genai_grpc.responses import GenerateContentResponse

if TYPE_CHECKING:
    from genai_grpc import protos
    from genai_grpc.client import Client

__all__ = ["COMMANDS", "Conversation", "EndOfChatError"]

Echo = Callable[[str], object]


class EndOfChatError(Exception):
    """The user ended the chat."""


class Conversation:
    """A chat with the settings that its commands change.

    Args:
        client: The client of its calls.
        model: The model's name.
        system: The system instruction, or None.
        config: The generation config.
        echo: Prints a line about the chat itself.
    """

    def __init__(self, client: Client, model: str, system: str | None, config: Mapping[str, Any], echo: Echo) -> None:
        self._client = client
        self._model = model
        self._system = system
        self._config = dict(config)
        self._echo = echo
        self._images: list[Any] = []
        self._saved: Path | None = None
        self._chat = self._start([])

    @property
    def model(self) -> str:
        """The name of the model."""
        return self._model

    def is_command(self, text: str) -> bool:
        """Whether a line is a command: /etc/hosts is not one."""
        return re.fullmatch(r"/[a-z?]+", text.split(maxsplit=1)[0]) is not None

    def run(self, text: str) -> None:
        """Run a command.

        Raises:
            EndOfChatError: It was /exit.
            click.UsageError: There is no such command, or its argument is wrong.
            GenAIError, OSError, ValueError: It failed.
        """
        name, _, argument = text.strip().partition(" ")
        command = COMMANDS.get(_ALIASES.get(name, name))
        if command is None:
            raise click.UsageError(f"there is no command {name}; /help lists the commands")
        command[0](self, argument.strip())

    def send(self, text: str, write: Callable[[str], object]) -> None:
        """Send a message with the attached images, and write the reply as it arrives.

        A message that fails leaves the history as it was. If Ctrl-C stops the reply, the part that has arrived stays.

        Raises:
            KeyboardInterrupt: Ctrl-C stopped the reply.
            GenAIError: The call failed, or the service blocked the prompt or the reply.
        """
        images, self._images = self._images, []
        try:
            for chunk in self._chat.send_message([*images, text] if images else text, stream=True):
                write(chunk_text(chunk))
            # The reply enters the history, or raises what keeps it out of it.
            self._chat.history  # noqa: B018
        except KeyboardInterrupt:
            self._stop()
            raise
        except GenAIError as error:
            self._images = images
            if self._chat.last is not None:
                self._chat.rewind()
            if isinstance(error, BrokenResponseError) and isinstance(error.__cause__, GenAIError):
                raise error.__cause__ from None  # what ended the reply
            raise

    def load(self, argument: str) -> None:
        """Continue a saved chat."""
        path = _to_path(argument, "/load")
        self._chat = ChatSession.from_json(self._chat.model, read_text(str(path)))
        self._echo(f"Loaded {path}: {len(self._chat.history)} turns. /rewind shows and removes the last message.")

    def save(self, argument: str) -> None:
        """Save the chat, as `ChatSession.from_json` reads it."""
        path = _to_path(argument, "/save")
        if path.exists() and path != self._saved:
            try:
                ChatSession.from_json(self._chat.model, read_text(str(path)))
            except (click.UsageError, ValueError):
                raise click.UsageError(f"{path} exists and is no saved chat; give another name") from None
        text = self._chat.to_json()
        temporary = path.with_name(f".{path.name}.part")  # a full disk must not damage the chat that is there
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
        self._saved = path
        self._echo(f"Saved {len(self._chat.history)} turns to {path}, without the system instruction.")

    def rewind(self, argument: str) -> None:
        """Remove the last message and its reply."""
        try:
            sent, _ = self._chat.rewind()
        except IndexError:
            raise click.UsageError("there is no message to remove") from None
        self._echo(f"Removed this message and its reply: {_shorten(sent)}")

    def clear(self, argument: str) -> None:
        """Start a new conversation."""
        self._images = []
        self._chat = self._start([])
        self._echo("Started a new conversation.")

    def system(self, argument: str) -> None:
        """Show or set the system instruction."""
        if argument:
            self._system = None if argument == "-" else argument
            self._chat = self._start(self._chat.history)
        shown = "None" if self._system is None else self._system
        self._echo(f"System instruction: {shown}")

    def switch(self, argument: str) -> None:
        """Show or set the model."""
        if argument:
            self._model = argument
            self._chat = self._start(self._chat.history)
        self._echo(f"Model: {self._model}")

    def image(self, argument: str) -> None:
        """Attach an image to the next message."""
        path = _to_path(argument, "/image")
        self._images.append(read_image(path))
        count = len(self._images)
        self._echo(f"Attached {path}: the next message has {count} {'image' if count == 1 else 'images'}.")

    def tokens(self, argument: str) -> None:
        """Count the tokens of the conversation."""
        history = self._chat.history
        if not history:
            self._echo("0 tokens: there is no message yet.")
            return
        model = GenerativeModel(self._model, system_instruction=self._system, client=self._client)
        counted = model.count_tokens(history)
        self._echo(f"{counted.total_tokens} tokens in {len(history)} turns, which the next message sends with it.")

    def help(self, argument: str) -> None:
        """List the commands."""
        width = max(len(usage) for _, usage, _ in COMMANDS.values())
        for _, usage, text in COMMANDS.values():
            self._echo(f"{usage:{width}}  {text}")
        self._echo("Enter sends; Alt-Enter begins a new line. Ctrl-C stops a reply; Ctrl-D ends the chat.")

    def exit(self, argument: str) -> None:
        """End the chat."""
        raise EndOfChatError

    def _start(self, history: list[protos.Content]) -> ChatSession:
        model = GenerativeModel(
            self._model, generation_config=self._config, system_instruction=self._system, client=self._client
        )
        return model.start_chat(history=history)

    def _stop(self) -> None:
        """End the reply, and keep what has arrived of it."""
        last = self._chat.last
        if last is None:
            return
        if isinstance(last, GenerateContentResponse):
            last.close()
        sent, received = self._chat.rewind()
        if received.parts:
            received.role = received.role or "model"
            self._chat.history = [*self._chat.history, sent, received]


def _to_path(argument: str, command: str) -> Path:
    name = argument.strip("'\"")
    if not name:
        raise click.UsageError(f"{command} needs a file: {command} FILE")
    return Path(name).expanduser()


def _shorten(turn: protos.Content) -> str:
    """The beginning of a turn in one line."""
    text = " ".join(" ".join(part.text or "(image)" for part in turn.parts).split())
    return text if len(text) <= _LONG else f"{text[: _LONG - 1]}…"


_LONG: Final = 60

# By name: the method, its usage and what it does.
COMMANDS: Final[dict[str, tuple[Callable[[Conversation, str], None], str, str]]] = {
    "/help": (Conversation.help, "/help", "List the commands."),
    "/save": (Conversation.save, "/save FILE", "Save the conversation."),
    "/load": (Conversation.load, "/load FILE", "Continue a saved conversation."),
    "/rewind": (Conversation.rewind, "/rewind", "Remove the last message and its reply."),
    "/clear": (Conversation.clear, "/clear", "Start a new conversation."),
    "/system": (Conversation.system, "/system [TEXT]", "Show the system instruction, or set it; - removes it."),
    "/model": (Conversation.switch, "/model [NAME]", "Show the model, or call another one from now on."),
    "/image": (Conversation.image, "/image FILE", "Send an image with the next message."),
    "/tokens": (Conversation.tokens, "/tokens", "Count the tokens of the conversation."),
    "/exit": (Conversation.exit, "/exit", "End the chat, as Ctrl-D does."),
}
_ALIASES: Final = {"/quit": "/exit", "/?": "/help"}
