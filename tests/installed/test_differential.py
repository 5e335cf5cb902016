"""Programs for google.generativeai mean the same with our package: hundreds run with both, compared by field."""

from __future__ import annotations

import base64
import inspect
import io
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from difflib import unified_diff
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import PIL.Image
import pytest
from google.protobuf import text_format

from genai_grpc import protos

if TYPE_CHECKING:
    from tests.installed.conftest import MakeVenv

pytestmark = [pytest.mark.venv, pytest.mark.timeout(600)]

EMPTY: Final = protos.Schema()
HERE: Final = Path(__file__).with_name("differential")
FEWEST: Final = 300


@dataclass
class Refusal:
    """The error that ended a program: the number of its statement, its classes' names, its first line."""

    statement: int
    kinds: tuple[str, ...]
    words: str

    @property
    def family(self) -> str:
        """The class that a program would catch."""
        return next((kind for kind in self.kinds if kind in FAMILIES), self.kinds[0])


FAMILIES: Final = ("TypeError", "KeyError", "ValueError", "AttributeError", "NotImplementedError")


@dataclass
class Run:
    """What a program did with one of the packages."""

    requests: list[Any]
    observed: list[Any]
    refusal: Refusal | None

    @property
    def ending(self) -> str:
        """Its error in one line; "" if it had none."""
        return "" if self.refusal is None else f"{self.refusal.kinds[0]}: {self.refusal.words}"

    def says(self) -> list[str]:
        """All that is compared, line by line."""
        lines = [
            line
            for request in self.requests
            for line in (f"== {request.DESCRIPTOR.name}", *text_format.MessageToString(request).splitlines())
        ]
        lines += [f"observed: {line}" for item in self.observed for line in str(item).splitlines()]
        if self.refusal is not None:
            lines.append(f"statement {self.refusal.statement} raises {self.refusal.family}")
        return lines

    def generating(self) -> Iterator[protos.GenerateContentRequest]:
        """Its requests for content, those that only count it included."""
        for request in self.requests:
            if isinstance(request, protos.GenerateContentRequest):
                yield request
            elif isinstance(request, protos.CountTokensRequest):
                yield request.generate_content_request

    def histories(self) -> Iterator[protos.Content]:
        """The turns that it observed."""
        for item in self.observed:
            yield from (turn for turn in (item if isinstance(item, list) else ()) if isinstance(turn, protos.Content))

    def turns(self) -> Iterator[protos.Content]:
        """The turns that it sent, and those that it observed."""
        for request in self.generating():
            yield from request.contents
        yield from self.histories()

    def blobs(self) -> Iterator[protos.Blob]:
        """The data that it sent, and what it observed."""
        for message in (*self.requests, *self.histories()):
            yield from (found for found in messages(message) if isinstance(found, protos.Blob))


@dataclass
class Program:
    """A program, and what it did with each package."""

    area: str
    text: str
    theirs: Run
    ours: Run

    @property
    def runs(self) -> tuple[Run, Run]:
        """Both runs."""
        return self.theirs, self.ours


def default_model(program: Program) -> None:
    """The contract's default is gemini-pro, the name that every local server answers to."""
    if "GenerativeModel()" in program.text:
        for request in program.theirs.generating():
            request.model = request.model.replace("models/gemini-1.5-flash-002", "models/gemini-pro")


def no_generation_config(program: Program) -> None:
    """Without a setting there is no generation config here; there it was an empty one."""
    for request in program.theirs.generating():
        if not request.generation_config.ListFields():
            request.ClearField("generation_config")


def pixels(program: Program) -> None:
    """WebP is written with a faster setting here; the picture is as lossless."""
    for run in program.runs:
        for blob in run.blobs():
            if blob.mime_type == "image/webp":
                blob.data = picture(blob.data)


def changed_image(program: Program) -> None:
    """An image changed since it was opened is sent as it is now; there it was the file, without the change."""
    if re.search(r"painted\(Image.open", program.text):
        for theirs, ours in zip(program.theirs.blobs(), program.ours.blobs(), strict=True):
            if theirs.mime_type != ours.mime_type == "image/webp":
                theirs.CopyFrom(ours)


def last_role(program: Program) -> None:
    """A last turn without a role becomes the user's wherever turns are taken; there not in histories and counts."""
    for theirs, ours in zip(program.theirs.turns(), program.ours.turns(), strict=False):
        if not theirs.role and ours.role == "user":
            theirs.role = "user"


