"""Intended differences between the packages: each edits a program's recorded runs until they are equal."""

from __future__ import annotations

import inspect
import io
import re
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

import PIL.Image

from genai_grpc import protos
from tests.installed.differential.runs import Program, Run

__all__ = ["DIFFERENCES", "OUTCOME_DIFFERENCES", "normalise"]

EMPTY: Final = protos.Schema()


def default_model(program: Program) -> None:
    """The default model is gemini-pro here, a name that every local server has."""
    if "GenerativeModel()" in program.text:
        for request in program.theirs.generate_requests():
            request.model = request.model.replace("models/gemini-1.5-flash-002", "models/gemini-pro")


def absent_generation_config(program: Program) -> None:
    """Without a setting the generation config is absent here; there it is empty."""
    for request in program.theirs.generate_requests():
        if not request.generation_config.ListFields():
            request.ClearField("generation_config")


def webp_settings(program: Program) -> None:
    """WebP is encoded with a faster setting here; the image is as lossless."""
    for run in program.runs:
        for blob in run.blobs():
            if blob.mime_type == "image/webp":
                blob.data = decoded_image(blob.data)


def changed_image(program: Program) -> None:
    """An image that was changed after opening is sent with the change; there the unchanged file is sent."""
    if re.search(r"with_red_corner\(Image.open", program.text):
        for theirs, ours in zip(program.theirs.blobs(), program.ours.blobs(), strict=True):
            if theirs.mime_type != ours.mime_type == "image/webp":
                theirs.CopyFrom(ours)


def default_role(program: Program) -> None:
    """A last turn without a role gets the role user everywhere; there not in histories and counts."""
    for theirs, ours in zip(program.theirs.turns(), program.ours.turns(), strict=False):
        if not theirs.role and ours.role == "user":
            theirs.role = "user"


def part_dict_as_parts(program: Program) -> None:
    """A dict as `parts` is a part; there its keys are taken as texts."""
    if "'parts': {'text': 'Hi'}" in program.text:
        for theirs in program.theirs.turns():
            for part in theirs.parts:
                if part.text == "text":
                    part.text = "Hi"


def first_of_iterator(program: Program) -> None:
    """An iterator of parts is read once; there its first part is lost in the check for turns."""
    if "iter([" in program.text:
        for theirs, ours in zip(program.theirs.turns(), program.ours.turns(), strict=False):
            if list(theirs.parts) == list(ours.parts)[1:]:
                theirs.CopyFrom(ours)


def unset_message_fields(program: Program) -> None:
    """Unset fields of a GenerationConfig message keep the default; there they erase it, with an empty schema."""
    if "protos.GenerationConfig(" in program.text:
        for theirs, ours in zip(program.theirs.generate_requests(), program.ours.generate_requests(), strict=False):
            for field in "stop_sequences", "response_mime_type", "response_schema":
                if not getattr(theirs.generation_config, field) or theirs.generation_config.response_schema == EMPTY:
                    theirs.generation_config.ClearField(field)
                    theirs.generation_config.MergeFrom(only(ours.generation_config, field))


def none_in_dict(program: Program) -> None:
    """None in a dict means absent, as everywhere; there it erases the default."""
    if "{'temperature': None" in program.text:
        for theirs, ours in zip(program.theirs.generate_requests(), program.ours.generate_requests(), strict=False):
            if not theirs.generation_config.HasField("temperature"):
                theirs.generation_config.MergeFrom(only(ours.generation_config, "temperature"))


def required(program: Program) -> None:
    """Nested objects and response schemas list their required properties; there only functions do."""
    for theirs, ours in schemas(program):
        if not theirs.required:
            theirs.required.extend(ours.required)


def property_ordering(program: Program) -> None:
    """The order of the fields is sent, which a map of properties cannot express."""
    for theirs, ours in schemas(program):
        if not theirs.property_ordering:
            theirs.property_ordering.extend(ours.property_ordering)


