"""The form of an answer: a request's schema as JSON Schema, and as a grammar for llama.cpp.

llama.cpp hands JSON Schema to llguidance (https://github.com/guidance-ai/llguidance), which follows most of it. A
schema that it cannot follow is dropped without a word, so a grammar also has a `probe`, to be tried first.

>>> from genai_grpc import protos
>>> to_json_schema(protos.Schema(type="STRING", nullable=True))
{'type': ['string', 'null']}
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, get_args

from genai_grpc import protos
from genai_grpc.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Iterable

    from genai_grpc_protos.protobuf.struct_pb2 import Value

__all__ = ["Form", "JSONSchema", "to_form", "to_json_schema", "to_plain", "to_rule"]

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
"""The formats that llguidance can hold a string to; others, such as "enum" or "int32", do not change a JSON text."""

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
"""Fields of Schema where zero means absent, with their keywords."""

_SchemaField: TypeAlias = Literal["response_schema", "response_json_schema", "response_json_schema_ordered"]
_SCHEMAS: Final[tuple[_SchemaField, ...]] = get_args(_SchemaField)

_ANY_JSON: Final[JSONSchema] = {"anyOf": [{"type": "object"}, {"type": "array"}]}
_COMPACT: Final = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}
_INTEGERS: Final = {"minimum": 1 - 2**53, "maximum": 2**53 - 1}  # https://www.rfc-editor.org/rfc/rfc8259#section-6
_DECIMALS: Final = {"multipleOf": 1e-6}


@dataclass(frozen=True, slots=True)
class Form:
    """What an answer must look like.

    Attributes:
        wanted: A sentence that tells the model so.
        rule: The body of a grammar rule that holds it to that.
        of: What the form was made from, in words.
        untold: The rule without what the prompt adds to it, which is known to do no harm; empty if it adds nothing.
    """

    wanted: str
    rule: str
    of: str = "this response schema"
    untold: str = ""

    @property
    def grammar(self) -> str:
        """The grammar, in the dialect of Lark that llguidance reads."""
        return f"%llguidance {{}}\nstart: answer\nanswer: {self.rule}"

    @property
    def probe(self) -> str:
        """A grammar whose first character is "@", if the model is held to it at all."""
        return f'%llguidance {{}}\nstart: "@" answer\nanswer: {self.untold or self.rule}'


def to_form(config: protos.GenerationConfig) -> Form | None:
    """The form that a request asks for; None for plain text.

    Raises:
        InvalidArgument: An unknown MIME type, or a schema that is of no use with it.
    """
    schema = _schema(config)
    match config.response_mime_type, schema:
        case (("" | "text/plain"), None):
            return None
        case "application/json", None:
            return _json_form("Answer in JSON.", _ANY_JSON)
        case "application/json", dict():
            wanted = f"Answer in JSON that follows this schema: {json.dumps(schema, ensure_ascii=False)}"
            return _json_form(wanted, schema)
        case "text/x.enum", {"enum": [*names]}:
            return _enum_form([name for name in names if name is not None])
        case "text/x.enum", _:
            raise InvalidArgument("response_mime_type 'text/x.enum' needs a response_schema with an enum")
        case (("" | "text/plain"), _):
            raise InvalidArgument("a response schema needs response_mime_type='application/json'")
        case mime_type, _:
            known = "text/plain, application/json or text/x.enum"
            raise InvalidArgument(f"response_mime_type is {mime_type!r}; give {known}")


def to_json_schema(schema: protos.Schema) -> JSONSchema:
    """A Schema as JSON Schema, properties in the order of `property_ordering`, `required`, then by name."""
    plain: JSONSchema = {}
    if kind := _TYPES.get(schema.type):
        plain["type"] = [kind, "null"] if schema.nullable and kind != "null" else kind
    plain |= {keyword: value for field, keyword in _KEYWORDS.items() if (value := getattr(schema, field))}
    plain |= {bound: _number(getattr(schema, bound)) for bound in ("minimum", "maximum") if schema.HasField(bound)}
    if schema.format in _FORMATS:
        plain["format"] = schema.format
    if schema.enum:
        plain["enum"] = [*schema.enum, *([None] if schema.nullable else [])]
    if schema.HasField("items"):
        plain["items"] = to_json_schema(schema.items)
    if schema.properties:
        plain["properties"] = {
            name: to_json_schema(schema.properties[name])
            for name in _ordered(schema.properties, [*schema.property_ordering, *schema.required])
        }
    if schema.required:
        plain["required"] = list(schema.required)
    if schema.any_of:
        nothing = [{"type": "null"}] if schema.nullable and not kind else []
        plain["anyOf"] = [to_json_schema(one) for one in schema.any_of] + nothing
    return plain


def to_rule(schema: JSONSchema) -> str:
    """The body of a grammar rule for JSON that follows a schema."""
    return f"%json {json.dumps({**_tight(schema), 'x-guidance': _COMPACT}, ensure_ascii=False)}"


def _schema(config: protos.GenerationConfig) -> JSONSchema | None:
    match [field for field in _SCHEMAS if config.HasField(field)]:
        case []:
            return None
        case ["response_schema"]:
            return to_json_schema(config.response_schema)
        case [field]:
            schema = to_plain(getattr(config, field))
            if not isinstance(schema, dict):
                raise InvalidArgument(f"{field} is {json.dumps(schema)}; a JSON Schema is an object")
            return schema
        case several:
            raise InvalidArgument(f"{' and '.join(several)} are both given; give one of them")


def to_plain(value: Value) -> Any:
    """A protobuf Value as JSON has it; whole numbers as int, `properties` in the order of `propertyOrdering`."""
    match value.WhichOneof("kind"):
        case "struct_value":
            fields = {name: to_plain(one) for name, one in value.struct_value.fields.items()}
            return _with_order(fields)
        case "list_value":
            return [to_plain(one) for one in value.list_value.values]
        case "number_value":
            return _number(value.number_value)
        case "string_value":
            return value.string_value
        case "bool_value":
            return value.bool_value
        case _:
            return None


def _number(number: float) -> float:
    """Protobuf has whole numbers as float here; JSON has them as int."""
    return int(number) if number.is_integer() else number


def _with_order(fields: dict[str, Any]) -> dict[str, Any]:
    """A Struct keeps no order, so an object schema says it: `propertyOrdering`, then `required`, then by name."""
    first = [name for key in ("propertyOrdering", "required") for name in _list(fields.get(key))]
    rest = {key: value for key, value in sorted(fields.items()) if key != "propertyOrdering"}
    if isinstance(properties := fields.get("properties"), dict):
        rest["properties"] = {name: properties[name] for name in _ordered(properties, first)}
    return rest


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _ordered(names: Iterable[str], first: Iterable[str]) -> list[str]:
    known = set(names)
    return list(dict.fromkeys([*(name for name in first if name in known), *sorted(known)]))


def _json_form(wanted: str, schema: JSONSchema) -> Form:
    return Form(wanted, to_rule(schema))


def _enum_form(names: list[str]) -> Form:
    quoted = [json.dumps(name, ensure_ascii=False) for name in names]
    return Form(f"Answer with one of: {', '.join(names)}.", " | ".join(quoted))


def _tight(schema: JSONSchema) -> JSONSchema:
    """The schema with bounds where it has none, so that a small model cannot go on for ever inside one value.

    Integers are of 53 bits (llguidance refuses 64), other numbers have at most six decimals, and an object has no
    properties but those that are named.
    """
    tight = {keyword: _tight_inside(keyword, value) for keyword, value in schema.items()}
    kinds = {kind for kind in _list(schema.get("type")) or [schema.get("type")] if isinstance(kind, str)}
    if "integer" in kinds and not tight.keys() & {"enum", "const"}:
        tight = {**_INTEGERS, **tight}
    if "number" in kinds and not tight.keys() & {"enum", "const"}:
        tight = {**_DECIMALS, **tight}
    if "properties" in tight and "allOf" not in tight:
        tight = {"additionalProperties": False, **tight}
    return tight


def _tight_inside(keyword: str, value: Any) -> Any:
    """Tighten the schemas inside a schema; those in `allOf` stay, since there one must not shut out the others."""
    match keyword, value:
        case (("items" | "additionalProperties"), dict()):
            return _tight(value)
        case (("anyOf" | "oneOf" | "prefixItems"), [*schemas]):
            return [_tight(one) if isinstance(one, dict) else one for one in schemas]
        case (("properties" | "$defs" | "definitions"), dict()):
            return {name: _tight(one) if isinstance(one, dict) else one for name, one in value.items()}
        case _:
            return value
