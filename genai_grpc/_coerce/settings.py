"""Generation config, safety settings and request options."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple

from genai_grpc import protos as gemini
from genai_grpc._rpc.options import NO_OPTIONS, CallOptions, to_extra_body, to_metadata, to_timeout
from genai_grpc._rpc.retry_policy import NO_RETRY, RetryPolicy
from genai_grpc._rpc.secret import Secret
from genai_grpc._services.messages import GEMINI, Protos
from genai_grpc_protos._convert import as_message, field_of, to_enum, to_message

__all__ = [
    "WordAnswer",
    "answer_type",
    "merge_generation_settings",
    "to_generation_config",
    "to_generation_settings",
    "to_options",
    "to_safety_map",
    "to_safety_settings",
]

# The categories that a single threshold applies to; civic integrity is set by name only.
DEFAULT_CATEGORIES: Final = ("harassment", "hate_speech", "sexually_explicit", "dangerous_content")
CATEGORY_ALIASES: Final = {
    "unspecified": "HARM_CATEGORY_UNSPECIFIED",
    "harassment": "HARM_CATEGORY_HARASSMENT",
    "hate": "HARM_CATEGORY_HATE_SPEECH",
    "hate_speech": "HARM_CATEGORY_HATE_SPEECH",
    "sex": "HARM_CATEGORY_SEXUALLY_EXPLICIT",
    "sexual": "HARM_CATEGORY_SEXUALLY_EXPLICIT",
    "sexually_explicit": "HARM_CATEGORY_SEXUALLY_EXPLICIT",
    "danger": "HARM_CATEGORY_DANGEROUS_CONTENT",
    "dangerous": "HARM_CATEGORY_DANGEROUS_CONTENT",
    "dangerous_content": "HARM_CATEGORY_DANGEROUS_CONTENT",
    # These two are also names of PaLM categories, which Gemini models do not accept.
    "harm_category_sexual": "HARM_CATEGORY_SEXUALLY_EXPLICIT",
    "harm_category_dangerous": "HARM_CATEGORY_DANGEROUS_CONTENT",
    "civic": "HARM_CATEGORY_CIVIC_INTEGRITY",
    "civic_integrity": "HARM_CATEGORY_CIVIC_INTEGRITY",
}
THRESHOLD_ALIASES: Final = {
    "unspecified": "HARM_BLOCK_THRESHOLD_UNSPECIFIED",
    "threshold_unspecified": "HARM_BLOCK_THRESHOLD_UNSPECIFIED",
    "low": "BLOCK_LOW_AND_ABOVE",
    "med": "BLOCK_MEDIUM_AND_ABOVE",
    "medium": "BLOCK_MEDIUM_AND_ABOVE",
    "high": "BLOCK_ONLY_HIGH",
    "none": "BLOCK_NONE",
    "off": "OFF",
}


def to_generation_settings(value: Any, protos: Protos = GEMINI) -> dict[str, Any]:
    """Return the fields that a generation config sets, by name, so that two configs can be merged.

    Raises:
        TypeError: It is neither a GenerationConfig nor a dict.
    """
    if value is None:
        return {}
    if (message := as_message(value)) is not None:
        value = {field.name: item for field, item in to_message(protos.GenerationConfig, message).ListFields()}
    elif hasattr(value, "to_dict"):
        value = value.to_dict()
    if not isinstance(value, Mapping):
        raise TypeError(
            f"cannot make a GenerationConfig from {type(value).__name__}; pass a GenerationConfig or a dict"
        )
    # An unknown key is left as it is for the error of `to_generation_config`.
    return {field_of(protos.GenerationConfig, key) or key: item for key, item in value.items() if item is not None}


def merge_generation_settings(defaults: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Return the defaults with the overrides in their place. A schema replaces another one, whichever fields hold them.

    >>> merge_generation_settings({"top_k": 4, "response_schema": int}, {"response_json_schema": {"type": "string"}})
    {'top_k': 4, 'response_json_schema': {'type': 'string'}}
    """
    if any(name in overrides for name in _SCHEMAS):
        defaults = {name: value for name, value in defaults.items() if name not in _SCHEMAS}
    return {**defaults, **overrides}