def part_dict_as_parts(program: Program) -> None:
    """A dict as `parts` is a part; there its keys were taken for texts."""
    if "'parts': {'text': 'Hi'}" in program.text:
        for theirs in program.theirs.turns():
            for part in theirs.parts:
                if part.text == "text":
                    part.text = "Hi"


def first_of_iterator(program: Program) -> None:
    """An iterator of parts is read once; there its first part was lost in the look whether they are turns."""
    if "iter([" in program.text:
        for theirs, ours in zip(program.theirs.turns(), program.ours.turns(), strict=False):
            if list(theirs.parts) == list(ours.parts)[1:]:
                theirs.CopyFrom(ours)


def unset_in_a_message(program: Program) -> None:
    """What a GenerationConfig message leaves unset keeps the default; there it erased these, with an empty schema."""
    if "protos.GenerationConfig(" in program.text:
        for theirs, ours in zip(program.theirs.generating(), program.ours.generating(), strict=False):
            for field in "stop_sequences", "response_mime_type", "response_schema":
                if not getattr(theirs.generation_config, field) or theirs.generation_config.response_schema == EMPTY:
                    theirs.generation_config.ClearField(field)
                    theirs.generation_config.MergeFrom(only(ours.generation_config, field))


def none_in_a_dict(program: Program) -> None:
    """A None in a dict is absent, as everywhere; there it took back the default."""
    if "{'temperature': None" in program.text:
        for theirs, ours in zip(program.theirs.generating(), program.ours.generating(), strict=False):
            if not theirs.generation_config.HasField("temperature"):
                theirs.generation_config.MergeFrom(only(ours.generation_config, "temperature"))


def required(program: Program) -> None:
    """Objects inside others and response schemas say which properties they need; there only functions did."""
    for theirs, ours in schemas(program):
        if not theirs.required:
            theirs.required.extend(ours.required)


def property_ordering(program: Program) -> None:
    """The order of the fields is kept, which a map of properties cannot hold."""
    for theirs, ours in schemas(program):
        if not theirs.property_ordering:
            theirs.property_ordering.extend(ours.property_ordering)


def docstrings(program: Program) -> None:
    """A docstring comes without its indentation, and what it says of a parameter with the parameter."""
    for their_function, our_function in declarations(program):
        if inspect.cleandoc(their_function.description) == our_function.description:
            their_function.description = our_function.description
    for theirs, ours in schemas(program):
        if not theirs.description and f": {ours.description}" in program.text:
            theirs.description = ours.description


def tool_config_stays(program: Program) -> None:
    """The caller's tool_config is not changed; there its dict was rewritten."""
    if program.text.startswith("config = ") and len(program.theirs.observed) == len(program.ours.observed) == 1:
        program.theirs.observed = program.ours.observed


DIFFERENCES: Final[tuple[Callable[[Program], None], ...]] = (
    default_model,
    no_generation_config,
    pixels,
    changed_image,
    last_role,
    part_dict_as_parts,
    first_of_iterator,
    unset_in_a_message,
    none_in_a_dict,
    required,
    property_ordering,
    docstrings,
    tool_config_stays,
)


class Ending(NamedTuple):
    """A difference in how programs end: patterns of both errors ("$": there is none), and why ours is right."""

    theirs: str
    ours: str
    reason: str
    sooner: bool = False

    def explains(self, program: Program) -> bool:
        """Whether a program ends so: at the same statement if with two errors, or with ours at an earlier one."""
        theirs, ours = program.runs
        if not (re.match(self.theirs, theirs.ending) and re.match(self.ours, ours.ending)):
            return False
        if theirs.refusal is None or ours.refusal is None:
            return True
        if self.sooner:
            return ours.refusal.statement < theirs.refusal.statement
        return ours.refusal.statement == theirs.refusal.statement and ours.refusal.family != theirs.refusal.family

    def accept(self, program: Program) -> None:
        """Leave of a program what both did before its end."""
        sent = min(len(run.requests) for run in program.runs)
        seen = min(len(run.observed) for run in program.runs)
        for run in program.runs:
            run.refusal = None
            del run.requests[sent:], run.observed[seen:]


