from __future__ import annotations

import datetime
from types import SimpleNamespace
from typing import Any

import pytest

from genai_grpc import protos
from genai_grpc._rpc.call import Call
from genai_grpc._services.dialects import GEMINI_API
from genai_grpc.caching import CachedContent
from genai_grpc_protos.protobuf import Duration, Timestamp

PROTO = protos.CachedContent(
    name="cachedContents/abc",
    model="models/gemini-pro",
    create_time=Timestamp(seconds=1),
    expire_time=Timestamp(seconds=61, nanos=500_000_000),
)


class RecordingClient:
    """A client that records its calls, and returns the same cached content for each."""

    def __init__(self) -> None:
        self.calls: list[Call[Any, Any, Any]] = []
        self._transports = SimpleNamespace(sync=self)
        self._dialect = GEMINI_API

    def call(self, call: Call[Any, Any, Any]) -> protos.CachedContent:
        self.calls.append(call)
        return PROTO


def test_changes_not_idempotent() -> None:
    """Calls that create, update or delete are not idempotent; request options apply to each."""
    client: Any = RecordingClient()
    options = {"timeout": 3}
    cache = CachedContent.create("gemini-pro", contents="A tale.", client=client, request_options=options)
    cache.update(ttl=1, request_options=options)
    cache.delete(request_options=options)
    assert [(call.method.idempotent, call.options.timeout) for call in client.calls] == [(False, 3.0)] * 3


def test_reads_idempotent() -> None:
    """Calls that read are idempotent."""
    client: Any = RecordingClient()
    CachedContent.get("abc", client=client)
    CachedContent("abc", client=client)
    assert [call.method.idempotent for call in client.calls] == [True, True]
    assert client.calls[0].request == protos.GetCachedContentRequest(name="cachedContents/abc")


@pytest.mark.parametrize(
    ("expiry", "field", "value"),
    [
        ({"ttl": 0}, "ttl", Duration()),
        ({"expire_time": 9}, "expire_time", Timestamp(seconds=9)),
    ],
)
def test_update_mask(expiry: dict[str, Any], field: str, value: Any) -> None:
    """The update mask of an update has the one field that it sets."""
    client: Any = RecordingClient()
    CachedContent.from_proto(PROTO, client=client).update(**expiry)
    request = client.calls[0].request
    assert list(request.update_mask.paths) == [field]
    assert getattr(request.cached_content, field) == value
    assert request.cached_content.name == "cachedContents/abc"


def test_times() -> None:
    """Times are datetimes in UTC."""
    cache = CachedContent.from_proto(PROTO)
    assert cache.create_time == datetime.datetime(1970, 1, 1, 0, 0, 1, tzinfo=datetime.timezone.utc)
    assert cache.expire_time - cache.create_time == datetime.timedelta(seconds=60.5)


def test_proto_round_trip() -> None:
    """A cached content is made from a message without a call, and converted back to it."""
    assert CachedContent.from_proto(PROTO).to_proto() == PROTO
    with pytest.raises(TypeError, match="cannot make a CachedContent from str"):
        CachedContent.from_proto("abc")  # type: ignore[arg-type]  # the mistake under test
