"""Live sessions: a conversation over one open call, in which both sides send at any time (`BidiGenerateContent`).

>>> import asyncio
>>> import genai_grpc as genai
>>> async def main():
...     async with genai.Client() as client, client.live.connect("gemini-pro") as session:
...         await session.send_client_content("Hi.")
...         async for message in session.receive():
...             print(message.text, end="")
>>> asyncio.run(main())
Hello.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any

from genai_grpc import protos
from genai_grpc._coerce.settings import to_options
from genai_grpc._lazy import attach
from genai_grpc._live_messages import LiveMessage, to_setup
from genai_grpc._rpc.call import Call, SerializedRequest, identity
from genai_grpc._services.generative_language import BIDI_GENERATE_CONTENT
from genai_grpc.client import Client, async_transport, default_client
from genai_grpc.types import AutomaticFunctionCalling

if TYPE_CHECKING:
    from genai_grpc._live_session import LiveSession
    from genai_grpc.types import AnyModelNameOptions, LiveConfigType, RequestOptionsType

__all__ = ["Live", "LiveMessage", "LiveSession", "connect"]

__getattr__, __dir__ = attach(__name__, {"LiveSession": "genai_grpc._live_session"})


class Live:
    """The live sessions of a client.

    Args:
        client: The client.

    >>> import genai_grpc as genai
    >>> session = genai.Client().live.connect("gemini-pro")  # opened by `async with`
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    def connect(
        self,
        model: AnyModelNameOptions,
        config: LiveConfigType | None = None,
        *,
        enable_automatic_function_calling: bool | AutomaticFunctionCalling = False,
        request_options: RequestOptionsType | None = None,
    ) -> AbstractAsyncContextManager[LiveSession]:
        """Open a session, as `genai_grpc.live.connect` does."""
        return connect(
            model,
            config,
            enable_automatic_function_calling=enable_automatic_function_calling,
            request_options=request_options,
            client=self._client,
        )


@asynccontextmanager
async def connect(
    model: AnyModelNameOptions,
    config: LiveConfigType | None = None,
    *,
    enable_automatic_function_calling: bool | AutomaticFunctionCalling = False,
    request_options: RequestOptionsType | None = None,
    client: Client | None = None,
) -> AsyncIterator[LiveSession]:
    """Open a live session, which ends with the block.

    The session is a call in flight of the client, and has no deadline once it is open.

    Args:
        model: The model's name.
        config: Settings of the session, as `types.LiveConfigDict` lists them.
        enable_automatic_function_calling: Whether the functions among the tools answer function calls, while messages
            are received; or the settings for it. Coroutine functions are awaited.
        request_options: Metadata of the call; timeout in seconds for opening it, 60 by default, and its retry policy.
        client: The client; the default client if None.

    Raises:
        APIError: The service refused the session.
        TypeError: A setting is unknown, or of the wrong type.
        ValueError: A setting has the wrong value.

    >>> import asyncio
    >>> import genai_grpc as genai
    >>> async def main():
    ...     async with genai.live.connect("gemini-pro", {"system_instruction": "Be brief."}) as session:
    ...         await session.send_client_content("Hi.")
    ...         return [message.text async for message in session.receive() if message.text]
    >>> asyncio.run(main())
    ['Hello.']
    """
    setup, functions = to_setup(model, config)
    automatic: AutomaticFunctionCalling | None = None
    if enable_automatic_function_calling and functions is not None:
        functions.check_results()
        settings = enable_automatic_function_calling
        automatic = settings if isinstance(settings, AutomaticFunctionCalling) else AutomaticFunctionCalling()
    request = protos.BidiGenerateContentClientMessage(setup=setup)
    serialized = SerializedRequest(type(request), setup.model, request.SerializeToString())
    call: Call[Any, Any, Any] = Call(BIDI_GENERATE_CONTENT, serialized, identity, to_options(request_options))
    transport = async_transport(default_client() if client is None else client)
    from genai_grpc._live_session import LiveSession  # with asyncio, which takes 30 ms

    stream, _ = await transport.call(call)
    session = LiveSession(stream, transport, functions, automatic)
    try:
        yield session
    finally:
        await session.aclose()