# The fields that hold a schema of the response; a request has at most one of them.
_SCHEMAS: Final = ("response_schema", "response_json_schema", "response_json_schema_ordered")


class WordAnswer(NamedTuple):
    """The type of an answer of MIME type text/x.enum, which is a bare word; None if its schema is not a Python type."""

    python_type: Any


def answer_type(settings: Mapping[str, Any]) -> Any:
    """Return the type by which `response.parsed` reads the answer to a request with these settings; None for any JSON.

    >>> answer_type({"response_schema": int}), answer_type({"response_schema": {"type": "integer"}})
    (<class 'int'>, None)
    """
    schema = settings.get("response_schema")
    python_type = None if isinstance(schema, Mapping) or as_message(schema) is not None else schema
    return WordAnswer(python_type) if settings.get("response_mime_type") == "text/x.enum" else python_type


def to_generation_config(settings: Mapping[str, Any], protos: Protos = GEMINI) -> gemini.GenerationConfig:
    """Build the message of merged settings.

    Raises:
        TypeError: A value has the wrong type.
        ValueError: A key is not a field, or is one of the other API only; two fields hold a schema.
    """
    if len(given := [name for name in _SCHEMAS if settings.get(name) is not None]) > 1:
        raise ValueError(f"{' and '.join(given)} are mutually exclusive; pass one of them")
    if (response_schema := settings.get("response_schema")) is not None:
        from genai_grpc._coerce.schema.proto_schema import to_schema  # 30 ms, and only programs with schemas need it

        wire_schema = to_schema(response_schema, "GenerationConfig.response_schema")
        rest = {name: item for name, item in settings.items() if name != "response_schema"}
        settings = rest | wire_schema.fields("response_schema", "response_json_schema")
    return to_message(protos.GenerationConfig, settings)


def to_safety_map(value: object, protos: Protos = GEMINI) -> dict[int, Any]:
    """Return thresholds by category, so that two sets of safety settings can be merged.

    Accepts one threshold for all categories, a mapping of category to threshold, or an iterable of SafetySettings or
    their dicts; one that sets more than a threshold stays a message. Categories and thresholds are given by full
    name, by short name (`harassment`, `low`) or by number.

    Raises:
        TypeError: The value has another type.
        ValueError: A name is unknown.

    >>> to_safety_map({"harassment": "block_none"}) == {7: 4}
    True
    """
    match value:
        case None:
            return {}
        case str() | int():
            threshold = _threshold(value, protos)
            return {_category(name, protos): threshold for name in DEFAULT_CATEGORIES}
        case Mapping():
            return dict(_setting_of(key, item, protos) for key, item in value.items())
        case Iterable():
            return dict(_setting(item, protos) for item in value)
    raise TypeError(
        f"cannot read safety settings from {type(value).__name__}; pass a threshold, a dict or a list of settings"
    )


def to_safety_settings(thresholds: Mapping[int, Any], protos: Protos = GEMINI) -> list[gemini.SafetySetting]:
    """Build the messages of merged thresholds."""
    return [
        to_message(
            protos.SafetySetting,
            {"category": category, "threshold": threshold} if isinstance(threshold, int) else threshold,
        )
        for category, threshold in thresholds.items()
    ]


def _setting_of(category: object, threshold: object, protos: Protos) -> tuple[int, Any]:
    if as_message(threshold) is not None:
        return _setting(threshold, protos)
    return _category(category, protos), _threshold(threshold, protos)


def _setting(value: object, protos: Protos) -> tuple[int, Any]:
    if not isinstance(value, Mapping):
        setting = to_message(protos.SafetySetting, value)
    elif not value.keys() >= {"category", "threshold"}:
        raise ValueError(f"a safety setting has 'category' and 'threshold'; got the keys {sorted(map(str, value))}")
    else:
        names = {
            "category": _category(value["category"], protos),
            "threshold": _threshold(value["threshold"], protos),
        }
        setting = to_message(protos.SafetySetting, {**value, **names})
    has_more = any(field.name not in ("category", "threshold") for field, _ in setting.ListFields())
    return setting.category, setting if has_more else setting.threshold


def _category(value: object, protos: Protos) -> int:
    if isinstance(value, str):
        value = CATEGORY_ALIASES.get(value.lower(), value)
    number: Any = to_enum(protos.HarmCategory.DESCRIPTOR, value, "safety_settings")
    return protos.SafetySetting(category=number).category  # read from a message, it has a name in reprs