def docstrings(program: Program) -> None:
    """A docstring is sent without its indentation, and its description of a parameter with the parameter."""
    for their_function, our_function in declarations(program):
        if inspect.cleandoc(their_function.description) == our_function.description:
            their_function.description = our_function.description
    for theirs, ours in schemas(program):
        if not theirs.description and f": {ours.description}" in program.text:
            theirs.description = ours.description


def unchanged_tool_config(program: Program) -> None:
    """The caller's tool_config is unchanged; there its dict is modified."""
    if program.text.startswith("config = ") and len(program.theirs.observed) == len(program.ours.observed) == 1:
        program.theirs.observed = program.ours.observed


def newer_fields(program: Program) -> None:
    """Models and messages have what the wire has gained: the fields are at their defaults here, and Type has NULL."""
    rewrite(program.ours, r",\s*thinking=False", "")
    rewrite(program.ours, r",\s*learning_rate_multiplier=0.0", "")
    for item in records(program.ours.observed):
        for name in "thinking", "learning_rate_multiplier", "thought", "thought_signature":
            if not item.get(name, True):
                del item[name]
    if "protos.Type" in program.text:
        program.ours.observed = [
            item[:-1] if isinstance(item, list) and item[-1] == "NULL" else item for item in program.ours.observed
        ]


def json_schemas(program: Program) -> None:
    """Types that a Schema cannot express, and empty schemas, are sent as JSON Schema; there they lose what they say."""
    for theirs, ours in declarations(program):
        if not ours.HasField("parameters_json_schema") or not any(map(is_vague, nested(theirs.parameters))):
            continue
        declared = ours.parameters_json_schema.struct_value.fields["properties"].struct_value
        if theirs.parameters.properties.keys() == declared.fields.keys():
            theirs.ClearField("parameters")
            theirs.parameters_json_schema.CopyFrom(ours.parameters_json_schema)


def is_vague(schema: protos.Schema) -> bool:
    """Whether a schema does not say what a value is: it has no type, or is an object or array of anything."""
    if schema.type == protos.Type.OBJECT:
        return not schema.properties
    return not schema.type or (schema.type == protos.Type.ARRAY and is_vague(schema.items))


def nested(schema: protos.Schema) -> Iterator[protos.Schema]:
    """A schema and those nested in it."""
    yield schema
    for inner in schema.properties.values():
        yield from nested(inner)
    if schema.HasField("items"):
        yield from nested(schema.items)


def project_numbers(program: Program) -> None:
    """The numbers of projects are ints; there they are strings, as in JSON."""
    rewrite(program.theirs, r"reader_project_numbers=\['7'\]", "reader_project_numbers=[7]")
    for item in records(program.theirs.observed):
        if item.get("reader_project_numbers") == ["7"]:
            item["reader_project_numbers"] = [7]


def repr_of_stream(program: Program) -> None:
    """The repr of a stream names our class of iterators, and shows what the service sent; there empty fields, too."""
    rewrite(program.theirs, "_StreamingResponseIterator", "_Stream")
    rewrite(program.theirs, r',\s*"(citation_metadata|prompt_feedback)": \{\}', "")


def repr_of_history(program: Program) -> None:
    """The repr of a chat has the number of its turns; there it has all of them."""
    rewrite(program.theirs, r"history=\[.*\]", lambda turns: f"history=<{turns[0].count('protos.Content(')} turns>")


DIFFERENCES: Final[tuple[Callable[[Program], None], ...]] = (
    default_model,
    absent_generation_config,
    webp_settings,
    changed_image,
    default_role,
    part_dict_as_parts,
    first_of_iterator,
    unset_message_fields,
    none_in_dict,
    required,
    property_ordering,
    docstrings,
    unchanged_tool_config,
    newer_fields,
    json_schemas,
    project_numbers,
    repr_of_stream,
    repr_of_history,
)


