"""Expressions for generation configs and safety settings."""

from __future__ import annotations

from typing import Final

from hypothesis import strategies as st

from tests.installed.differential.source import entries, fill, keywords, one, several

__all__ = ["CATEGORIES", "THRESHOLDS", "generation_config", "safety_settings"]

number = st.floats(0, 1, width=16).map(repr)
count = st.integers(1, 40).map(repr)
schema_dict = st.recursive(
    one(
        "{'type': 'string'}",
        "{'type': 'STRING', 'description': 'A name.', 'nullable': True}",
        "{'type': 'integer', 'format': 'int32'}",
        "{'type': 'NUMBER', 'format': 'double'}",
        "{'type': 'boolean'}",
        "{'type': 'string', 'format': 'enum', 'enum': ['a', 'b']}",
        "{'type_': 'STRING', 'format_': 'date-time'}",
    ),
    lambda inner: one(
        fill("{{'type': 'array', 'items': {inner}}}", inner=inner),
        fill("{{'type': 'ARRAY', 'items': {inner}, 'max_items': 3}}", inner=inner),
        fill("{{'type': 'object', 'properties': {{'a': {inner}}}, 'required': ['a']}}", inner=inner),
        fill("{{'type': 'OBJECT', 'properties': {{'a': {inner}, 'b': {inner}}}}}", inner=inner),
    ),
    max_leaves=4,
)
schema_message = st.recursive(
    one("protos.Schema(type=protos.Type.STRING)", "protos.Schema(type='INTEGER', nullable=True)"),
    lambda inner: one(
        fill("protos.Schema(type=protos.Type.ARRAY, items={inner})", inner=inner),
        fill("protos.Schema(type='OBJECT', properties={{'a': {inner}}}, required=['a'])", inner=inner),
    ),
    max_leaves=3,
)
setting: Final = {
    "candidate_count": one("1", "2"),
    "stop_sequences": one("['END']", "['a', 'b']", "('x',)", "[]"),
    "max_output_tokens": count,
    "temperature": one("0", number),
    "top_p": number,
    "top_k": count,
    "response_mime_type": one("'text/plain'", "'application/json'"),
    "presence_penalty": number,
    "frequency_penalty": number,
}
schema_setting = {"response_schema": one(schema_dict, schema_message)}
# The old package's dataclass has no such fields, but it accepts them in dicts.
more: Final = {"response_logprobs": one("True", "False"), "logprobs": one("0", "5"), "seed": count}
generation_config = one(
    fill("{{{items}}}", items=entries(**setting)),
    fill("{{{items}}}", items=entries(**setting, **schema_setting, response_logprobs=more["response_logprobs"])),
    fill("genai.GenerationConfig({items})", items=keywords(**setting)),
    fill("types.GenerationConfig({items})", items=keywords(**setting, **schema_setting)),
    fill("genai.GenerationConfig(1, ['END'], {count})", count=count),
    fill("protos.GenerationConfig({items})", items=keywords(**setting)),
    fill("protos.GenerationConfig({items})", items=keywords(**setting, response_schema=schema_message)),
    "{}",
    "{'temperature': None, 'top_k': 3}",
    "genai.GenerationConfig()",
)

CATEGORIES: Final = (
    *map(repr, ("harassment", "hate", "hate_speech", "sex", "sexual", "sexually_explicit", "danger", "dangerous")),
    *map(repr, ("HARM_CATEGORY_HARASSMENT", "harm_category_hate_speech", "Harm_Category_Sexual", "unspecified")),
    *map(repr, ("HARM_CATEGORY_DANGEROUS", "HARM_CATEGORY_DANGEROUS_CONTENT", 7, 8, 9, 10)),
    "types.HarmCategory.HARM_CATEGORY_HARASSMENT",
    "types.HarmCategory.HARM_CATEGORY_DANGEROUS_CONTENT",
    "protos.HarmCategory.HARM_CATEGORY_HATE_SPEECH",
)
THRESHOLDS: Final = (
    *map(repr, ("low", "med", "medium", "high", "block_none", "BLOCK_NONE", "LOW", "unspecified", 0, 1, 2, 3, 4)),
    *map(repr, ("block_low_and_above", "BLOCK_MEDIUM_AND_ABOVE", "block_only_high", "block_threshold_unspecified")),
    "'HARM_BLOCK_THRESHOLD_UNSPECIFIED'",
    "types.HarmBlockThreshold.BLOCK_NONE",
    "protos.SafetySetting.HarmBlockThreshold.BLOCK_ONLY_HIGH",
)
category = one(*CATEGORIES)
threshold = one(*THRESHOLDS)
proto_category = one("protos.HarmCategory.HARM_CATEGORY_HARASSMENT", "'HARM_CATEGORY_HATE_SPEECH'", "9")
proto_threshold = one("protos.SafetySetting.HarmBlockThreshold.BLOCK_NONE", "'BLOCK_ONLY_HIGH'", "1")
safety_setting = one(
    fill("{{'category': {category}, 'threshold': {threshold}}}", category=category, threshold=threshold),
    fill("protos.SafetySetting(category={category}, threshold={threshold})", category=proto_category,
         threshold=proto_threshold),
)  # fmt: skip
safety_settings = one(
    threshold,
    fill("{{{a}: {x}}}", a=category, x=threshold),
    fill("{{{a}: {x}, {b}: {y}}}", a=category, b=category, x=threshold, y=threshold),
    fill("[{settings}]", settings=several(safety_setting, 0)),
    fill("({settings})", settings=several(safety_setting)),
    "{}",
)
