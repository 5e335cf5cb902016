"""`genai-grpc cache`."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from genai_grpc.cli._client import call_options, connect, model_option
from genai_grpc.cli._output import json_option, print_json, print_record, print_table, to_json
from genai_grpc.cli._prompt import prompt_options, read_contents

if TYPE_CHECKING:
    from genai_grpc.caching import CachedContent

__all__ = ["cache"]

Command = TypeVar("Command", bound=Callable[..., Any])

_UNITS: Final = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}


def _to_seconds(context: click.Context, parameter: click.Parameter, value: str | None) -> float | None:
    """The seconds of a number that a unit may follow."""
    if value is None:
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd]?)", value)
    if found is None:
        raise click.BadParameter(f"{value!r} is no lifetime; give e.g. 90s, 10m, 2h or 1d")
    return float(found[1]) * _UNITS[found[2]]


def _ttl_option(*, required: bool = False) -> Callable[[Command], Command]:
    return click.option(
        "--ttl",
        required=required,
        callback=_to_seconds,
        metavar="TIME",
        help="Lifetime from now, e.g. 90s, 10m, 2h or 1d.",
    )


@click.group(short_help="Create, list, show, extend and delete cached contents.")
def cache() -> None:
    """Create, list, show, extend and delete cached contents: prompts that the service stores.

    Example: genai-grpc cache create --file book.txt --ttl 2h
    """


@cache.command()
@prompt_options
@model_option()
@click.option("-s", "--system", metavar="TEXT", help="System instruction.")
@click.option("--display-name", metavar="TEXT", help="Name for people.")
@_ttl_option()
@json_option
@call_options
def create(
    prompts: tuple[str, ...],
    files: tuple[str, ...],
    images: tuple[Path, ...],
    model: str,
    system: str | None,
    display_name: str | None,
    ttl: float | None,
    as_json: bool,
) -> None:
    """Store PROMPT and files, and print the resource name. `generate --cache NAME` uses it.

    Example: genai-grpc cache create --file book.txt --ttl 2h
    """
    from genai_grpc.caching import CachedContent  # with protobuf, which `--help` does without

    with connect() as client:
        created = CachedContent.create(
            model,
            display_name=display_name,
            system_instruction=system,
            contents=read_contents(prompts, files, images, client),
            ttl=ttl,
            client=client,
        )
    if as_json:
        print_json(to_json(created.to_proto()))
    else:
        click.echo(created.name)


@cache.command("list")
@json_option
@call_options
def list_(as_json: bool) -> None:
    """List the cached contents that have not expired.

    Example: genai-grpc cache list
    """
    from genai_grpc.caching import CachedContent  # as above

    with connect() as client:
        found = list(CachedContent.list(client=client))
    if as_json:
        print_json([to_json(each.to_proto()) for each in found])
        return
    rows = (
        (each.name, each.model, each.usage_metadata.total_token_count, each.expire_time, each.display_name)
        for each in found
    )
    print_table(("NAME", "MODEL", "TOKENS", "EXPIRES", "DISPLAY NAME"), rows)


@cache.command()
@click.argument("name")
@json_option
@call_options
def get(name: str, as_json: bool) -> None:
    """Show the cached content NAME: its model, tokens and expiry.

    Example: genai-grpc cache get cachedContents/abc
    """
    from genai_grpc.caching import CachedContent  # as above

    with connect() as client:
        _print(CachedContent.get(name, client=client), as_json)


@cache.command()
@click.argument("name")
@_ttl_option(required=True)
@json_option
@call_options
def update(name: str, ttl: float, as_json: bool) -> None:
    """Change when the cached content NAME expires.

    Example: genai-grpc cache update cachedContents/abc --ttl 1d
    """
    from genai_grpc.caching import CachedContent  # as above

    with connect() as client:
        found = CachedContent.get(name, client=client)
        found.update(ttl=ttl)
        _print(found, as_json)


@cache.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@call_options
def delete(names: tuple[str, ...]) -> None:
    """Delete the cached contents NAME.

    Example: genai-grpc cache delete cachedContents/abc
    """
    from genai_grpc.caching import CachedContent  # as above

    with connect() as client:
        for name in names:
            CachedContent.get(name, client=client).delete()
            click.echo(f"Deleted {name}.", err=True)


def _print(cached: CachedContent, as_json: bool) -> None:
    if as_json:
        print_json(to_json(cached.to_proto()))
        return
    print_record(
        {
            "name": cached.name,
            "display_name": cached.display_name,
            "model": cached.model,
            "tokens": cached.usage_metadata.total_token_count,
            "created": cached.create_time,
            "expires": cached.expire_time,
        }
    )
