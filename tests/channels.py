"""The gRPC channels of a client."""

from __future__ import annotations

from typing import Any

import genai_grpc as genai


def channels_of(client: genai.Client) -> Any:
    """The pool of channels of the running event loop."""
    channels: Any = client._connect().channels
    return channels.aio()