ENDINGS: Final = (
    # Both refuse.
    Ending(r"KeyError: ", r"(Value|Type)Error: ", "a KeyError says the key alone, ours what there is to choose from"),
    Ending(
        r"ValueError: ",
        r"TypeError: .* must not be empty",
        "nothing is of a wrong type everywhere, as in contents there",
    ),
    Ending(r"ValueError: Could not understand safety", r"TypeError: ", "what is of no accepted type is a TypeError"),
    Ending(
        r"\w+Error: ", r"(Type|Value)Error: ", "a wrong default is the constructor's error, not the call's", sooner=True
    ),
    Ending(
        r"AttributeError: 'int' object has no attribute 'copy'", r"TypeError: ", "a defect there, told as what it is"
    ),
    Ending(
        r"TypeError: .* unexpected keyword argument 'search'",
        r"ValueError: ",
        "what is no field is told with the fields",
    ),
    # Only ours refuses.
    Ending(r"$", r"TypeError: contents must not be empty", "a request that says nothing is refused before it is sent"),
    Ending(r"$", r"TypeError: Blob.data takes bytes; got str, which", "what is no base64 was skipped without a word"),
    Ending(
        r"$", r"ValueError: cannot tell what the tool with the keys \[\]", "an empty dict was a function without a name"
    ),
    # Only theirs refuses.
    Ending(r"ValueError: .*Type Unions are not supported", r"$", "a Union is any_of"),
    Ending(
        r"TypeError: .*Expected an instance of `genai.ToolType`",
        r"$|ValueError: two functions",
        "more functions can be declared",
    ),
    Ending(r"KeyError: '(object|string)'", r"$", "a schema's types are named in either case wherever a dict is taken"),
    Ending(r"AttributeError: Unknown field for Schema: copy", r"$", "a dict may hold messages, a Schema too"),
    Ending(r"TypeError: '(\w*Image\w*|Part)' object is not iterable", r"$", "a part is as good as a list of one"),
    Ending(r"ValueError: Unknown field for Schema: \$ref", r"$", "what is in a type is described however deep it is"),
    Ending(r"ValueError: Unknown field for Schema: default", r"$", "what has a default is not required"),
    Ending(
        r"ValueError: .*(Could not understand the type of '(dict|tuple)|Schema: maxItems)",
        r"$",
        "more types have schemas",
    ),
    Ending(r"TypeError: unbound method list.copy", r"$", "typing.List is as good as list"),
    Ending(r"TypeError: bad argument type for built-in operation", r"$", "an Enum may have other values than words"),
    Ending(r"KeyError: (17|99)$", r"$", "a number may be of a value newer than this package"),
    Ending(r"KeyError: '(civic_integrity|off)'", r"$", "newer categories and thresholds have names"),
    Ending(
        r"KeyError: ('mode'|'function_calling_config'|None)|TypeError: .*`protos.FunctionCallingConfig`",
        r"$",
        "what a dict leaves out, or is None, is unset",
    ),
    Ending(r"ValueError: .*'content' argument must not be empty", r"$", "an empty history of any type is no history"),
)


def messages(message: Any) -> Iterator[Any]:
    """A message and all those in it."""
    yield message
    for field, value in message.ListFields():
        if field.message_type is not None and not field.message_type.GetOptions().map_entry:
            for item in value if hasattr(value, "append") else [value]:
                yield from messages(item)


def only(config: protos.GenerationConfig, field: str) -> protos.GenerationConfig:
    """A config with nothing but this field of another."""
    kept = protos.GenerationConfig.FromString(config.SerializeToString())
    for other, _ in kept.ListFields():
        if other.name != field:
            kept.ClearField(other.name)  # type: ignore[arg-type]  # the stubs list the names
    return kept


def declarations(program: Program) -> Iterator[tuple[protos.FunctionDeclaration, protos.FunctionDeclaration]]:
    """The functions declared on both sides."""
    for theirs, ours in zip(program.theirs.generating(), program.ours.generating(), strict=False):
        for their_tool, our_tool in zip(theirs.tools, ours.tools, strict=False):
            yield from zip(their_tool.function_declarations, our_tool.function_declarations, strict=False)


def schemas(program: Program) -> Iterator[tuple[protos.Schema, protos.Schema]]:
    """The schemas on both sides, each with those in it."""
    for theirs, ours in zip(program.theirs.generating(), program.ours.generating(), strict=False):
        if ours.generation_config.HasField("response_schema"):
            yield from schemas_in(theirs.generation_config.response_schema, ours.generation_config.response_schema)
    for their_function, our_function in declarations(program):
        if our_function.HasField("parameters"):
            yield from schemas_in(their_function.parameters, our_function.parameters)