def _threshold(value: object, protos: Protos) -> int:
    if isinstance(value, str):
        value = THRESHOLD_ALIASES.get(value.lower().removeprefix("block_"), value)
    number: Any = to_enum(protos.SafetySetting.HarmBlockThreshold.DESCRIPTOR, value, "safety_settings")
    return protos.SafetySetting(threshold=number).threshold  # as above


def to_options(value: object) -> CallOptions:
    """Coerce the options of a call: a dict of options, or an object with some of them as attributes.

    They are `timeout`, `idle_timeout`, `retry`, `metadata`, `extra_body` and `on_attempt`.

    `timeout` is the deadline of the whole call: one for all attempts and the waits between them, whatever the policy.
    The timeout objects of `google.api_core` stand for their seconds.

    `retry` may be a `Retry` or `AsyncRetry` of `google.api_core`. Its backoff, predicate and `on_error` are used, and
    its `timeout` bounds the retrying as it does there: no retry starts later than this many seconds after the call, and
    an attempt that has started by then may take as long as the call may. It changes no deadline: a retry that should
    go on for longer than the default timeout needs a `timeout` as long. There is no retry budget and no other limit on
    its attempts. When it gives up, the error of the last attempt is raised.

    Raises:
        TypeError: It has none of them; a timeout is not a number; `retry` is neither a RetryPolicy nor None;
            `extra_body` is no dict of JSON; `on_attempt` is no function.
        ValueError: A key is unknown; a timeout is not above 0 and finite; gRPC cannot carry the metadata.
    """
    if value is None:
        return NO_OPTIONS
    if isinstance(value, CallOptions):
        return value
    if not isinstance(value, Mapping):
        value = {name: getattr(value, name) for name in _OPTIONS if hasattr(value, name)}
        if not value:
            raise TypeError(f"request_options takes {', '.join(_OPTIONS)}; got an object with none of them")
    if unknown := value.keys() - _OPTIONS:
        raise ValueError(f"request_options takes {', '.join(_OPTIONS)}; got {', '.join(sorted(map(str, unknown)))}")
    timeout = value.get("timeout")
    return CallOptions(
        timeout=to_timeout(getattr(timeout, "_timeout", timeout)),  # TimeToDeadlineTimeout, ConstantTimeout
        idle_timeout=to_timeout(value.get("idle_timeout")),
        retry=_to_retry_policy(value.get("retry", "default")),
        metadata=Secret(value.get("metadata") or ()).apply(to_metadata),
        extra_body=to_extra_body(value.get("extra_body")),
        on_attempt=_to_callback(value.get("on_attempt")),
    )


_OPTIONS: Final = ("timeout", "idle_timeout", "retry", "metadata", "extra_body", "on_attempt")


def _to_callback(value: Callable[[int], object] | None) -> Callable[[int], object] | None:
    if value is not None and not callable(value):
        raise TypeError(f"on_attempt is a function of the attempt's number; got {type(value).__name__}")
    return value


def _to_retry_policy(value: object) -> RetryPolicy | None:
    match value:
        case "default":
            return None
        case None:
            return NO_RETRY
        case RetryPolicy():
            return value
    policy: Any = value
    if hasattr(policy, "_predicate") and hasattr(policy, "_maximum"):  # google.api_core.retry.Retry
        return RetryPolicy(
            max_attempts=sys.maxsize,
            initial_backoff=policy._initial,
            backoff_multiplier=policy._multiplier,
            max_backoff=policy._maximum,
            budget_ratio=None,
            predicate=_reporting(policy._predicate, policy._on_error),
            timeout=policy._timeout,
        )
    raise TypeError(
        f"retry is a RetryPolicy, a google.api_core.retry.Retry, or None for no retries; got {type(value).__name__}"
    )


def _reporting(predicate: Callable[[Any], bool], on_error: Callable[[Any], object] | None) -> Callable[[Any], bool]:
    """The predicate, calling `on_error` with each error that it accepts."""
    if on_error is None:
        return predicate

    def report(error: Any) -> bool:
        retried = predicate(error)
        if retried:
            on_error(error)
        return retried

    return report
