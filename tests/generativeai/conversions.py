"""Calls of google.generativeai's conversions, with their results as plain values."""

from __future__ import annotations

import dataclasses
import datetime
import enum
from collections.abc import Mapping
from importlib import import_module
from typing import Any, Final

from typing_extensions import TypedDict

MODULES: Final = (
    "content_types",
    "generation_types",
    "safety_types",
    "caching_types",
    "file_types",
    "model_types",
    "answer_types",
    "permission_types",
    "retriever_types",
)


class City(TypedDict):
    name: str
    population: int


def set_light(brightness: int, colour: str = "white") -> None:
    """Set the light."""


HELLO: Final = {"parts": [{"text": "hello"}]}
PNG: Final = {"mime_type": "image/png", "data": "UE5H"}

CONVERSIONS: Final[dict[str, Any]] = {
    "content_types.to_contents(None)": [],
    "content_types.to_contents([])": [],
    "content_types.to_contents('hello')": [HELLO],
    "content_types.to_contents(['hello', {'text': 'you'}])": [{"parts": [{"text": "hello"}, {"text": "you"}]}],
    "content_types.to_contents({'role': 'function', 'parts': 'hello'})": [{"role": "function", **HELLO}],
    "content_types.to_contents([{'parts': ['hello']}, {'role': 'model', 'parts': 'hello'}])": [
        HELLO,
        {"role": "model", **HELLO},
    ],
    "content_types.to_contents(protos.Content(role='user'))": [{"role": "user"}],
    "content_types.to_contents('')": ValueError,
    "content_types.to_contents({})": ValueError,
    "content_types.to_contents(3)": TypeError,
    "content_types.to_content(['hello'])": HELLO,
    "content_types.to_content(None)": ValueError,
    "content_types.to_content([])": ValueError,
    "content_types.to_content({'parts': [{'function_response': {'name': 'now', 'response': {'result': 'noon'}}}]})": {
        "parts": [{"function_response": {"name": "now", "response": {"result": "noon"}}}]
    },
    "content_types.strict_to_content({'parts': 'hello'})": HELLO,
    "content_types.strict_to_content('hello')": TypeError,
    "content_types.to_part('hello')": {"text": "hello"},
    "content_types.to_part('')": {"text": ""},
    "content_types.to_part({'mime_type': 'image/png', 'data': b'PNG'})": {"inline_data": PNG},
    "content_types.to_part(protos.FunctionCall(name='now'))": {"function_call": {"name": "now"}},
    "content_types.to_part(b'PNG')": TypeError,
    "content_types.to_blob({'mime_type': 'image/png', 'data': b'PNG'})": PNG,
    "content_types.to_blob('hello')": TypeError,
    "content_types.image_to_blob('hello')": TypeError,
    "content_types.is_content_dict({'parts': []})": True,
    "content_types.is_content_dict({'text': ''})": False,
    "content_types.is_part_dict({'text': ''})": True,
    "content_types.is_part_dict({'text': '', 'thought': True})": False,
    "content_types.is_blob_dict({'mime_type': '', 'data': b''})": True,
    "content_types.is_blob_dict({'data': b''})": False,
    "content_types.to_mode('dynamic')": 1,
    "content_types.to_mode('MODE_DYNAMIC')": 1,
    "content_types.to_function_calling_mode('any')": 2,
    "content_types.to_function_calling_mode('MODE_NONE')": 3,
    "content_types.to_function_calling_mode(1)": 1,
    "content_types.to_function_calling_config('any')": {"mode": 2},
    "content_types.to_function_calling_config({'mode': 'any', 'allowed_function_names': ['now']})": {
        "mode": 2,
        "allowed_function_names": ["now"],
    },
    "content_types.to_function_calling_config(protos.FunctionCallingConfig(mode=3))": {"mode": 3},
    "content_types.to_tool_config({'function_calling_config': 'none'})": {"function_calling_config": {"mode": 3}},
    "content_types.to_function_library(None)": None,
    "content_types.to_function_library([set_light])['set_light'].description": "Set the light.",
    "list(content_types.to_function_library([set_light])['set_light'].parameters.required)": ["brightness"],
    "content_types._make_tool('code_execution').to_proto()": {"code_execution": {}},
    "content_types._make_function_declaration({'name': 'now', 'description': 'The time.'}).to_proto()": {
        "name": "now",
        "description": "The time.",
    },
    "content_types._schema_for_class(list[int])": {"type": "array", "items": {"type": "integer"}},
    "content_types._schema_for_class(City)['properties']": {
        "name": {"type": "string"},
        "population": {"type": "integer"},
    },
    "generation_types.to_generation_config_dict(None)": {},
    "generation_types.to_generation_config_dict({'temperature': 0, 'top_k': 3})": {"temperature": 0, "top_k": 3},
    "generation_types.to_generation_config_dict(GenerationConfig(temperature=0, response_schema=list[int]))": {
        "temperature": 0,
        "response_schema": {"type": 5, "items": {"type": 3}},
    },
    "generation_types.to_generation_config_dict('low')": TypeError,
    "safety_types.to_harm_category('Sexual')": 9,
    "safety_types.to_harm_category(7)": 7,
    "safety_types.to_block_threshold('med')": 2,
    "safety_types.to_easy_safety_dict(None)": {},
    "safety_types.to_easy_safety_dict('low')": {"7": 1, "8": 1, "9": 1, "10": 1},
    "safety_types.to_easy_safety_dict([{'category': 'hate', 'threshold': 'high'}])": {"8": 3},
    "safety_types.normalize_safety_settings(None)": None,
    "safety_types.normalize_safety_settings({'hate': 'high'})": [{"category": 8, "threshold": 3}],
    "caching_types.to_optional_ttl(None)": None,
    "caching_types.to_optional_ttl(90)": {"seconds": 90, "nanos": 0},
    "caching_types.to_optional_ttl(datetime.timedelta(minutes=1))": {"seconds": 60, "nanos": 0},
    "caching_types.to_optional_ttl('90s')": TypeError,
    "caching_types.to_optional_expire_time(1700000000)": {"seconds": 1700000000, "nanos": 0},
    "file_types.to_file_data({'mime_type': 'a/b', 'file_uri': 'uri'})": {"mime_type": "a/b", "file_uri": "uri"},
    "file_types.to_file_data({'mime_type': 'a/b', 'uri': 'uri'})": {"mime_type": "a/b", "file_uri": "uri"},
    "file_types.to_file_data(file_types.File({'mime_type': 'a/b', 'uri': 'uri'}))": {
        "mime_type": "a/b",
        "file_uri": "uri",
    },
    "file_types.File({'name': 'files/clip', 'size_bytes': 3, 'state': 'ACTIVE'}).to_dict()['size_bytes']": "3",
    "file_types.File({'name': 'files/clip', 'size_bytes': 3, 'state': 'ACTIVE'}).state": 2,
    "file_types.File({'name': 'files/clip'}).create_time": None,
    "model_types.make_model_name('gemini-pro')": "models/gemini-pro",
    "model_types.make_model_name(protos.Model(name='models/gemini-pro'))": "models/gemini-pro",
    "model_types.make_model_name('corpora/gemini-pro')": ValueError,
    "model_types.make_model_name(3)": TypeError,
    "model_types.to_tuned_model_state(None)": 0,
    "model_types.to_tuned_model_state('active')": 2,
    "model_types.decode_tuned_model({'name': 'tunedModels/a', 'base_model': 'models/b', 'top_k': 3, 'state': 2})": {
        "name": "tunedModels/a",
        "source_model": "models/b",
        "base_model": "models/b",
        "display_name": "",
        "description": "",
        "temperature": None,
        "top_p": None,
        "top_k": 3,
        "state": 2,
        "create_time": None,
        "update_time": None,
        "tuning_task": None,
        "reader_project_numbers": None,
    },
    "answer_types.to_finish_reason('max_tokens')": 2,
    "answer_types.to_finish_reason('FINISH_REASON_STOP')": 1,
    "permission_types.to_role('writer')": 2,
    "permission_types.to_grantee_type('everyone')": 3,
    "retriever_types.to_operator('<=')": 2,
    "retriever_types.to_operator('not_equal')": 6,
    "retriever_types.to_state('pending')": 1,
    "retriever_types.to_state('STATE_ACTIVE')": 2,
    "embedding.to_task_type('document')": 2,
    "embedding.to_task_type('semantic_similarity')": 3,
    "responder.to_type('type_string')": 1,
    "answer.to_answer_style('verbose')": 3,
    "utils.flatten_update_paths({'a': {'b': {'c': 1}}, 'd': 2})": {"a.b.c": 1, "d": 2},
}


