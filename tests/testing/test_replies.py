"""The replies that a script is given, as a program hears them."""

from __future__ import annotations

from typing import Any

import pytest

import genai_grpc as genai
from genai_grpc import errors, testing
from genai_grpc.local import ScriptEngine
from genai_grpc_protos.rpc import BadRequest, ErrorInfo, QuotaFailure, RetryInfo

STATUSES = [cls.status for cls in errors.APIError.__subclasses__()]


def test_a_function_call(colour: Any, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """A scripted call is one the program reads, with its usage."""
    script.reply(
        testing.response("Wait.", testing.function_call("set_light", brightness=80, colour="red"), usage=(12, 5))
    )
    heard = colour.generate(model, "Hi")
    call = heard.parts[1].function_call
    assert (call.name, dict(call.args.items())) == ("set_light", {"brightness": 80, "colour": "red"})
    assert heard.usage_metadata.total_token_count == 17


def test_a_finish(colour: Any, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """A scripted finish is the program's, and chunks without one may come before it."""
    script.reply(testing.response("One", finish_reason=""), testing.response(" two", finish_reason="MAX_TOKENS"))
    heard = colour.generate(model, "Hi")
    assert heard.text == "One two"
    assert heard.candidates[0].finish_reason == genai.protos.Candidate.MAX_TOKENS


def test_a_blocked_prompt(colour: Any, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """A scripted block is a blocked prompt to a chat."""
    script.reply(testing.blocked_response("PROHIBITED_CONTENT"))
    with pytest.raises(errors.BlockedPromptException, match="PROHIBITED_CONTENT"):
        colour.send(model.start_chat(), "Hi")


@pytest.mark.parametrize("status", STATUSES)
def test_every_status(status: str, colour: Any, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """Each status but OK can be scripted, by its name, with every detail."""
    bad = BadRequest(field_violations=[BadRequest.FieldViolation(field="contents", description="empty")])
    script.reply(
        testing.api_error(
            status, "so", retry_after=0.25, quota="PerMinute", reason="RATE_LIMIT_EXCEEDED", details=[bad]
        )
    )
    with pytest.raises(errors.APIError, match="so") as caught:
        colour.generate(model, "Hi", request_options={"retry": None})
    assert caught.value.status == status
    info, quota, retry, other = caught.value.details
    assert isinstance(info, ErrorInfo)
    assert info.reason == "RATE_LIMIT_EXCEEDED"
    assert isinstance(quota, QuotaFailure)
    assert quota.violations[0].quota_id == "PerMinute"
    assert isinstance(retry, RetryInfo)
    assert (retry.retry_delay.seconds, retry.retry_delay.nanos) == (0, 250_000_000)
    assert other == bad


def test_no_such_status() -> None:
    """A name that is no status is refused, with those that are."""
    with pytest.raises(ValueError, match="no status is called 'OK'; there are CANCELLED"):
        testing.api_error("OK")


def test_a_large_reply(colour: Any, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """A reply of 64 MiB arrives whole."""
    script.reply("x" * (64 << 20))
    assert len(colour.generate(model, "Hi").text) == 64 << 20
