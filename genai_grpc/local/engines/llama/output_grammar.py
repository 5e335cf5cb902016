"""Schema of a response: a request's schema as JSON Schema, and as a grammar for llama.cpp.

llama.cpp passes JSON Schema to llguidance (https://github.com/guidance-ai/llguidance), which supports most of it. A
schema that it does not support is ignored without an error, so a grammar comes with a `probe` that detects that.

>>> from genai_grpc import protos
>>> to_json_schema(protos.Schema(type="STRING", nullable=True))
{'type': ['string', 'null']}
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias, get_args

from genai_grpc import protos
from genai_grpc.errors import InvalidArgument
from genai_grpc_protos.protobuf import Value

__all__ = ["JSONSchema", "OutputSchema", "schema_of", "to_json_schema", "to_output_schema", "to_python", "to_rule"]

JSONSchema: TypeAlias = "dict[str, Any]"
"""A JSON Schema as `json` reads it."""

_TYPES: Final = {
    protos.Type.STRING: "string",
    protos.Type.NUMBER: "number",
    protos.Type.INTEGER: "integer",
    protos.Type.BOOLEAN: "boolean",
    protos.Type.ARRAY: "array",
    protos.Type.OBJECT: "object",
    protos.Type.NULL: "null",
}

_FORMATS: Final = frozenset(
    {"date", "date-time", "duration", "email", "hostname", "ipv4", "ipv6", "time", "uri", "uuid"}
)
"""The formats that llguidance enforces; others, such as "enum" or "int32", do not change a JSON text."""

_KEYWORDS: Final = {
    "title": "title",
    "description": "description",
    "min_length": "minLength",
    "max_length": "maxLength",
    "pattern": "pattern",
    "min_items": "minItems",
    "max_items": "maxItems",
    "min_properties": "minProperties",
    "max_properties": "maxProperties",
}
"""Keywords by field of Schema, for the fields where zero means absent."""

_SchemaField: TypeAlias = Literal["response_schema", "response_json_schema", "response_json_schema_ordered"]
_SCHEMA_FIELDS: Final[tuple[_SchemaField, ...]] = get_args(_SchemaField)

_ANY_JSON: Final[JSONSchema] = {"anyOf": [{"type": "object"}, {"type": "array"}]}
_SEPARATORS: Final = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}
_INTEGER_BOUNDS: Final = {
    "minimum": 1 - 2**53,
    "maximum": 2**53 - 1,
}  # https://www.rfc-editor.org/rfc/rfc8259#section-6
_DECIMAL_PLACES: Final = {"multipleOf": 1e-6}
_UNENFORCED: Final = frozenset({"propertyNames", "uniqueItems"})
"""Keywords that llguidance does not support; sets and dicts of Python types have them."""


@dataclass(frozen=True, slots=True)
class OutputSchema:
    """What a response must look like.

    Attributes:
        format_hint: A sentence that describes it to the model.
        rule: The body of a grammar rule that enforces it.
        source: Where it comes from, for error messages.
        probe_rule: The body of the rule to probe, if not `rule`: the rule without the parts that are added for one
            prompt and are known to be supported. "" if nothing is added.
    """

    format_hint: str
    rule: str
    source: str = "this response schema"
    probe_rule: str = ""

    @property
    def grammar(self) -> str:
        """The grammar, in llguidance's dialect of Lark."""
        return f"%llguidance {{}}\nstart: answer\nanswer: {self.rule}"

    @property
    def probe(self) -> str:
        """A grammar whose texts begin with "@", which shows whether llama.cpp enforces it at all."""
        return f'%llguidance {{}}\nstart: "@" answer\nanswer: {self.probe_rule or self.rule}'


def to_output_schema(config: protos.GenerationConfig) -> OutputSchema | None:
    """The schema that a request asks for; None for plain text.

    Raises:
        InvalidArgument: The MIME type is unknown, or the schema does not go with it.
    """
    schema = schema_of(config)
    match config.response_mime_type, schema:
        case (("" | "text/plain"), None):
            return None
        case "application/json", None:
            return OutputSchema("Answer in JSON.", to_rule(_ANY_JSON))
        case "application/json", dict():
            hint = f"Answer in JSON that follows this schema: {json.dumps(schema, ensure_ascii=False)}"
            return OutputSchema(hint, to_rule(schema))
        case "text/x.enum", {"enum": [*names]}:
            return _enum_schema([name for name in names if name is not None])
        case "text/x.enum", _:
            raise InvalidArgument("response_mime_type 'text/x.enum' needs a response_schema with an enum")
        case (("" | "text/plain"), _):
            raise InvalidArgument("a response schema needs response_mime_type='application/json'")
        case mime_type, _:
            known = "text/plain, application/json or text/x.enum"
            raise InvalidArgument(f"response_mime_type is {mime_type!r}; give {known}")


