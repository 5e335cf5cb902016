"""What commands send: prompts of arguments, stdin and files; the generation config of options."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

if TYPE_CHECKING:
    from genai_grpc.client import Client

__all__ = ["config_option", "prompt_options", "read_contents", "read_image", "read_text", "to_config", "to_schema"]

Command = TypeVar("Command", bound=Callable[..., Any])

config_option = click.option(
    "-o",
    "--option",
    "options",
    multiple=True,
    metavar="KEY=VALUE",
    help="Field of the generation config, e.g. temperature=0 or thinking_config.thinking_budget=0; may be repeated.",
)


_PROMPT: Final[tuple[Callable[[Any], Any], ...]] = (
    click.argument("prompts", metavar="[PROMPT]...", nargs=-1),
    click.option(
        "-f",
        "--file",
        "files",
        multiple=True,
        metavar="FILE",
        help="File to send with the prompt, or the name of an uploaded one, files/...; may be repeated.",
    ),
    click.option(
        "-i",
        "--image",
        "images",
        multiple=True,
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="Image to send with the prompt; may be repeated.",
    ),
)


def prompt_options(command: Command) -> Command:
    """Add the arguments and options of a command that sends a prompt."""
    for option in reversed(_PROMPT):
        command = option(command)
    return command


def read_contents(
    prompts: Sequence[str], files: Sequence[str], images: Sequence[Path], client: Client | None = None
) -> list[Any]:
    """The parts of the user's turn: images and files, then the text.

    Args:
        prompts: Texts, of which one may be "-" for stdin. Without any, and without files, stdin is read if it is no
            terminal.
        files: Paths, and names of uploaded files.
        images: Paths.
        client: The client that looks up uploaded files.

    Raises:
        click.UsageError: There is nothing to send.
    """
    parts: list[Any] = [*map(read_image, images), *(_to_part(file, client) for file in files)]
    if not prompts and not parts and not sys.stdin.isatty():
        prompts = ["-"]
    if prompts.count("-") > 1:
        raise click.UsageError("- is stdin, which can be read once; it is given more than once")
    text = "\n\n".join(read_text("-") if prompt == "-" else prompt for prompt in prompts)
    if not text.strip():
        if prompts or not parts:
            raise click.UsageError("the prompt is empty; give some text, or - to read it from stdin")
        return parts
    return [*parts, text]


def read_text(path: str) -> str:
    """The text of a file, or of stdin for "-".

    Raises:
        click.UsageError: It is not text in UTF-8.
        OSError: It cannot be read.
    """
    data = sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
    try:
        return data.decode()
    except UnicodeDecodeError:
        name = "stdin" if path == "-" else path
        raise click.UsageError(
            f"{name} is not text in UTF-8; send an image or another file with --image FILE or --file FILE"
        ) from None


def to_config(options: Sequence[str]) -> dict[str, Any]:
    """The generation config of options KEY=VALUE; values are JSON, or text where they are not.

    Raises:
        click.UsageError: One is not of this form.

    >>> to_config(["temperature=0", "stop_sequences=END", "thinking_config.thinking_budget=10"])
    {'temperature': 0, 'stop_sequences': ['END'], 'thinking_config': {'thinking_budget': 10}}
    """
    config: dict[str, Any] = {}
    for option in options:
        key, found, value = option.partition("=")
        if not found or not key.strip():
            raise click.UsageError(f"-o takes KEY=VALUE, e.g. -o temperature=0; got {option!r}")
        *path, name = key.strip().replace("-", "_").split(".")
        fields = config
        for each in path:
            fields = fields.setdefault(each, {})
            if not isinstance(fields, dict):
                raise click.UsageError(f"-o {key}: {each} has a value already; give either it or its fields")
        fields[name] = _to_value(value)
    if isinstance(stops := config.get("stop_sequences"), str):
        config["stop_sequences"] = [stops]
    return config


def to_schema(schema: str) -> dict[str, Any]:
    """The generation config of a JSON Schema, given as JSON or as the path of a file.

    Raises:
        click.UsageError: It is neither.
    """
    text = schema if schema.lstrip().startswith("{") else read_text(schema)
    try:
        value = json.loads(text)
    except ValueError as error:
        raise click.UsageError(f"--schema takes a JSON Schema, as JSON or as a file: {error}") from None
    if not isinstance(value, dict):
        raise click.UsageError(f"a JSON Schema is an object; --schema has {type(value).__name__}")
    return {"response_mime_type": "application/json", "response_json_schema": value}


def _to_value(value: str) -> Any:
    try:
        return json.loads(value)
    except ValueError:
        return value


def read_image(path: Path) -> Any:
    """The part of an image.

    Raises:
        click.UsageError: The file is no image.
        ValueError: It cannot be read.
    """
    from genai_grpc._coerce.media import path_to_blob  # not to import it for `--help`

    blob = path_to_blob(path)
    if not blob.mime_type.startswith("image/"):
        raise click.UsageError(f"{path} is {blob.mime_type}, not an image; send it with --file")
    return {"mime_type": blob.mime_type, "data": blob.data}


def _to_part(file: str, client: Client | None) -> Any:
    """A part of a file: text as text, so that every model reads it; anything else with its MIME type."""
    path = Path(file)
    if file.startswith("files/") and not path.exists():
        from genai_grpc.files import get_file  # as above

        return get_file(file, client=client)
    data = path.read_bytes()
    if not data:
        raise click.UsageError(f"{file} is empty")
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return path
    return path if text.startswith("%PDF-") else text
