"""docs/choosing.md agrees with the descriptors."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from genai_grpc._services.http_rules import bindings_of
from genai_grpc_protos import aiplatform_v1
from tests.services.test_generative_language import METHODS

PAGE: Final = Path(__file__).parents[2] / "docs" / "choosing.md"
# Their contents go over HTTP whatever the transport: they have no place in a message.
CONTENTS: Final = ("FileService.CreateFile", "FileService.DownloadFile")


def vertex_methods() -> dict[str, str]:
    """The methods of Vertex AI's services that we have, by name: of which service."""
    files = {getattr(aiplatform_v1, name).DESCRIPTOR.file for name in aiplatform_v1.__all__}
    services: list[Any] = [service for file in files for service in file.services_by_name.values()]
    return {method.name: service.name for service in services for method in service.methods}


def table() -> str:
    """The table of the page."""
    rows = ["| RPC | gRPC | HTTP/JSON | Vertex AI |", "|---|---|---|---|"]
    vertex = vertex_methods()
    for name, method in METHODS.items():
        paths = [binding.template.text for binding in bindings_of(method)] if name not in CONTENTS else []
        http = "its content" if name in CONTENTS else f"`{paths[0]}`" if paths else "no"
        service = vertex.pop(name.partition(".")[2], None)
        grpc = "metadata" if name in CONTENTS else "yes"
        rows.append(f"| `{name}` | {grpc} | {http} | {f'`{service}`' if service else 'no'} |")
    rows += [f"| `{name}` | no | no | `{service}` |" for name, service in sorted(vertex.items())]
    return "\n".join(rows) + "\n"


def test_table() -> None:
    """The page has the table that the descriptors give."""
    expected = table()
    assert expected in PAGE.read_text(), f"put this table into {PAGE.name}:\n{expected}"
