from __future__ import annotations

import datetime
import time
from collections.abc import Iterator
from typing import Any

import pytest
from google.protobuf import duration_pb2, timestamp_pb2

from genai_grpc import protos
from genai_grpc._coerce.caching import to_cached_content, to_cached_content_name, to_expiration
from genai_grpc_protos.protobuf import Duration, Timestamp

HALF = datetime.timedelta(milliseconds=500)
NEW_YEAR = datetime.datetime(2030, 1, 1, tzinfo=datetime.timezone.utc)
SECONDS = 1893456000


@pytest.fixture
def new_york(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine whose clock shows New York's time."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "America/New_York")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.parametrize(
    ("ttl", "expected"),
    [
        pytest.param(90, Duration(seconds=90), id="int"),
        pytest.param(0, Duration(), id="zero"),
        pytest.param(1.5, Duration(seconds=1, nanos=500_000_000), id="float"),
        pytest.param(90 * HALF, Duration(seconds=45), id="timedelta"),
        pytest.param(3 * HALF, Duration(seconds=1, nanos=500_000_000), id="part of a second"),
        pytest.param({"seconds": 5}, Duration(seconds=5), id="dict"),
        pytest.param({"seconds": 5, "nanos": 7}, Duration(seconds=5, nanos=7), id="dict with nanos"),
        pytest.param(Duration(seconds=5), Duration(seconds=5), id="Duration"),
        pytest.param(duration_pb2.Duration(seconds=5), Duration(seconds=5), id="foreign Duration"),
    ],
)
def test_ttl(ttl: Any, expected: Duration) -> None:
    """A ttl is given in each of the usual ways; zero is one."""
    assert to_expiration(ttl=ttl) == {"ttl": expected}


@pytest.mark.parametrize(
    ("expire_time", "expected"),
    [
        pytest.param(SECONDS, Timestamp(seconds=SECONDS), id="int"),
        pytest.param(0, Timestamp(), id="zero"),
        pytest.param(NEW_YEAR, Timestamp(seconds=SECONDS), id="datetime"),
        pytest.param(NEW_YEAR + HALF, Timestamp(seconds=SECONDS, nanos=500_000_000), id="part of a second"),
        pytest.param(
            NEW_YEAR.astimezone(datetime.timezone(datetime.timedelta(hours=9))), Timestamp(seconds=SECONDS), id="zone"
        ),
        pytest.param({"seconds": SECONDS}, Timestamp(seconds=SECONDS), id="dict"),
        pytest.param(Timestamp(seconds=5), Timestamp(seconds=5), id="Timestamp"),
        pytest.param(timestamp_pb2.Timestamp(seconds=5), Timestamp(seconds=5), id="foreign Timestamp"),
    ],
)
def test_expire_time(expire_time: Any, expected: Timestamp) -> None:
    """A moment is given in each of the usual ways."""
    assert to_expiration(expire_time=expire_time) == {"expire_time": expected}


def test_local_time(new_york: None) -> None:
    """A datetime without a zone is of the local clock."""
    naive = NEW_YEAR.replace(tzinfo=None)
    assert to_expiration(expire_time=naive) == {"expire_time": Timestamp(seconds=SECONDS + 5 * 3600)}


def test_no_expiration() -> None:
    """Neither ttl nor expire_time sets neither field."""
    assert to_expiration() == {}


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        pytest.param({"ttl": 1, "expire_time": 1}, ValueError, "give one of them", id="both"),
        pytest.param({"ttl": 0, "expire_time": 0}, ValueError, "give one of them", id="both zero"),
        pytest.param({"ttl": "1h"}, TypeError, "ttl is a number of seconds, a timedelta.*got str", id="ttl"),
        pytest.param({"ttl": True}, TypeError, "ttl is a number.*got bool", id="ttl of bool"),
        pytest.param({"ttl": Timestamp()}, TypeError, "ttl is a number.*got Timestamp", id="ttl of Timestamp"),
        pytest.param({"ttl": {"minutes": 1}}, ValueError, "no field 'minutes'", id="ttl's key"),
        pytest.param({"expire_time": 1.5}, TypeError, "expire_time is a datetime, whole.*got float", id="expire_time"),
        pytest.param({"expire_time": True}, TypeError, "expire_time is a datetime.*got bool", id="bool"),
        pytest.param({"expire_time": HALF}, TypeError, "expire_time is a datetime.*got timedelta", id="timedelta"),
    ],
)
def test_wrong_expirations(arguments: dict[str, Any], error: type[Exception], words: str) -> None:
    """What is no expiration is refused with what one looks like."""
    with pytest.raises(error, match=words):
        to_expiration(**arguments)


@pytest.mark.parametrize("name", ["abc", "cachedContents/abc"])
def test_names(name: str) -> None:
    """A bare name is put under cachedContents/."""
    assert to_cached_content_name(name) == "cachedContents/abc"


@pytest.mark.parametrize(
    ("name", "error", "words"),
    [
        (" ", ValueError, "CachedContent.list.. lists"),
        (None, TypeError, "named by a str such as 'cachedContents/abc'; got NoneType"),
    ],
)
def test_wrong_names(name: Any, error: type[Exception], words: str) -> None:
    """What is no name is refused."""
    with pytest.raises(error, match=words):
        to_cached_content_name(name)


def test_everything() -> None:
    """Each part is taken in the forms that a model takes, and a last turn without a role is the user's."""
    made = to_cached_content(
        "gemini-pro",
        display_name="x" * 128,
        system_instruction="Be kind.",
        contents=["A tale", "of two parts"],
        tools=[{"function_declarations": [{"name": "add"}]}],
        tool_config={"function_calling_config": "any"},
        ttl=5,
    )
    assert made == protos.CachedContent(
        model="models/gemini-pro",
        display_name="x" * 128,
        system_instruction=protos.Content(parts=[protos.Part(text="Be kind.")]),
        contents=[protos.Content(role="user", parts=[protos.Part(text="A tale"), protos.Part(text="of two parts")])],
        tools=[protos.Tool(function_declarations=[protos.FunctionDeclaration(name="add")])],
        tool_config=protos.ToolConfig(
            function_calling_config=protos.FunctionCallingConfig(mode=protos.FunctionCallingConfig.ANY)
        ),
        ttl=Duration(seconds=5),
    )


def test_nothing() -> None:
    """What is not given is not sent, and an empty list is no contents."""
    assert to_cached_content("m", contents=[]) == protos.CachedContent(model="models/m")


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"display_name": "x" * 129}, ValueError, "128 characters at most; this one has 129"),
        ({"system_instruction": ""}, TypeError, "a turn must not be empty"),
        ({"contents": 3}, TypeError, "cannot make a Part from int"),
        ({"tools": 3}, TypeError, "cannot make a tool from int"),
        ({"ttl": 1, "expire_time": 1}, ValueError, "give one of them"),
    ],
)
def test_wrong_arguments(arguments: dict[str, Any], error: type[Exception], words: str) -> None:
    """What cannot be cached is refused with what can."""
    with pytest.raises(error, match=words):
        to_cached_content("gemini-pro", **arguments)
