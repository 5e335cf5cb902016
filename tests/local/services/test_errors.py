from __future__ import annotations

import logging
from typing import Any

import pytest

from genai_grpc import protos
from genai_grpc.errors import ResourceExhausted
from genai_grpc.local.engines.script import ScriptEngine
from genai_grpc_protos.protobuf import Duration
from genai_grpc_protos.rpc import RetryInfo
from tests.local.services.wire import SCRIPT, error_of, serving, text, to_request


class Broken(ScriptEngine):
    """A scripted engine whose count of tokens has a defect."""

    async def count_tokens(self, request: protos.GenerateContentRequest) -> Any:
        """Fail."""
        raise ZeroDivisionError("by accident")


@pytest.mark.usefixtures("no_api_core")
def test_api_error_keeps_status_and_details() -> None:
    """An APIError of an engine arrives with its code, message and details, after the chunks before it."""
    error = ResourceExhausted("slow down", details=[RetryInfo(retry_delay=Duration(seconds=7))])
    with serving(ScriptEngine().reply("Hello", error)) as stubs:
        stream = stubs.generative.StreamGenerateContent(to_request())
        assert text(next(stream)) == "Hello"
        received = error_of(lambda: next(stream))

    assert (type(received), received.message, received.details) == (ResourceExhausted, "slow down", error.details)


@pytest.mark.parametrize("method", ["generate", "count_tokens"])
def test_engine_defect_is_internal_and_logged(method: str, caplog: pytest.LogCaptureFixture) -> None:
    """Any other exception is INTERNAL, naming the engine, with its traceback in the log."""
    script = Broken()
    count_request = protos.CountTokensRequest(model=SCRIPT, contents=to_request().contents)
    with serving(script) as stubs, caplog.at_level(logging.ERROR, "genai_grpc.local"):
        if method == "generate":
            script.reply("Hello", ZeroDivisionError("by accident"))
            error = error_of(lambda: stubs.generative.GenerateContent(to_request()))
        else:
            error = error_of(lambda: stubs.generative.CountTokens(count_request))

    assert error.status == "INTERNAL"
    assert "Broken (models/script) failed with ZeroDivisionError: by accident" in error.message
    assert [getattr(info, "reason", None) for info in error.details] == ["ENGINE_FAILED"]
    (record,) = caplog.records
    assert record.exc_info
    assert record.exc_info[0] is ZeroDivisionError
