"""`genai-grpc chat`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from genai_grpc.cli._client import call_options, connect, model_option
from genai_grpc.cli._errors import hint_of, one_line
from genai_grpc.cli._output import is_rich, new_console, plain_writer, printable
from genai_grpc.cli._prompt import config_option, to_config

if TYPE_CHECKING:
    from genai_grpc.cli._chat_input import Reader
    from genai_grpc.cli._conversation import Conversation

__all__ = ["chat"]


@click.command(short_help="Chat with a model in the terminal.")
@model_option()
@click.option("-s", "--system", metavar="TEXT", help="System instruction.")
@config_option
@click.option(
    "--load", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Saved chat to continue, of /save."
)
@click.option("--plain", is_flag=True, help="Print Markdown as it is.")
@call_options
def chat(model: str, system: str | None, options: tuple[str, ...], load: Path | None, plain: bool) -> None:
    """Chat with a model. /help lists the commands of the chat; Ctrl-C stops a reply, and Ctrl-D ends the chat.

    If stdin is no terminal, each of its lines is a message or a command, and the first error ends the chat.

    Example: genai-grpc chat --system "Answer in one sentence."
    """
    config = to_config(options)
    from genai_grpc.cli._chat_input import PipeInput, TerminalInput  # with prompt_toolkit 150 ms
    from genai_grpc.cli._conversation import Conversation

    typed = sys.stdin.isatty() and sys.stdout.isatty()
    with connect() as client:
        conversation = Conversation(client, model, system, config, _note)
        if typed:
            _note(f"Chat with {model} at {client.endpoint}.\n/help lists the commands; Ctrl-D ends the chat.")
        if load is not None:
            conversation.load(str(load))
        formatted = is_rich() and not plain
        if typed:
            _talk(conversation, TerminalInput(), formatted=formatted)
        else:
            _answer(conversation, PipeInput())


def _talk(conversation: Conversation, reader: Reader, *, formatted: bool) -> None:
    """Converse with a person: an error is printed, and the chat goes on."""
    from genai_grpc.cli._conversation import EndOfChatError  # as above
    from genai_grpc.errors import GenAIError

    while True:
        try:
            _take(conversation, reader.read(), formatted=formatted)
        except KeyboardInterrupt:
            _note("(Ctrl-D ends the chat.)")
        except (EOFError, EndOfChatError):
            return
        except click.UsageError as error:
            _note(f"Error: {error.message}")
        except (GenAIError, OSError, ValueError) as error:
            _note(f"Error: {one_line(error)}{hint_of(error)}")


def _answer(conversation: Conversation, reader: Reader) -> None:
    """Answer the lines of a pipe."""
    from genai_grpc.cli._conversation import EndOfChatError  # as above

    while True:
        try:
            _take(conversation, reader.read(), formatted=False)
        except (EOFError, EndOfChatError):
            return


def _take(conversation: Conversation, text: str, *, formatted: bool) -> None:
    """Run a command, or send a message."""
    if not text.strip():
        return
    if conversation.is_command(text):
        conversation.run(text)
        return
    try:
        with _writer(formatted=formatted) as write:
            conversation.send(text, write)
    except KeyboardInterrupt:
        if not formatted and not sys.stdin.isatty():
            raise
        _note("(Stopped. The next message goes on from here; /rewind removes this one.)")


@contextmanager
def _writer(*, formatted: bool) -> Iterator[Callable[[str], object]]:
    """Writes a reply: formatted, or as it is."""
    if formatted:
        from genai_grpc.cli._markdown import MarkdownStream  # as above

        with MarkdownStream(new_console()) as stream:
            yield stream.write
        click.echo()
        return
    with plain_writer() as write:
        yield write


def _note(text: str) -> None:
    """Print a line about the chat, which is no reply: to stderr, unless a person reads both."""
    click.echo(printable(text), err=not sys.stdout.isatty())
