"""What a program may pass as the expiry of a cached content."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import TypeAlias

from genai_grpc.types._runtime import TypedDict
from genai_grpc_protos.protobuf import Duration, Timestamp

__all__ = ["TTL", "ExpireTime", "ExpireTimeType", "TTLType"]


class TTL(TypedDict):
    """A Duration as a dict."""

    seconds: int
    nanos: int


class ExpireTime(TypedDict):
    """A Timestamp as a dict: the time since 1970 UTC."""

    seconds: int
    nanos: int


TTLType: TypeAlias = int | float | datetime.timedelta | Duration | Mapping[str, int]
ExpireTimeType: TypeAlias = int | datetime.datetime | Timestamp | Mapping[str, int]