class OutcomeDifference(NamedTuple):
    """A difference in the outcome of programs: a pattern for each error ("$": none), and why ours is right."""

    theirs: str
    ours: str
    reason: str
    earlier: bool = False

    def explains(self, program: Program) -> bool:
        """Whether a program has this difference; of two errors at the same statement, or ours at an earlier one."""
        theirs, ours = program.runs
        if not (re.match(self.theirs, theirs.outcome) and re.match(self.ours, ours.outcome)):
            return False
        if theirs.error is None or ours.error is None:
            return True
        if self.earlier:
            return ours.error.statement < theirs.error.statement
        return ours.error.statement == theirs.error.statement and ours.error.builtin != theirs.error.builtin

    def accept(self, program: Program) -> None:
        """Drop the errors, and everything that only one of the runs did."""
        requests = min(len(run.requests) for run in program.runs)
        observed = min(len(run.observed) for run in program.runs)
        for run in program.runs:
            run.error = None
            del run.requests[requests:], run.observed[observed:]


OUTCOME_DIFFERENCES: Final = (
    # Both raise.
    OutcomeDifference(r"KeyError: ", r"(Value|Type)Error: ", "a KeyError names only the key, ours the possible ones"),
    OutcomeDifference(
        r"ValueError: ",
        r"TypeError: .* must not be empty",
        "empty values are a TypeError everywhere, as in contents there",
    ),
    OutcomeDifference(
        r"ValueError: Could not understand safety", r"TypeError: ", "a value of no accepted type is a TypeError"
    ),
    OutcomeDifference(
        r"\w+Error: ", r"(Type|Value)Error: ", "a wrong default fails in the constructor, not in the call", earlier=True
    ),
    OutcomeDifference(
        r"AttributeError: 'int' object has no attribute 'copy'",
        r"TypeError: ",
        "a defect there; here the wrong type is reported",
    ),
    OutcomeDifference(
        r"TypeError: .* unexpected keyword argument 'search'",
        r"ValueError: ",
        "an unknown field is reported with the known ones",
    ),
    OutcomeDifference(
        r"RetryError: Timeout of",
        r"ServiceUnavailable: ",
        "when the timeout of a retry policy ends the retries, the error of the last attempt is raised",
    ),
    # Only ours raises.
    OutcomeDifference(
        r"$", r"TypeError: Blob.data takes bytes; got str, which", "invalid base64 is silently skipped there"
    ),
    OutcomeDifference(
        r"$",
        r"ValueError: cannot tell what the tool with the keys \[\]",
        "an empty dict is a function without a name there",
    ),
    OutcomeDifference(
        r"$", r"TypeError: (does not support assignment|Expected a message object)", "protobuf's own repeated fields"
    ),
    # Only theirs raises.
    OutcomeDifference(r"ValueError: .*Type Unions are not supported", r"$", "a Union becomes any_of"),
    OutcomeDifference(
        r"TypeError: .*Expected an instance of `genai.ToolType`",
        r"$|ValueError: two functions",
        "more forms of function declarations are accepted",
    ),
    OutcomeDifference(
        r"KeyError: '(object|string)'", r"$", "the types of a schema dict are case-insensitive everywhere"
    ),
    OutcomeDifference(
        r"AttributeError: Unknown field for Schema: copy", r"$", "a dict may contain messages, including a Schema"
    ),
    OutcomeDifference(
        r"TypeError: '(\w*Image\w*|Part)' object is not iterable", r"$", "a single part is equivalent to a list of one"
    ),
    OutcomeDifference(r"ValueError: Unknown field for Schema: \$ref", r"$", "nested types are described at any depth"),
    OutcomeDifference(r"ValueError: Unknown field for Schema: default", r"$", "a field with a default is not required"),
    OutcomeDifference(
        r"ValueError: .*(Could not understand the type of '(dict|tuple)|Schema: maxItems)",
        r"$",
        "more types have schemas",
    ),
    OutcomeDifference(r"TypeError: unbound method list.copy", r"$", "typing.List is equivalent to list"),
    OutcomeDifference(
        r"TypeError: bad argument type for built-in operation", r"$", "an Enum may have values other than strings"
    ),
    OutcomeDifference(r"KeyError: (17|99)$", r"$", "a number may be an enum value newer than this package"),
    OutcomeDifference(r"KeyError: '(civic_integrity|off)'", r"$", "newer categories and thresholds have names"),
    OutcomeDifference(
        r"KeyError: ('mode'|'function_calling_config'|None)|TypeError: .*`protos.FunctionCallingConfig`",
        r"$",
        "keys that a dict omits, or that are None, are unset",
    ),
    OutcomeDifference(r"TypeError: argument of type 'Model'", r"$", "a model is also accepted in place of its name"),
    OutcomeDifference(r"TypeError: (no default __reduce__|cannot pickle)", r"$", "models and chats can be copied"),
    OutcomeDifference(r"AttributeError: .*has no attribute 'from_json'", r"$", "histories are saved as JSON"),
    OutcomeDifference(
        r"ValueError: .*'content' argument must not be empty", r"$", "an empty history of any type is an absent history"
    ),
)


