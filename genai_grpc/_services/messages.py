"""The message classes of each API, by name; each is imported at its first use."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from genai_grpc_protos._by_name import MODULES, TITLES
from genai_grpc_protos._convert import as_message

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from genai_grpc import protos

__all__ = ["GEMINI", "VERTEX", "Protos", "protos_of", "read_type", "with_type"]


class Protos:
    """The messages and enums of one API, as attributes.

    For type checkers they are those of the Gemini API: what code that serves both may use has the same names in both.

    Args:
        package: The proto package.

    Attributes:
        title: The name of the API, for messages to people.
        package: The proto package.

    >>> GEMINI.Part(text="Hi").text, GEMINI.title
    ('Hi', 'the Gemini API')
    """

    if TYPE_CHECKING:
        BatchEmbedContentsRequest: type[protos.BatchEmbedContentsRequest]  # of the Gemini API only
        Blob: type[protos.Blob]
        CachedContent: type[protos.CachedContent]
        Content: type[protos.Content]
        CountTokensRequest: type[protos.CountTokensRequest]
        CreateCachedContentRequest: Callable[..., protos.CreateCachedContentRequest]
        DeleteCachedContentRequest: type[protos.DeleteCachedContentRequest]
        EmbedContentRequest: type[protos.EmbedContentRequest]
        File: type[protos.File]  # of the Gemini API only
        FileData: type[protos.FileData]
        FunctionDeclaration: type[protos.FunctionDeclaration]
        FunctionResponse: type[protos.FunctionResponse]
        GenerateContentRequest: type[protos.GenerateContentRequest]
        GenerateContentResponse: type[protos.GenerateContentResponse]
        GenerationConfig: type[protos.GenerationConfig]
        GetCachedContentRequest: type[protos.GetCachedContentRequest]
        HarmCategory: Any
        Part: type[protos.Part]
        SafetySetting: type[protos.SafetySetting]
        Tool: type[protos.Tool]
        ToolConfig: type[protos.ToolConfig]
        UpdateCachedContentRequest: type[protos.UpdateCachedContentRequest]

    def __init__(self, package: str) -> None:
        self.package = package
        self.title = TITLES[package]

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            if name.startswith("_"):
                raise AttributeError(name)
            found = vars(self)[name] = getattr(import_module(MODULES[self.package]), name)
            return found

    def __reduce__(self) -> str:
        return "GEMINI" if self is GEMINI else "VERTEX"

    def __repr__(self) -> str:
        return f"<messages of {self.package}>"


GEMINI: Final = Protos("google.ai.generativelanguage.v1beta")
VERTEX: Final = Protos("google.cloud.aiplatform.v1")
_BY_PACKAGE: Final = {each.package: each for each in (GEMINI, VERTEX)}


def protos_of(value: Any) -> Protos:
    """The API that a message is of, whichever package defines its class; the Gemini API for any other value."""
    message = as_message(value)
    return GEMINI if message is None else _BY_PACKAGE.get(message.DESCRIPTOR.file.package, GEMINI)


def with_type(message: Message, fields: dict[str, Any]) -> dict[str, Any]:
    """The JSON of a message with the name of its type, if it is not of the Gemini API."""
    descriptor = message.DESCRIPTOR
    return fields if descriptor.file.package == GEMINI.package else {"@type": descriptor.full_name, **fields}


def read_type(fields: Any) -> tuple[Protos, Any]:
    """The API of JSON that `with_type` returned, and the JSON without the type."""
    if not isinstance(fields, dict) or not isinstance(name := fields.get("@type"), str):
        return GEMINI, fields
    rest = {key: value for key, value in fields.items() if key != "@type"}
    return _BY_PACKAGE.get(name.rpartition(".")[0], GEMINI), rest
