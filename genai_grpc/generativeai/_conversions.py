"""Conversions under the names of google.generativeai, with its results."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from genai_grpc import protos
from genai_grpc._coerce import media
from genai_grpc._coerce.cached_content import to_expiration
from genai_grpc._coerce.content import to_content as to_any_content
from genai_grpc._coerce.content import to_part
from genai_grpc._coerce.embeddings import to_task_type as to_task_number
from genai_grpc._coerce.enums import enum_of, to_answer_style, to_grantee_type, to_operator, to_role, to_state
from genai_grpc._coerce.part_source import classify
from genai_grpc._coerce.resource_names import to_any_model_name
from genai_grpc._coerce.settings import to_generation_settings, to_safety_map
from genai_grpc._coerce.tool_config import to_tool_config
from genai_grpc.types._caching import TTL, ExpireTime
from genai_grpc.types._files import File
from genai_grpc.types._models import TunedModel
from genai_grpc_protos._convert import to_message

__all__ = [
    "decode_tuned_model",
    "image_to_blob",
    "is_blob_dict",
    "is_content_dict",
    "is_part_dict",
    "make_model_name",
    "normalize_safety_settings",
    "schema_for_class",
    "strict_to_content",
    "to_answer_style",
    "to_blob",
    "to_block_threshold",
    "to_content",
    "to_contents",
    "to_easy_safety_dict",
    "to_file_data",
    "to_finish_reason",
    "to_function_calling_config",
    "to_function_calling_mode",
    "to_generation_config_dict",
    "to_grantee_type",
    "to_harm_category",
    "to_mode",
    "to_operator",
    "to_optional_expire_time",
    "to_optional_ttl",
    "to_part",
    "to_role",
    "to_state",
    "to_task_type",
    "to_tuned_model_state",
    "to_type",
]


PART_KEYS: Final = frozenset({"text", "inline_data", "function_call", "function_response", "file_data"})


def is_content_dict(value: Mapping[str, Any]) -> bool:
    """Whether a dict is one of a Content."""
    return "parts" in value


def is_part_dict(value: Mapping[str, Any]) -> bool:
    """Whether a dict is one of a Part: it has one of its fields, and no other key."""
    return len(value) == 1 and value.keys() <= PART_KEYS


def is_blob_dict(value: Mapping[str, Any]) -> bool:
    """Whether a dict is one of a Blob."""
    return value.keys() >= {"mime_type", "data"}


def image_to_blob(image: Any) -> protos.Blob:
    """The Blob of an image of Pillow or IPython.

    Raises:
        TypeError: It is not an image.
        ValueError: It cannot be read or encoded.
    """
    blob = media.image_to_blob(image)
    if blob is None:
        raise TypeError(f"cannot make a Blob from {type(image).__name__}; pass an image of Pillow or IPython")
    return protos.Blob(mime_type=blob.mime_type, data=blob.data)


def to_blob(blob: Any) -> protos.Blob:
    """The Blob of an image or of a dict; a Blob is returned as it is.

    Raises:
        TypeError: It is something else.
        ValueError: An image cannot be read or encoded; a dict has unknown keys.
    """
    if isinstance(blob, protos.Blob):
        return blob
    part = to_part(blob)
    if part.WhichOneof("data") != "inline_data":
        raise TypeError(f"cannot make a Blob from {type(blob).__name__}; pass an image, a Blob or a dict of one")
    return part.inline_data


def to_content(content: Any) -> protos.Content:
    """One turn, without a role if none is set.

    Raises:
        TypeError: It is not supported.
        ValueError: It is empty; a dict has unknown keys; an image or file cannot be read.
    """
    if not content:
        raise ValueError("a turn must not be empty; pass a str, an image, a Part or a list of them")
    return to_any_content(content)


def strict_to_content(content: Any) -> protos.Content:
    """One turn, from a Content or a dict of one.

    Raises:
        TypeError: It is something else.
        ValueError: A dict has unknown keys; an image or file cannot be read.
    """
    if classify(content)[0] != "turn":
        raise TypeError(f"cannot make a Content from {type(content).__name__}; pass a Content or a dict with 'parts'")
    return to_any_content(content)


def to_contents(contents: Any) -> list[protos.Content]:
    """Turns without a role if none is set: of an iterable of turns, of the parts of one, or of None, which has none.

    Raises:
        TypeError: An item is not supported.
        ValueError: It is empty; a dict has unknown keys; an image or file cannot be read.
    """
    if contents is None:
        return []
    kind, value = classify(contents)
    if kind != "sequence":
        return [to_content(contents)]
    items = list(value)
    if all(classify(item)[0] == "turn" for item in items):
        return list(map(to_any_content, items))
    return [to_any_content(items)]


def to_file_data(file_data: Any) -> protos.FileData:
    """The FileData of a File, or of a dict of either."""
    value = file_data.to_proto() if isinstance(file_data, File) else file_data
    return to_part({"file_data": value}).file_data


def to_function_calling_config(config: Any) -> protos.FunctionCallingConfig:
    """The config of a mode, or of a dict; a FunctionCallingConfig is returned as it is."""
    if isinstance(config, protos.FunctionCallingConfig):
        return config
    tool_config = to_tool_config({"function_calling_config": config})
    assert tool_config is not None  # noqa: S101 -- that of None alone is None
    return tool_config.function_calling_config


def to_generation_config_dict(generation_config: Any) -> dict[str, Any]:
    """The settings by name; a `response_schema` is a Schema.

    Raises:
        TypeError: It is neither a GenerationConfig nor a dict, or the type of a schema is not supported.
    """
    settings = to_generation_settings(generation_config)
    if (response_schema := settings.pop("response_schema", None)) is not None:
        from genai_grpc._coerce.schema.proto_schema import to_schema  # 30 ms, and only programs with schemas need it

        wire_schema = to_schema(response_schema, "GenerationConfig.response_schema")
        settings |= wire_schema.fields("response_schema", "response_json_schema")
    return settings


def schema_for_class(python_type: Any) -> dict[str, Any]:
    """The Schema of a type as a dict, with the type names of JSON Schema ("object").

    Raises:
        TypeError: The type is not supported.
        ValueError: The type is recursive.
    """
    from genai_grpc._coerce.schema.proto_schema import to_nearest_schema  # as above
    from genai_grpc_protos._json import to_json_dict  # json_format takes 50 ms

    schema = to_nearest_schema(python_type, getattr(python_type, "__name__", "the type"))
    return _with_json_types(to_json_dict(schema, preserving_proto_field_name=True))


def _with_json_types(schema: dict[str, Any]) -> dict[str, Any]:
    if "type" in schema:
        schema["type"] = schema["type"].lower()
    schema.pop("property_ordering", None)
    for inner in (*schema.get("properties", {}).values(), *filter(None, [schema.get("items")])):
        _with_json_types(inner)
    return schema


def to_easy_safety_dict(settings: Any) -> dict[Any, Any]:
    """Thresholds by category, as members of the enums."""
    thresholds = to_safety_map(settings)
    return {
        protos.HarmCategory(category): protos.SafetySetting.HarmBlockThreshold(threshold)
        for category, threshold in thresholds.items()
    }


def normalize_safety_settings(settings: Any) -> list[dict[str, Any]] | None:
    """Safety settings as dicts of `category` and `threshold`; None stays None."""
    if settings is None:
        return None
    thresholds = to_easy_safety_dict(settings)
    return [{"category": category, "threshold": threshold} for category, threshold in thresholds.items()]


def to_harm_category(category: str | int) -> Any:
    """The `HarmCategory` of a name or number."""
    return next(iter(to_easy_safety_dict({category: "unspecified"})))


def to_block_threshold(threshold: str | int) -> Any:
    """The `HarmBlockThreshold` of a name or number."""
    return next(iter(to_easy_safety_dict({"unspecified": threshold}).values()))


def to_optional_ttl(ttl: Any) -> TTL | None:
    """A lifetime as a dict; None stays None."""
    return None if ttl is None else _seconds_and_nanos(to_expiration(ttl=ttl)["ttl"])


def to_optional_expire_time(expire_time: Any) -> ExpireTime | None:
    """A time as a dict; None stays None."""
    return None if expire_time is None else _seconds_and_nanos(to_expiration(expire_time=expire_time)["expire_time"])


def _seconds_and_nanos(value: Any) -> Any:
    return {"seconds": value.seconds, "nanos": value.nanos}


def make_model_name(name: Any) -> str:
    """The resource name of a model, tuned or not, given by name or as the model.

    Raises:
        TypeError: It is neither a str nor a model.
        ValueError: The name starts with neither `models/` nor `tunedModels/`.
    """
    return to_any_model_name(name if isinstance(name, str) else getattr(name, "name", name))


def decode_tuned_model(tuned_model: Any) -> TunedModel:
    """The dataclass of a `protos.TunedModel` or of its dict."""
    return TunedModel.from_proto(to_message(protos.TunedModel, tuned_model))


to_finish_reason = enum_of(protos.Candidate.FinishReason)
to_function_calling_mode = enum_of(protos.FunctionCallingConfig.Mode)
to_mode = enum_of(protos.DynamicRetrievalConfig.Mode)
to_type = enum_of(protos.Type)


def to_task_type(value: Any) -> Any:
    """The `TaskType` of a name or number."""
    return protos.TaskType(to_task_number(value))


_to_tuned_model_state = enum_of(protos.TunedModel.State)


def to_tuned_model_state(state: Any) -> Any:
    """The `TunedModel.State` of a name or number; that of None is STATE_UNSPECIFIED."""
    return _to_tuned_model_state(0 if state is None else state)