def evaluate(call: str, package: str) -> Any:
    """The result of a call of a package's conversion."""
    names = {name: import_module(f"{package}.types.{name}") for name in MODULES}
    names |= {
        name: import_module(f"{package}.{name}") for name in ("answer", "embedding", "protos", "responder", "utils")
    }
    names |= {"GenerationConfig": names["generation_types"].GenerationConfig, "datetime": datetime}
    return eval(call, globals() | names)  # noqa: S307 -- our own text


def result(call: str, package: str) -> Any:
    """The result of a call, or the type of its error, as a plain value."""
    try:
        return plain(evaluate(call, package))
    except (TypeError, ValueError) as error:
        return type(error)


def plain(value: Any) -> Any:
    """Messages of either package as JSON with enums as numbers, and what else a conversion returns."""
    if isinstance(value, enum.IntEnum):
        return int(value)
    if hasattr(value, "DESCRIPTOR"):
        from google.protobuf.json_format import MessageToDict

        pool = value.DESCRIPTOR.file.pool
        return MessageToDict(value, preserving_proto_field_name=True, use_integers_for_enums=True, descriptor_pool=pool)
    if hasattr(type(value), "pb"):  # proto-plus, which appends "_" to some names
        value = type(value).to_dict(value, including_default_value_fields=False)
        return _without_underscores(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(plain(key)): plain(item) for key, item in value.items()}
    return list(map(plain, value)) if isinstance(value, list) else value


def _without_underscores(value: Any) -> Any:
    if isinstance(value, dict):
        return {key.removesuffix("_"): _without_underscores(item) for key, item in value.items()}
    return list(map(_without_underscores, value)) if isinstance(value, list) else value
