"""Errors of the command: one line, and an exit code by kind."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import click

__all__ = ["DEBUG", "CommandError", "ExitCode", "code_of", "hint_of", "one_line", "reported", "to_command_error"]

DEBUG: Final = "genai_grpc.cli.debug"
"""Key of `Context.meta`: whether errors show their tracebacks."""


class ExitCode:
    """The exit codes of the command; docs/cli.md describes them."""

    FAILED: Final = 1
    USAGE: Final = 2
    CONFIGURATION: Final = 3
    CREDENTIALS: Final = 4
    REFUSED: Final = 5
    QUOTA: Final = 6
    UNAVAILABLE: Final = 7
    BLOCKED: Final = 8
    ROWS_FAILED: Final = 9
    INTERRUPTED: Final = 130


_BY_STATUS: Final = {
    "UNAUTHENTICATED": ExitCode.CREDENTIALS,
    "PERMISSION_DENIED": ExitCode.CREDENTIALS,
    "INVALID_ARGUMENT": ExitCode.REFUSED,
    "NOT_FOUND": ExitCode.REFUSED,
    "ALREADY_EXISTS": ExitCode.REFUSED,
    "FAILED_PRECONDITION": ExitCode.REFUSED,
    "OUT_OF_RANGE": ExitCode.REFUSED,
    "UNIMPLEMENTED": ExitCode.REFUSED,
    "RESOURCE_EXHAUSTED": ExitCode.QUOTA,
}
_HINTS: Final = {
    ExitCode.CREDENTIALS: "`genai-grpc doctor` checks the key",
    ExitCode.QUOTA: "wait, or use another model or key",
    ExitCode.UNAVAILABLE: "try again; `genai-grpc doctor` checks the connection",
}


# What click 8.2 and newer raise for a group without a command, to show its help.
_HELP: Final[tuple[type[Exception], ...]] = tuple(filter(None, [getattr(click.exceptions, "NoArgsIsHelpError", None)]))


class CommandError(click.ClickException):
    """An error with its exit code."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code  # type: ignore[misc]  # click reads it from the error, not from its class


@contextmanager
def reported(context: click.Context | None) -> Iterator[None]:
    """Turn an error of the block into one of click, which prints it in one line and ends with its exit code."""
    try:
        yield
    except click.UsageError as error:
        if isinstance(error, _HELP):
            raise
        raise CommandError(_usage_message(error), error.exit_code) from None
    except (click.exceptions.Exit, click.ClickException, click.Abort, BrokenPipeError):
        raise
    except KeyboardInterrupt:
        click.echo(err=True)  # the line that the terminal's ^C is on
        raise click.exceptions.Exit(ExitCode.INTERRUPTED) from None
    except Exception as error:
        if context is not None and context.meta.get(DEBUG):
            traceback.print_exc(file=sys.stderr)
        raise to_command_error(error) from None


def _usage_message(error: click.UsageError) -> str:
    """The message in one line, with the command that explains the usage."""
    message = " ".join(error.format_message().split())
    return message if error.ctx is None else f"{message} (see {error.ctx.command_path} --help)"


def to_command_error(error: Exception) -> CommandError:
    """The error as the command reports it."""
    code = code_of(error)
    if code == ExitCode.FAILED and not isinstance(error, (OSError, _genai_error())):
        message = f"unexpected {type(error).__name__}: {one_line(error)}; --debug shows where"
    else:
        message = one_line(error) + hint_of(error)
    return CommandError(message, code)


def code_of(error: Exception) -> int:
    """The exit code of an error."""
    from genai_grpc import errors  # with protobuf 20 ms, which `--help` does without

    if isinstance(error, errors.APIError):
        return _BY_STATUS.get(error.status, ExitCode.UNAVAILABLE)
    if isinstance(error, (errors.BlockedPromptException, errors.StopCandidateException)):
        return ExitCode.BLOCKED
    if isinstance(error, (errors.ConfigurationError, ImportError)):
        return ExitCode.CONFIGURATION
    if isinstance(error, (TypeError, ValueError)):
        return ExitCode.USAGE
    return ExitCode.FAILED


def hint_of(error: Exception) -> str:
    """What to do about a failed call, in parentheses; empty if its message says it."""
    from genai_grpc import errors  # as above

    if isinstance(error, errors.NotFound) and error.message.startswith("models/"):
        return " (`genai-grpc models` lists the models)"
    hint = _HINTS.get(code_of(error)) if isinstance(error, errors.APIError) else None
    return f" ({hint})" if hint else ""


def one_line(error: Exception) -> str:
    """The message of an error in one line: the file, too, if it is an error of one."""
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    if error.args and isinstance(error, _genai_error()) and not isinstance(error.args[0], str):
        return _blocked(error.args[0])
    return " ".join(str(error).split()) or type(error).__name__


def _blocked(reason: Any) -> str:
    """What the service blocked, and why: of a candidate, a prompt feedback, or a response with one."""
    from genai_grpc import protos  # as above

    if isinstance(reason, protos.Candidate):
        name = protos.Candidate.FinishReason.Name(reason.finish_reason)
        return f"the service stopped the reply: {name}. {reason.finish_message}".rstrip(". ")
    feedback = reason.prompt_feedback if isinstance(reason, protos.GenerateContentResponse) else reason
    name = protos.GenerateContentResponse.PromptFeedback.BlockReason.Name(feedback.block_reason)
    return f"the service blocked the prompt: {name}"


def _genai_error() -> type[Exception]:
    from genai_grpc.errors import GenAIError  # as above

    return GenAIError
