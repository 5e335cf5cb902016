"""Scripted replies, as a client receives them."""

from __future__ import annotations

import pytest

import genai_grpc as genai
from genai_grpc import errors, testing
from genai_grpc.local import ScriptEngine
from genai_grpc_protos.rpc import BadRequest, ErrorInfo, QuotaFailure, RetryInfo
from tests.conftest import Api

STATUSES = [cls.status for cls in errors.APIError.__subclasses__()]


def test_function_call(api: Api, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """A scripted function call arrives with its arguments and usage."""
    script.reply(
        testing.response("Wait.", testing.function_call("set_light", brightness=80, room="hall"), usage=(12, 5))
    )
    response = api.generate(model, "Hi")
    call = response.parts[1].function_call
    assert (call.name, dict(call.args.items())) == ("set_light", {"brightness": 80, "room": "hall"})
    assert response.usage_metadata.total_token_count == 17


def test_finish_reason(api: Api, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """The finish reason of the last chunk is the response's; earlier chunks need none."""
    script.reply(testing.response("One", finish_reason=""), testing.response(" two", finish_reason="MAX_TOKENS"))
    response = api.generate(model, "Hi")
    assert response.text == "One two"
    assert response.candidates[0].finish_reason == genai.protos.Candidate.MAX_TOKENS


def test_blocked_prompt(api: Api, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """A scripted `blocked_response` raises BlockedPromptException in a chat."""
    script.reply(testing.blocked_response("PROHIBITED_CONTENT"))
    with pytest.raises(errors.BlockedPromptException, match="PROHIBITED_CONTENT"):
        api.send(model.start_chat(), "Hi")


@pytest.mark.parametrize("status", STATUSES)
def test_every_status(status: str, api: Api, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """Every status other than OK can be scripted by its name, with all its details."""
    bad_request = BadRequest(field_violations=[BadRequest.FieldViolation(field="contents", description="empty")])
    script.reply(
        testing.api_error(
            status, "scripted", retry_after=0.25, quota="PerMinute", reason="RATE_LIMIT_EXCEEDED", details=[bad_request]
        )
    )
    with pytest.raises(errors.APIError, match="scripted") as caught:
        api.generate(model, "Hi", request_options={"retry": None})
    assert caught.value.status == status
    info, quota, retry, other = caught.value.details
    assert isinstance(info, ErrorInfo)
    assert info.reason == "RATE_LIMIT_EXCEEDED"
    assert isinstance(quota, QuotaFailure)
    assert quota.violations[0].quota_id == "PerMinute"
    assert isinstance(retry, RetryInfo)
    assert (retry.retry_delay.seconds, retry.retry_delay.nanos) == (0, 250_000_000)
    assert other == bad_request


def test_unknown_status() -> None:
    """An unknown status name is a ValueError that lists the valid ones."""
    with pytest.raises(ValueError, match="no error status is named 'OK'; pass one of CANCELLED"):
        testing.api_error("OK")


def test_large_reply(api: Api, model: genai.GenerativeModel, script: ScriptEngine) -> None:
    """A reply of 64 MiB arrives complete."""
    script.reply("x" * (64 << 20))
    assert len(api.generate(model, "Hi").text) == 64 << 20