def to_json_schema(schema: protos.Schema) -> JSONSchema:
    """Convert a Schema to JSON Schema: properties in the order of `property_ordering`, `required`, then by name."""
    converted: JSONSchema = {}
    if type_name := _TYPES.get(schema.type):
        converted["type"] = [type_name, "null"] if schema.nullable and type_name != "null" else type_name
    converted |= {keyword: value for field, keyword in _KEYWORDS.items() if (value := getattr(schema, field))}
    converted |= {bound: _number(getattr(schema, bound)) for bound in ("minimum", "maximum") if schema.HasField(bound)}
    if schema.format in _FORMATS:
        converted["format"] = schema.format
    if schema.enum:
        converted["enum"] = [*schema.enum, *([None] if schema.nullable else [])]
    if schema.HasField("items"):
        converted["items"] = to_json_schema(schema.items)
    if schema.properties:
        converted["properties"] = {
            name: to_json_schema(schema.properties[name])
            for name in _ordered(schema.properties, [*schema.property_ordering, *schema.required])
        }
    if schema.required:
        converted["required"] = list(schema.required)
    if schema.any_of:
        null = [{"type": "null"}] if schema.nullable and not type_name else []
        converted["anyOf"] = [to_json_schema(option) for option in schema.any_of] + null
    return converted


def to_rule(schema: JSONSchema) -> str:
    """The body of a grammar rule for JSON that conforms to a schema."""
    return f"%json {json.dumps({**_bounded(schema), 'x-guidance': _SEPARATORS}, ensure_ascii=False)}"


def schema_of(config: protos.GenerationConfig) -> JSONSchema | None:
    """The JSON Schema that a request asks for; raises InvalidArgument."""
    match [field for field in _SCHEMA_FIELDS if config.HasField(field)]:
        case []:
            return None
        case ["response_schema"]:
            return to_json_schema(config.response_schema)
        case [field]:
            schema = to_python(getattr(config, field))
            if not isinstance(schema, dict):
                raise InvalidArgument(f"{field} is {json.dumps(schema)}; a JSON Schema is an object")
            return schema
        case several:
            raise InvalidArgument(f"{' and '.join(several)} are both given; give one of them")


def to_python(value: Value) -> Any:
    """Convert a Value to a Python value: whole numbers to int, `properties` in the order of `propertyOrdering`."""
    match value.WhichOneof("kind"):
        case "struct_value":
            fields = {name: to_python(field) for name, field in value.struct_value.fields.items()}
            return _with_property_order(fields)
        case "list_value":
            return [to_python(item) for item in value.list_value.values]
        case "number_value":
            return _number(value.number_value)
        case "string_value":
            return value.string_value
        case "bool_value":
            return value.bool_value
        case _:
            return None


def _number(number: float) -> float:
    """A whole number as int: protobuf's Value and bounds are all float."""
    return int(number) if number.is_integer() else number


def _with_property_order(fields: dict[str, Any]) -> dict[str, Any]:
    """Order the properties of an object schema, since a Struct has no order; as `to_json_schema` does."""
    first = [name for key in ("propertyOrdering", "required") for name in _list(fields.get(key))]
    ordered = {key: value for key, value in sorted(fields.items()) if key != "propertyOrdering"}
    if isinstance(properties := fields.get("properties"), dict):
        ordered["properties"] = {name: properties[name] for name in _ordered(properties, first)}
    return ordered


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _ordered(names: Iterable[str], first: Iterable[str]) -> list[str]:
    """The names, those in `first` before the others, which are sorted."""
    known = set(names)
    return list(dict.fromkeys([*(name for name in first if name in known), *sorted(known)]))


def _enum_schema(names: list[str]) -> OutputSchema:
    quoted = [json.dumps(name, ensure_ascii=False) for name in names]
    return OutputSchema(f"Answer with one of: {', '.join(names)}.", " | ".join(quoted))


def _bounded(schema: JSONSchema) -> JSONSchema:
    """The schema with bounds where it has none, so that a small model cannot generate one value without end.

    Integers have 53 bits (llguidance refuses 64), other numbers at most six decimal places, and objects no properties
    besides those that the schema names. Keywords that it cannot enforce are left to the format hint.
    """
    bounded = {key: _bounded_value(key, value) for key, value in schema.items() if key not in _UNENFORCED}
    types = {name for name in _list(schema.get("type")) or [schema.get("type")] if isinstance(name, str)}
    if "integer" in types and not bounded.keys() & {"enum", "const"}:
        bounded = {**_INTEGER_BOUNDS, **bounded}
    if "number" in types and not bounded.keys() & {"enum", "const"}:
        bounded = {**_DECIMAL_PLACES, **bounded}
    if "properties" in bounded and "allOf" not in bounded:
        bounded = {"additionalProperties": False, **bounded}
    return bounded


def _bounded_value(keyword: str, value: Any) -> Any:
    """Bound the schemas inside a schema, except those in `allOf`, where one must not exclude the others' properties."""
    match keyword, value:
        case (("items" | "additionalProperties"), dict()):
            return _bounded(value)
        case (("anyOf" | "oneOf" | "prefixItems"), [*schemas]):
            return [_bounded(item) if isinstance(item, dict) else item for item in schemas]
        case (("properties" | "patternProperties" | "$defs" | "definitions"), dict()):
            return {name: _bounded(item) if isinstance(item, dict) else item for name, item in value.items()}
        case _:
            return value
