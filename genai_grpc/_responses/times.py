"""Timestamps as datetimes."""

from __future__ import annotations

import datetime
from typing import Any

__all__ = ["to_datetime"]


def to_datetime(timestamp: Any) -> datetime.datetime:
    """The time of a google.protobuf.Timestamp, in UTC; the nearest one that a datetime has, if that is out of range."""
    try:
        found: datetime.datetime = timestamp.ToDatetime(tzinfo=datetime.timezone.utc)
    except (ValueError, OverflowError):  # nanos out of range, or a year before 1 or after 9999
        limit = datetime.datetime.max if timestamp.seconds > 0 else datetime.datetime.min
        return limit.replace(tzinfo=datetime.timezone.utc)
    return found
