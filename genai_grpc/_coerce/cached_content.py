"""Cached contents: names, expiration and content."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any, Final

from genai_grpc import protos as gemini
from genai_grpc._coerce.content import to_contents, to_system_instruction
from genai_grpc._coerce.resource_names import to_model_name
from genai_grpc._coerce.tool_config import to_tool_config
from genai_grpc._coerce.tools import to_function_library
from genai_grpc._services.dialects import GEMINI_API, Dialect
from genai_grpc_protos._convert import as_message, to_message
from genai_grpc_protos.protobuf import Duration, Timestamp

__all__ = ["to_cached_content", "to_cached_content_name", "to_expiration"]

MAX_DISPLAY_NAME: Final = 128
"""The maximum length of a display name, in characters."""


def to_cached_content_name(name: str, dialect: Dialect = GEMINI_API) -> str:
    """Return a cached content's resource name; a bare name is prefixed with `cachedContents/`, in its place.

    >>> to_cached_content_name("abc"), to_cached_content_name("cachedContents/abc")
    ('cachedContents/abc', 'cachedContents/abc')
    """
    if not isinstance(name, str):
        raise TypeError(f"a cached content's name is a str such as 'cachedContents/abc'; got {type(name).__name__}")
    if not name.strip():
        raise ValueError("the name is empty; CachedContent.list() lists the existing cached contents")
    bare = name.removeprefix("cachedContents/")
    return name if "/" in bare else f"{dialect.cached_contents}{bare}"


def to_expiration(ttl: object = None, expire_time: object = None) -> dict[str, Duration | Timestamp]:
    """Return `ttl` or `expire_time` as a message under its field's name; an empty dict if both are None.

    A ttl is a number of seconds, a timedelta, a Duration or a dict of its fields. An expire_time is a number of whole
    seconds since 1970 UTC, a datetime (local time without a time zone), a Timestamp or a dict of its fields.

    Raises:
        TypeError: The value has another type.
        ValueError: Both are set, or a dict has unknown keys.

    >>> to_expiration(ttl=90)["ttl"].seconds
    90
    """
    match ttl, expire_time:
        case None, None:
            return {}
        case _, None:
            return {"ttl": _to_duration(ttl)}
        case None, _:
            return {"expire_time": _to_timestamp(expire_time)}
    raise ValueError("ttl and expire_time are mutually exclusive; pass one of them")


def to_cached_content(
    model: str,
    *,
    display_name: str | None = None,
    system_instruction: Any = None,
    contents: Any = None,
    tools: Any = None,
    tool_config: Any = None,
    ttl: object = None,
    expire_time: object = None,
    dialect: Dialect = GEMINI_API,
) -> gemini.CachedContent:
    """Build the cached content to create; arguments are coerced as in `GenerativeModel`.

    Raises:
        TypeError: An argument has an unsupported type.
        ValueError: The display name is too long, both ttl and expire_time are set, or a dict has unknown keys.
    """
    if display_name is not None and len(display_name) > MAX_DISPLAY_NAME:
        raise ValueError(f"a display name has {MAX_DISPLAY_NAME} characters at most; this one has {len(display_name)}")
    library, protos = to_function_library(tools), dialect.protos
    expiration: dict[str, Any] = {**to_expiration(ttl, expire_time)}
    return protos.CachedContent(
        model=to_model_name(model, dialect),
        display_name=display_name,
        system_instruction=to_system_instruction(system_instruction, protos),
        # As in google.generativeai, an empty list means no contents.
        contents=to_contents(contents, protos) if contents else (),
        tools=() if library is None else library.to_proto(protos),
        tool_config=to_tool_config(tool_config, protos),
        **expiration,
    )


def _to_duration(value: object) -> Duration:
    match value:
        case bool():
            pass
        case int() | float() | datetime.timedelta() | Mapping():
            return to_message(Duration, value)
        case _ if _is_instance(value, Duration):
            return to_message(Duration, value)
    raise TypeError(f"ttl is a number of seconds, a timedelta, a Duration or its dict; got {type(value).__name__}")


def _to_timestamp(value: object) -> Timestamp:
    match value:
        case bool():
            pass
        case datetime.datetime():
            # `astimezone` takes a datetime without a time zone for local time.
            return to_message(Timestamp, value.astimezone(datetime.timezone.utc))
        case int() | Mapping():
            return to_message(Timestamp, value)
        case _ if _is_instance(value, Timestamp):
            return to_message(Timestamp, value)
    raise TypeError(
        f"expire_time is a datetime, whole seconds since 1970 UTC, a Timestamp or its dict; got {type(value).__name__}"
    )


def _is_instance(value: object, cls: type[Duration] | type[Timestamp]) -> bool:
    """Whether it is a message with the full name of `cls`, from any pool."""
    message = as_message(value)
    return message is not None and message.DESCRIPTOR.full_name == cls.DESCRIPTOR.full_name
