from __future__ import annotations

import datetime
import time
from collections.abc import Iterator
from typing import Any

import pytest

from genai_grpc import protos
from genai_grpc._coerce.cached_content import to_cached_content, to_cached_content_name, to_expiration
from genai_grpc_protos.protobuf import Timestamp

NEW_YEAR = datetime.datetime(2030, 1, 1, tzinfo=datetime.timezone.utc)
SECONDS = 1893456000


@pytest.fixture
def new_york(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Set the local time zone to New York's."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "America/New_York")
        time.tzset()
        yield
    time.tzset()


def test_local_time(new_york: None) -> None:
    """A datetime without a time zone is local time."""
    naive = NEW_YEAR.replace(tzinfo=None)
    assert to_expiration(expire_time=naive) == {"expire_time": Timestamp(seconds=SECONDS + 5 * 3600)}


def test_model_and_longest_display_name() -> None:
    """A bare model name is prefixed with models/, and a display name may have 128 characters."""
    cached_content = to_cached_content("gemini-pro", display_name=128 * "x")
    assert cached_content == protos.CachedContent(model="models/gemini-pro", display_name=128 * "x")


@pytest.mark.parametrize("name", ["abc", "cachedContents/abc"])
def test_names(name: str) -> None:
    """A bare name is prefixed with cachedContents/."""
    assert to_cached_content_name(name) == "cachedContents/abc"


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        (" ", ValueError, r"^the name is empty; CachedContent.list\(\) lists the existing cached contents$"),
        (3, TypeError, "^a cached content's name is a str such as 'cachedContents/abc'; got int$"),
    ],
)
def test_invalid_names(name: Any, error: type[Exception], message: str) -> None:
    """An invalid name raises an error."""
    with pytest.raises(error, match=message):
        to_cached_content_name(name)
