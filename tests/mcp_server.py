"""An MCP server on stdio, with tools of several kinds."""

from __future__ import annotations

import asyncio
from typing import TypedDict

from mcp.server import MCPServer
from mcp.server.mcpserver import Image

server = MCPServer("tales")


class Sum(TypedDict):
    """A structured result."""

    total: int


@server.tool()
def add(a: int, b: int) -> Sum:
    """Add two numbers."""
    return {"total": a + b}


@server.tool(structured_output=False)
def greet(name: str, polite: bool = False) -> str:
    """Greet a person by name."""
    return f"{'Good day' if polite else 'Hello'}, {name}"


@server.tool()
def fail() -> str:
    """Always fail."""
    raise ValueError("the shop is closed")


@server.tool(structured_output=False)
def draw() -> list[Image | str]:
    """Draw a picture."""
    return ["a dot", Image(data=b"\x89PNG", format="png")]


@server.tool()
async def wait() -> str:
    """Wait for a long time."""
    await asyncio.sleep(600)
    return "done"


if __name__ == "__main__":
    server.run("stdio")
