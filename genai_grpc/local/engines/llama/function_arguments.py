"""Arguments of a function call: the grammar and the prompt with which a model extracts them from the user's text.

>>> restrict_to_text({"type": "string"}, "Rain in Oslo?")
{'type': 'string', 'enum': ['Rain', 'Rain in', 'Rain in Oslo', 'in', 'in Oslo', 'Oslo']}
"""

from __future__ import annotations

import json
from typing import Any, Final

from genai_grpc import protos
from genai_grpc.errors import InvalidArgument
from genai_grpc.local.engines.llama.output_grammar import (
    JSONSchema,
    OutputSchema,
    to_json_schema,
    to_python,
    to_rule,
)
from genai_grpc.local.engines.llama.prompt import Transcript

__all__ = [
    "describe_function",
    "parameters_of",
    "restrict_to_text",
    "to_arguments_prompt",
    "to_arguments_schema",
    "to_call",
]

_MAX_SPAN: Final = 8
"""Words of a value."""

_MAX_WORDS: Final = 64
"""Words at the end of the text from which values are taken; the grammar grows with each."""

_MAX_ITEMS: Final = 8
_PUNCTUATION: Final = " .,;:!?\"'()[]{}\u201c\u201d\u2018\u2019«»"
_FREE_TEXT_KEYWORDS: Final = frozenset({"title", "description", "type", "nullable", "default", "maxLength"})
"""The keywords of a string of free text; others, such as `format`, require what may not be in the user's words."""

_INSTRUCTION: Final = "Extract the arguments of each function from what the user says.\n"
_EXAMPLES: Final = """
# make_call: Call a person on the phone. person: string, minutes: integer
User: Please call the dentist for 15 minutes.
JSON: {"person": "the dentist", "minutes": 15}

# find_recipe: Find a recipe. dish: string, kind: "sweet" or "salty"
User: How do I cook a sweet apple pie?
JSON: {"dish": "apple pie", "kind": "sweet"}

# find_train: Find a train from one place to another. origin: string, destination: string, direct: boolean
User: I have to go from the harbour to the airport without a change.
JSON: {"origin": "the harbour", "destination": "the airport", "direct": true}

# send_text: Send a message to a person. person: string, text: string
User: Tell my sister that dinner is ready.
JSON: {"person": "my sister", "text": "dinner is ready"}
"""


def to_arguments_schema(function: protos.FunctionDeclaration, user_text: str) -> OutputSchema:
    """The schema of a function's arguments.

    Raises:
        InvalidArgument: Its parameters are given twice, or are not those of an object.
    """
    schema = parameters_of(function)
    return OutputSchema(
        format_hint="",
        rule=to_rule(restrict_to_text(schema, user_text)),
        source=f"the parameters of the function {function.name}",
        probe_rule=to_rule(schema),
    )


def to_arguments_prompt(function: protos.FunctionDeclaration, user_text: str, *, examples: bool = True) -> Transcript:
    """The prompt that the model continues with the arguments, after worked examples."""
    task = f"# {describe_function(function)}\nUser: {' '.join(user_text.split())}\nJSON:"
    return Transcript(f"{_INSTRUCTION}{_EXAMPLES if examples else ''}\n{task}", ())


def describe_function(function: protos.FunctionDeclaration) -> str:
    """A line with a function's name, the first paragraph of its description, and its parameters.

    Raises:
        InvalidArgument: Its parameters are given twice, or are not those of an object.
    """
    parameters = ", ".join(_describe(name, schema) for name, schema in parameters_of(function)["properties"].items())
    purpose = function.description.strip().partition("\n\n")[0]
    return " ".join(f"{function.name}: {purpose} {parameters}".split())


def to_call(function: protos.FunctionDeclaration, arguments: str, call_id: str) -> protos.FunctionCall:
    """The call of a function with complete arguments in JSON."""
    call = protos.FunctionCall(id=call_id, name=function.name)
    call.args.update(json.loads(arguments))
    return call


def restrict_to_text(schema: JSONSchema, user_text: str) -> JSONSchema:
    """Restrict strings of free text to words of the user's text, and enums to names in it, if there are any."""
    match schema:
        case {"enum": [*names]}:
            found = [name for name in names if isinstance(name, str) and name and name.lower() in user_text.lower()]
            return {**schema, "enum": found or names}
        case {"type": "string"} if schema.keys() <= _FREE_TEXT_KEYWORDS:
            spans = [span for span in _spans(user_text) if len(span) <= schema.get("maxLength", len(span))]
            return {"type": "string", "enum": spans} if spans else schema
        case {"type": "array", "items": dict()}:
            return {"maxItems": max(_MAX_ITEMS, schema.get("minItems", 0)), **_restrict_inside(schema, user_text)}
        case _:
            return _restrict_inside(schema, user_text)


def _restrict_inside(schema: JSONSchema, user_text: str) -> JSONSchema:
    def restrict(keyword: str, value: Any) -> Any:
        match keyword, value:
            case "items", dict():
                return restrict_to_text(value, user_text)
            case (("anyOf" | "oneOf"), [*schemas]):
                return [restrict_to_text(item, user_text) if isinstance(item, dict) else item for item in schemas]
            case (("properties" | "$defs" | "definitions"), dict()):
                return {
                    name: restrict_to_text(item, user_text) if isinstance(item, dict) else item
                    for name, item in value.items()
                }
            case _:
                return value

    return {keyword: restrict(keyword, value) for keyword, value in schema.items()}


def _spans(text: str) -> list[str]:
    """Every sequence of words, without punctuation at its ends, also without a possessive 's at the end."""
    words = text.split()[-_MAX_WORDS:]
    spans = (
        " ".join(words[start:end]).strip(_PUNCTUATION)
        for start in range(len(words))
        for end in range(start + 1, min(start + _MAX_SPAN, len(words)) + 1)
    )
    forms = dict.fromkeys(form for span in spans for form in (span, span.removesuffix("'s")))
    return [form for form in forms if form]


def parameters_of(function: protos.FunctionDeclaration) -> JSONSchema:
    """A function's parameters as JSON Schema, with `properties`."""
    match [field for field in ("parameters", "parameters_json_schema") if function.HasField(field)]:
        case []:
            schema: Any = {}
        case ["parameters"]:
            schema = to_json_schema(function.parameters)
        case ["parameters_json_schema"]:
            schema = to_python(function.parameters_json_schema)
        case _:
            raise InvalidArgument(f"{function.name} has parameters and parameters_json_schema; give one of them")
    if not isinstance(schema, dict) or schema.get("type", "object") != "object":
        raise InvalidArgument(f"the parameters of {function.name} are {json.dumps(schema)}; give those of an object")
    return {"type": "object", "properties": {}, **schema}


def _describe(name: str, schema: Any) -> str:
    """A parameter in the prompt, e.g. `kind: "sweet" or "salty" (of the dish)`."""
    keywords = schema if isinstance(schema, dict) else {}
    types = keywords.get("type") or "any"
    options = [json.dumps(value, ensure_ascii=False) for value in keywords.get("enum") or ()]
    options = options or [str(name) for name in (types if isinstance(types, list) else [types])]
    description = f" ({keywords['description']})" if keywords.get("description") else ""
    return f"{name}: {' or '.join(options)}{description}"
