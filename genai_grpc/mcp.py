"""Tools of MCP servers (https://modelcontextprotocol.io), for the async methods of models and chats.

Needs the extra `mcp`: the program connects with the package `mcp`, whose sessions are passed to `tools`.

>>> import asyncio
>>> import genai_grpc as genai
>>> asyncio.run(genai.mcp.tools())  # of no session
[]
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any

from genai_grpc._coerce.tools import CallableFunctionDeclaration, FunctionDeclaration

if TYPE_CHECKING:
    from mcp import ClientSession

__all__ = ["tools"]


async def tools(*sessions: ClientSession, prefix: str = "") -> list[CallableFunctionDeclaration]:
    """The tools of MCP servers, as tools of an async model or chat, which calls them.

    They are declared by their JSON Schemas, and listed once; after a notification that a list has changed, call this
    again. The result of a call is its structured content if it has any, else its text; images, audio and resources go
    as they are in MCP's JSON. A result that the server marks as an error goes to the model as `{"error": ...}`.

    Args:
        sessions: Sessions of the package `mcp`, which are initialized and stay open while the tools are used.
        prefix: Put before every name, such as "files_", so that names of several servers differ.

    Raises:
        ValueError: Two tools have the same name; give one of the servers a prefix.
        mcp.MCPError: A server refused the list.

    >>> async def answer(session):
    ...     import genai_grpc as genai
    ...     chat = genai.GenerativeModel(tools=await genai.mcp.tools(session)).start_chat(
    ...         enable_automatic_function_calling=True
    ...     )
    ...     return (await chat.send_message_async("What is 2 + 3?")).text
    """
    found: dict[str, CallableFunctionDeclaration] = {}
    for session in sessions:
        for tool in await _list(session):
            name = f"{prefix}{tool.name}"
            if name in found:
                raise ValueError(f"two MCP servers have a tool {name!r}; list one of them with tools(..., prefix=...)")
            found[name] = _declare(session, tool, name)
    return list(found.values())


async def _list(session: ClientSession) -> list[Any]:
    """The tools of one server, page by page."""
    from mcp.types import PaginatedRequestParams  # loaded with the session

    listed: list[Any] = []
    cursor: str | None = None
    while True:
        params = None if cursor is None else PaginatedRequestParams(cursor=cursor)
        page = await session.list_tools(params=params)
        listed += page.tools
        cursor = page.next_cursor
        if cursor is None:
            return listed


def _declare(session: ClientSession, tool: Any, name: str) -> CallableFunctionDeclaration:
    declared = FunctionDeclaration(
        name=name, description=tool.description or tool.title or "", parameters_json_schema=tool.input_schema
    )
    return CallableFunctionDeclaration.of(_caller(session, tool.name), declared.to_proto())


def _caller(session: ClientSession, name: str) -> Callable[..., Coroutine[Any, Any, Any]]:
    async def call(**arguments: Any) -> Any:
        return _to_result(await session.call_tool(name, arguments))

    call.__name__ = call.__qualname__ = name
    return call


def _to_result(result: Any) -> Any:
    """The result of a call as JSON."""
    texts = [item.text for item in result.content if item.type == "text"]
    if result.is_error:
        return {"error": "\n".join(texts) or "the tool failed"}
    if result.structured_content is not None:
        return result.structured_content
    if len(texts) == len(result.content):
        return "\n".join(texts)
    dump = partial(_dump, exclude_none=True, by_alias=True)
    return [item.text if item.type == "text" else dump(item) for item in result.content]


def _dump(item: Any, **options: Any) -> Any:
    return item.model_dump(mode="json", **options)
