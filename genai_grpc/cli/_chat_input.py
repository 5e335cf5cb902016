"""The messages of `genai-grpc chat`: typed in a terminal, or lines of a pipe."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final, Protocol

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import Completer, Completion, PathCompleter
from prompt_toolkit.document import Document
from prompt_toolkit.key_binding import KeyBindings

from genai_grpc.cli._conversation import COMMANDS

if TYPE_CHECKING:
    from prompt_toolkit.completion import CompleteEvent
    from prompt_toolkit.key_binding import KeyPressEvent

__all__ = ["PipeInput", "Reader", "TerminalInput"]

_WITH_FILES: Final = ("/save ", "/load ", "/image ")


class Reader(Protocol):
    """Where messages come from."""

    def read(self) -> str:
        """The next message; raises EOFError at the end, and KeyboardInterrupt on Ctrl-C."""
        ...


class TerminalInput:
    """A prompt with history, completion and messages of several lines."""

    def __init__(self) -> None:
        self._session: PromptSession[str] = PromptSession(
            multiline=True,
            key_bindings=_key_bindings(),
            completer=_CommandCompleter(),
            complete_while_typing=False,
            prompt_continuation="  ",
        )

    def read(self) -> str:
        """The next message."""
        return self._session.prompt("> ")


class PipeInput:
    """The lines of stdin."""

    def __init__(self) -> None:
        self._lines: Iterator[str] = iter(sys.stdin)

    def read(self) -> str:
        """The next line."""
        for line in self._lines:
            return line.rstrip("\r\n")
        raise EOFError


def _key_bindings() -> KeyBindings:
    """Enter sends; Alt-Enter, or Enter behind a backslash, begins a new line."""
    bindings = KeyBindings()

    @bindings.add("enter")
    def send(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        if buffer.document.char_before_cursor == "\\":
            buffer.delete_before_cursor()
            buffer.insert_text("\n")
        else:
            buffer.validate_and_handle()

    @bindings.add("escape", "enter")
    @bindings.add("escape", "c-j")  # of what was typed while a reply was printed
    def begin_line(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    return bindings


class _CommandCompleter(Completer):
    """Completes commands, and the paths behind them."""

    def __init__(self) -> None:
        self._paths = PathCompleter(expanduser=True)

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        """The completions of the text before the cursor."""
        text = document.text_before_cursor
        if text.startswith(_WITH_FILES):
            path = text.partition(" ")[2]
            yield from self._paths.get_completions(Document(path, len(path)), complete_event)
        elif text.startswith("/") and " " not in text:
            for name, (_, usage, summary) in COMMANDS.items():
                if name.startswith(text):
                    yield Completion(name, -len(text), display=usage, display_meta=summary)
