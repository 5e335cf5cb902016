"""The arguments of a function call: their grammar, and the prompt that makes a model take them from what was said.

>>> spoken({"type": "string"}, "Rain in Oslo?")
{'type': 'string', 'enum': ['Rain', 'Rain in', 'Rain in Oslo', 'in', 'in Oslo', 'Oslo']}
"""

from __future__ import annotations

import json
from typing import Any, Final

from genai_grpc import protos
from genai_grpc.errors import InvalidArgument
from genai_grpc.local.engines.llama.output_grammar import Form, JSONSchema, to_json_schema, to_plain, to_rule
from genai_grpc.local.engines.llama.prompt import Transcript

__all__ = ["spoken", "to_arguments_form", "to_arguments_prompt", "to_call"]

_LONGEST: Final = 8
"""Words in a value."""

_MOST_WORDS: Final = 64
"""Words, the last ones, from which values are taken; a grammar grows with each."""

_MOST_ITEMS: Final = 8
_SURROUNDINGS: Final = " .,;:!?\"'()[]{}\u201c\u201d\u2018\u2019«»"
_FREE: Final = frozenset({"title", "description", "type", "nullable", "default", "maxLength"})
"""The keywords of a string that may be any; with others, its form is not that of speech."""

_EXAMPLES: Final = """\
Extract the arguments of each function from what the user says.

# make_call: Call a person on the phone. person: string, minutes: integer
User: Please call Tom for 15 minutes.
JSON: {"person": "Tom", "minutes": 15}

# find_recipe: Find a recipe. dish: string, kind: "sweet" or "salty"
User: How do I cook a sweet apple pie?
JSON: {"dish": "apple pie", "kind": "sweet"}

# find_train: Find a train from one town to another. origin: string, destination: string, direct: boolean
User: I have to go from Rome to Milan without a change.
JSON: {"origin": "Rome", "destination": "Milan", "direct": true}

# send_text: Send a message to a person. person: string, text: string
User: Tell Lucy that dinner is ready.
JSON: {"person": "Lucy", "text": "dinner is ready"}
"""


def to_arguments_form(function: protos.FunctionDeclaration, said: str) -> Form:
    """The form of a function's arguments.

    Raises:
        InvalidArgument: Its parameters are given twice, or are no object.
    """
    schema = _parameters(function)
    of = f"the parameters of the function {function.name}"
    return Form("", to_rule(spoken(schema, said)), of=of, untold=to_rule(schema))


def to_arguments_prompt(function: protos.FunctionDeclaration, said: str) -> Transcript:
    """The prompt to continue with the arguments."""
    named = ", ".join(_named(name, schema) for name, schema in _parameters(function)["properties"].items())
    task = " ".join(f"{function.name}: {function.description.strip().partition(chr(10) * 2)[0]} {named}".split())
    return Transcript(f"{_EXAMPLES}\n# {task}\nUser: {' '.join(said.split())}\nJSON:", ())


def to_call(function: protos.FunctionDeclaration, written: str, call_id: str) -> protos.FunctionCall:
    """The call with the arguments that a model wrote, whole."""
    call = protos.FunctionCall(id=call_id, name=function.name)
    call.args.update(json.loads(written))
    return call


def spoken(schema: JSONSchema, said: str) -> JSONSchema:
    """The schema with its free strings bound to words that were said, and its enums to names that were."""
    match schema:
        case {"enum": [*names]}:
            heard = [name for name in names if isinstance(name, str) and name and name.lower() in said.lower()]
            return {**schema, "enum": heard or names}
        case {"type": "string"} if schema.keys() <= _FREE:
            spans = [span for span in _spans(said) if len(span) <= schema.get("maxLength", len(span))]
            return {"type": "string", "enum": spans} if spans else schema
        case {"type": "array", "items": dict()}:
            return {"maxItems": max(_MOST_ITEMS, schema.get("minItems", 0)), **_inside(schema, said)}
        case _:
            return _inside(schema, said)


def _inside(schema: JSONSchema, said: str) -> JSONSchema:
    def told(keyword: str, value: Any) -> Any:
        match keyword, value:
            case "items", dict():
                return spoken(value, said)
            case (("anyOf" | "oneOf"), [*schemas]):
                return [spoken(one, said) if isinstance(one, dict) else one for one in schemas]
            case (("properties" | "$defs" | "definitions"), dict()):
                return {name: spoken(one, said) if isinstance(one, dict) else one for name, one in value.items()}
            case _:
                return value

    return {keyword: told(keyword, value) for keyword, value in schema.items()}


def _spans(said: str) -> list[str]:
    """Each run of words, without the punctuation and the genitive at its ends."""
    words = said.split()[-_MOST_WORDS:]
    runs = (
        " ".join(words[start:end]).strip(_SURROUNDINGS)
        for start in range(len(words))
        for end in range(start + 1, min(start + _LONGEST, len(words)) + 1)
    )
    return [span for span in dict.fromkeys(one for run in runs for one in (run, run.removesuffix("'s"))) if span]


def _parameters(function: protos.FunctionDeclaration) -> JSONSchema:
    """A function's parameters as JSON Schema, with `properties`."""
    match [field for field in ("parameters", "parameters_json_schema") if function.HasField(field)]:
        case []:
            schema: Any = {}
        case ["parameters"]:
            schema = to_json_schema(function.parameters)
        case ["parameters_json_schema"]:
            schema = to_plain(function.parameters_json_schema)
        case _:
            raise InvalidArgument(f"{function.name} has parameters and parameters_json_schema; give one of them")
    if not isinstance(schema, dict) or schema.get("type", "object") != "object":
        raise InvalidArgument(f"the parameters of {function.name} are {json.dumps(schema)}; give those of an object")
    return {"type": "object", "properties": {}, **schema}


def _named(name: str, schema: Any) -> str:
    plain = schema if isinstance(schema, dict) else {}
    names, kind = plain.get("enum"), plain.get("type")
    said = " or ".join(json.dumps(one, ensure_ascii=False) for one in names) if names else kind or "any"
    words = f" ({plain['description']})" if plain.get("description") else ""
    return f"{name}: {' or '.join(said) if isinstance(said, list) else said}{words}"