def schemas_in(theirs: protos.Schema, ours: protos.Schema) -> Iterator[tuple[protos.Schema, protos.Schema]]:
    """Two schemas, and those in them."""
    yield theirs, ours
    for name in theirs.properties.keys() & ours.properties.keys():
        yield from schemas_in(theirs.properties[name], ours.properties[name])
    if theirs.HasField("items") and ours.HasField("items"):
        yield from schemas_in(theirs.items, ours.items)


def picture(data: bytes) -> bytes:
    """The size and the pixels of an image; of a pixel that is quite transparent, only that it is."""
    image = PIL.Image.open(io.BytesIO(data)).convert("RGBA")
    raw = image.tobytes()
    pixels = (raw[start : start + 4] for start in range(0, len(raw), 4))
    return repr(image.size).encode() + b"".join(pixel if pixel[3] else bytes(4) for pixel in pixels)


def parse(kind: str, raw: str) -> Any:
    """The message of this name in our protos."""
    return getattr(protos, kind).FromString(base64.b64decode(raw))


def unpack(value: Any) -> Any:
    """What a program observed, messages as messages of ours."""
    match value:
        case {"message": kind, "bytes": raw}:
            return parse(kind, raw)
        case dict():
            return {key: unpack(item) for key, item in value.items()}
        case list():
            return [unpack(item) for item in value]
    return value


def to_run(recorded: Any) -> Run:
    """One package's side of what the recorder printed."""
    refusal = recorded["refusal"]
    return Run(
        requests=[
            parse(f"{request['method'].removeprefix('Stream')}Request", request["bytes"])
            for request in recorded["requests"]
        ],
        observed=[unpack(value) for value in recorded["observed"]],
        refusal=None if refusal is None else Refusal(refusal["statement"], tuple(refusal["kinds"]), refusal["words"]),
    )


def to_programs(recorded: str) -> list[Program]:
    """What the recorder printed."""
    return [
        Program(program["area"], program["text"], to_run(program["theirs"]), to_run(program["ours"]))
        for program in json.loads(recorded)
    ]


def normalise(program: Program) -> set[str]:
    """Apply the listed differences until both sides say the same; return those that were at work."""
    worked = set()
    if ending := next((ending for ending in ENDINGS if ending.explains(program)), None):
        ending.accept(program)
        worked.add(ending.reason)
    for difference in DIFFERENCES:
        before = [run.says() for run in program.runs]
        if before[0] == before[1]:
            break
        difference(program)
        if before != [run.says() for run in program.runs]:
            worked.add(difference.__name__)
    return worked


def describe(program: Program) -> str:
    """What is different about a program, for the reader of a failed test."""
    lines = unified_diff(program.theirs.says(), program.ours.says(), "theirs", "ours", lineterm="", n=3)
    endings = (f"theirs: {program.theirs.ending}", f"ours: {program.ours.ending}")
    return "\n".join([f"# {program.area}", program.text, *endings, *lines])


@pytest.fixture(scope="module")
def recorded(repository: Path, make_venv: MakeVenv, tmp_path_factory: pytest.TempPathFactory) -> str:
    """What the programs did with both packages, in one process of a venv that has both."""
    # Hypothesis is pinned: another release draws other programs.
    venv = make_venv(str(repository), "google-generativeai==0.8.6", "hypothesis==6.168.5", "pillow")
    folder = tmp_path_factory.mktemp("programs")
    drawn = folder / "programs.json"
    # They name each other from the repository down, and know nothing of either package.
    drawn.write_text(venv.run(str(HERE / "programs.py"), PYTHONPATH=str(repository)))
    return venv.run(str(HERE / "recorder.py"), str(drawn), str(folder))


def test_programs_mean_the_same(recorded: str) -> None:
    """What each program sends, observes and raises is the same with both packages, but for the listed differences."""
    programs = to_programs(recorded)
    assert len({program.text for program in programs}) >= FEWEST
    worked = set[str]().union(*map(normalise, programs))
    unexplained = [describe(program) for program in programs if program.theirs.says() != program.ours.says()]
    assert not unexplained, f"{len(unexplained)} of {len(programs)}:\n" + "\n\n".join(unexplained[:20])
    listed = {difference.__name__ for difference in DIFFERENCES} | {ending.reason for ending in ENDINGS}
    assert worked == listed, "a listed difference that no program shows"


def test_most_programs_run(recorded: str) -> None:
    """But for those with a mistake, nine of ten programs reach the server with both packages."""
    meant = [program for program in to_programs(recorded) if not program.area.startswith("mistakes")]
    ran = [program for program in meant if all(run.requests for run in program.runs)]
    assert len(ran) >= 0.9 * len(meant)