def rewrite(run: Run, pattern: str, replacement: str | Callable[[re.Match[str]], str]) -> None:
    """Replace a pattern in the texts that a program observed."""
    run.observed = [re.sub(pattern, replacement, item) if isinstance(item, str) else item for item in run.observed]


def records(observed: object) -> Iterator[dict[str, Any]]:
    """The dicts that a program observed, nested ones included."""
    if isinstance(observed, dict):
        yield observed
        observed = list(observed.values())
    if isinstance(observed, list):
        for item in observed:
            yield from records(item)


def only(config: protos.GenerationConfig, field: str) -> protos.GenerationConfig:
    """Return a copy of a config with only this field."""
    copied = protos.GenerationConfig.FromString(config.SerializeToString())
    for other, _ in copied.ListFields():
        if other.name != field:
            copied.ClearField(other.name)  # type: ignore[arg-type]  # the stubs list the names
    return copied


def declarations(program: Program) -> Iterator[tuple[protos.FunctionDeclaration, protos.FunctionDeclaration]]:
    """Pair the functions declared in both runs."""
    for theirs, ours in zip(program.theirs.generate_requests(), program.ours.generate_requests(), strict=False):
        for their_tool, our_tool in zip(theirs.tools, ours.tools, strict=False):
            yield from zip(their_tool.function_declarations, our_tool.function_declarations, strict=False)


def schemas(program: Program) -> Iterator[tuple[protos.Schema, protos.Schema]]:
    """Pair the schemas of both runs, nested ones included."""
    for theirs, ours in zip(program.theirs.generate_requests(), program.ours.generate_requests(), strict=False):
        if ours.generation_config.HasField("response_schema"):
            yield from nested_schemas(theirs.generation_config.response_schema, ours.generation_config.response_schema)
    for their_function, our_function in declarations(program):
        if our_function.HasField("parameters"):
            yield from nested_schemas(their_function.parameters, our_function.parameters)


def nested_schemas(theirs: protos.Schema, ours: protos.Schema) -> Iterator[tuple[protos.Schema, protos.Schema]]:
    """Pair two schemas, and those nested in them."""
    yield theirs, ours
    for name in theirs.properties.keys() & ours.properties.keys():
        yield from nested_schemas(theirs.properties[name], ours.properties[name])
    if theirs.HasField("items") and ours.HasField("items"):
        yield from nested_schemas(theirs.items, ours.items)


def decoded_image(data: bytes) -> bytes:
    """Return the size and the pixels of an image; a fully transparent pixel has no colour."""
    image = PIL.Image.open(io.BytesIO(data)).convert("RGBA")
    raw = image.tobytes()
    pixels = (raw[start : start + 4] for start in range(0, len(raw), 4))
    return repr(image.size).encode() + b"".join(pixel if pixel[3] else bytes(4) for pixel in pixels)


def normalise(program: Program) -> set[str]:
    """Apply the listed differences until both runs are equal; return the names of those that applied."""
    applied = set()
    if outcome := next((outcome for outcome in OUTCOME_DIFFERENCES if outcome.explains(program)), None):
        outcome.accept(program)
        applied.add(outcome.reason)
    for difference in DIFFERENCES:
        before = [run.lines() for run in program.runs]
        if before[0] == before[1]:
            break
        difference(program)
        if before != [run.lines() for run in program.runs]:
            applied.add(difference.__name__)
    return applied
