"""`genai-grpc files`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from genai_grpc.cli._client import call_options, connect
from genai_grpc.cli._output import json_option, print_json, print_record, print_table

__all__ = ["files"]


@click.group(short_help="Upload, list, show, download and delete files.")
def files() -> None:
    """Upload, list, show, download and delete files. The service stores a file for 48 hours.

    Example: genai-grpc files upload report.pdf
    """


@files.command()
@click.argument("path", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--mime-type", metavar="TYPE", help="Media type; by default guessed from the file.")
@click.option("--name", metavar="NAME", help="Resource name: lower-case letters, digits and dashes.")
@click.option("--display-name", metavar="TEXT", help="Name for people; by default the file's.")
@click.option("--wait", is_flag=True, help="Wait until prompts may refer to it.")
@json_option
@call_options
def upload(
    path: Path, mime_type: str | None, name: str | None, display_name: str | None, wait: bool, as_json: bool
) -> None:
    """Upload the file PATH, and print its resource name.

    Example: genai-grpc files upload report.pdf --name report --wait
    """
    from genai_grpc.files import upload_file, wait_until_active  # with protobuf, which `--help` does without

    with connect() as client:
        file = upload_file(
            path,
            mime_type=mime_type,
            name=name,
            display_name=display_name,
            progress=sys.stderr.isatty(),
            client=client,
        )
        if wait:
            file = wait_until_active(file, client=client)
    if as_json:
        print_json(file.to_dict())
    else:
        click.echo(file.name)


@files.command("list")
@json_option
@call_options
def list_(as_json: bool) -> None:
    """List the uploaded files.

    Example: genai-grpc files list
    """
    from genai_grpc.files import list_files  # as above
    from genai_grpc.protos import File

    with connect() as client:
        found = list(list_files(client=client))
    if as_json:
        print_json([file.to_dict() for file in found])
        return
    rows = (
        (file.name, file.mime_type, file.size_bytes, File.State.Name(file.state), file.display_name) for file in found
    )
    print_table(("NAME", "TYPE", "BYTES", "STATE", "DISPLAY NAME"), rows)


@files.command()
@click.argument("name")
@json_option
@call_options
def get(name: str, as_json: bool) -> None:
    """Show the record of the file NAME.

    Example: genai-grpc files get files/report
    """
    from genai_grpc.files import get_file  # as above

    with connect() as client:
        fields = get_file(name, client=client).to_dict()
    (print_json if as_json else print_record)(fields)


@files.command()
@click.argument("name")
@click.argument("path", type=click.Path(dir_okay=False, path_type=Path))
@call_options
def download(name: str, path: Path) -> None:
    """Download the content of the file NAME to PATH. Google has it for files that models have generated only.

    Example: genai-grpc files download files/clip clip.mp4
    """
    from genai_grpc.files import download_file  # as above

    with connect() as client:
        download_file(name, path, progress=sys.stderr.isatty(), client=client)


@files.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@call_options
def delete(names: tuple[str, ...]) -> None:
    """Delete the files NAME.

    Example: genai-grpc files delete files/report
    """
    from genai_grpc.files import delete_file  # as above

    with connect() as client:
        for name in names:
            delete_file(name, client=client)
            click.echo(f"Deleted {name}.", err=True)
