"""A call that fails keeps nothing."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import weakref
from collections.abc import Iterator
from typing import Any

import pytest

import genai_grpc as genai
from genai_grpc import errors
from genai_grpc.local import ScriptEngine
from genai_grpc.types import RetryPolicy


@pytest.fixture
def no_gc() -> Iterator[None]:
    """No garbage is collected in the test, so what refers to itself stays."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


class Option:
    """An option of a call, which lives as long as its request."""

    def __call__(self, number: int) -> None:
        """An attempt starts."""


def fail(client: genai.Client, stream: bool) -> weakref.ref[Option]:
    """Make a call that fails, and return a reference to an option of it."""
    option = Option()
    with contextlib.suppress(errors.APIError):
        genai.GenerativeModel(client=client).generate_content(
            "Hi", stream=stream, request_options={"on_attempt": option}
        )
        pytest.fail("the call has not failed")
    return weakref.ref(option)


async def fail_async(client: genai.Client, stream: bool) -> weakref.ref[Option]:
    """The async twin of `fail`."""
    option = Option()
    with contextlib.suppress(errors.APIError):
        await genai.GenerativeModel(client=client).generate_content_async(
            "Hi", stream=stream, request_options={"on_attempt": option}
        )
        pytest.fail("the call has not failed")
    return weakref.ref(option)


pytestmark = [
    pytest.mark.usefixtures("no_gc"),
    pytest.mark.parametrize("is_async", [False, True]),
    pytest.mark.parametrize("stream", [False, True]),
]


def test_refused_call(client: genai.Client, script: ScriptEngine, is_async: bool, stream: bool) -> None:
    """The request of a call that the service refuses is freed with its error, not by the garbage collector."""
    for _ in range(2):
        script.reply(errors.ServiceUnavailable("no")).reply(errors.InvalidArgument("no"))
        option = asyncio.run(fail_async(client, stream)) if is_async else fail(client, stream)
        assert option() is None


def test_refused_connection(transport: Any, is_async: bool, stream: bool) -> None:
    """So is that of a call without a connection."""
    retry = RetryPolicy(max_attempts=2, initial_backoff=0.001)
    with genai.Client(endpoint="http://127.0.0.1:1", transport=transport, retry=retry) as client:
        option = asyncio.run(fail_async(client, stream)) if is_async else fail(client, stream)
        assert option() is None
