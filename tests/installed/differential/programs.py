"""Print programs for google.generativeai, drawn by Hypothesis, as JSON: the area and the text of each.

recorder.py binds the names that they use. Hypothesis draws the same programs each time, as long as the source of
`draw`'s inner function stays the same.
"""

from __future__ import annotations

import json
import sys
from typing import Final

from hypothesis import HealthCheck, Phase, given, settings

from tests.installed.differential import invalid
from tests.installed.differential.behaviour import BEHAVIOUR
from tests.installed.differential.contents import IMAGES, content, contents, history
from tests.installed.differential.embeddings import EMBEDDINGS, INVALID_EMBEDDINGS
from tests.installed.differential.messages import MESSAGES
from tests.installed.differential.python_types import (
    FUNCTIONS,
    PARAMETERS,
    RESPONSES,
    TYPES,
    callable_tool,
    function,
    response_type,
)
from tests.installed.differential.settings import CATEGORIES, THRESHOLDS, generation_config, safety_settings
from tests.installed.differential.source import Source, arguments, fill, one
from tests.installed.differential.tools import CODE, MODES, SEARCHES, tool_config, tools


def program(*lines: str, **placeholders: Source) -> Source:
    """Draw a program of these lines, with each {placeholder} replaced."""
    return fill("\n".join(lines), **placeholders)


MODEL: Final = "model = genai.GenerativeModel('gemini-pro')"
CACHED: Final = "model = genai.GenerativeModel.from_cached_content('abc')"
ASK: Final = "model.generate_content('Hi')"
SEND: Final = "chat.send_message('And now?')"
HISTORY: Final = "observe(chat.history)"

options = arguments(
    generation_config=generation_config, safety_settings=safety_settings, tools=tools, tool_config=tool_config
)


def default_and_override(name: str, value: Source) -> Source:
    """Draw programs that pass an argument to the model, to the call, or to both."""
    model = f"model = genai.GenerativeModel('gemini-pro', {name}={{a}})"
    return one(
        program(model, ASK, a=value),
        program(MODEL, f"model.generate_content('Hi', {name}={{a}})", a=value),
        program(model, f"model.generate_content('Hi', {name}={{b}})", a=value, b=value),
    )


streams = program(
    MODEL,
    "response = model.generate_content({contents}, stream=True)",
    "observe([chunk.text for chunk in response])",
    contents=contents,
)
schemas = one(
    program(
        TYPES, MODEL, "model.generate_content('Hi', generation_config={{'response_schema': {it}}})", it=response_type
    ),
    program(
        TYPES,
        MODEL,
        "config = genai.GenerationConfig(response_mime_type='application/json', response_schema={it})",
        "model.generate_content('Hi', generation_config=config)",
        it=response_type,
    ),
)
functions = program(
    TYPES,
    "def book(day: str):\n    'Book it.'",
    "{function}",
    "model = genai.GenerativeModel('gemini-pro', tools={tool})",
    ASK,
    function=function,
    tool=callable_tool,
)
unchanged = program(
    "config = {a}",
    "model = genai.GenerativeModel('gemini-pro', tool_config=config)",
    ASK,
    "observe(config)",
    a=tool_config,
)
counts = one(
    program(MODEL, "observe(model.count_tokens({contents}))", contents=contents),
    program(MODEL, "observe(model.count_tokens({contents}, {options}))", contents=contents, options=options),
    program(
        "model = genai.GenerativeModel('gemini-pro', system_instruction='Be brief.', tools={tools})",
        "observe(model.count_tokens())",
        tools=tools,
    ),
    program(MODEL, "model.count_tokens()"),
)
all_options = program(
    "model = genai.GenerativeModel({name}, generation_config={config}, safety_settings={safety}, tools={tools},"
    " tool_config={tool_config}, system_instruction={instruction})",
    "model.generate_content({contents}, {options})",
    name=one("'gemini-pro'", "'models/other'"),
    config=generation_config,
    safety=safety_settings,
    tools=tools,
    tool_config=tool_config,
    instruction=content,
    contents=contents,
    options=options,
)
chats = one(
    program(
        MODEL,
        "chat = model.start_chat(history={history})",
        "chat.send_message({a})",
        HISTORY,
        history=history,
        a=content,
    ),
    program(
        MODEL,
        "chat = model.start_chat()",
        "chat.send_message({a})",
        "chat.send_message({b}, {options})",
        HISTORY,
        "observe(chat.rewind())",
        SEND,
        a=content,
        b=content,
        options=options,
    ),
    program(
        MODEL,
        "chat = model.start_chat()",
        "for chunk in chat.send_message({a}, stream=True): pass",
        SEND,
        "observe(chat.last.text)",
        HISTORY,
        a=content,
    ),
    program(
        "model = genai.GenerativeModel('gemini-pro', generation_config={{'candidate_count': {n}}})",
        "chat = model.start_chat()",
        "chat.send_message('Hi', generation_config={{'candidate_count': {m}}})",
        n=one("1", "2"),
        m=one("1", "2"),
    ),
)
# The recorder's server replies to "CALL name arguments" with that function call.
automatic_calls = program(
    "def find(city: str, n: float = 1):\n    'Find it.'\n    return {result}",
    "model = genai.GenerativeModel('gemini-pro', tools=[find])",
    "chat = model.start_chat(enable_automatic_function_calling=True)",
    "observe(chat.send_message({ask}).text)",
    HISTORY,
    result=one("city", "{'found': city}", "n", "[city, n]", "None"),
    ask=one(repr('CALL find {"city": "Ulm"}'), repr('CALL find {"city": "Ulm", "n": 2.5}'), "'Hi'"),
)
cache_options = one(
    arguments(
        contents=contents,
        system_instruction=content,
        tools=tools,
        tool_config=tool_config,
        display_name=one("'mine'", "'ö' * 128"),
    ),
    one(
        "ttl=60",
        "ttl=datetime.timedelta(minutes=5)",
        "ttl={'seconds': 7}",
        "expire_time=1_900_000_000",
        "expire_time={'seconds': 1_900_000_000}",
        "expire_time=datetime.datetime(2030, 1, 2, tzinfo=datetime.timezone.utc)",
        "ttl=60, expire_time=1",
        "display_name='x' * 129",
    ),
)
caches = one(
    program(
        "cache = caching.CachedContent.create('gemini-pro', {options})",
        "model = genai.GenerativeModel.from_cached_content(cache)",
        ASK,
        "observe(model.model_name)",
        options=cache_options,
    ),
    program(
        "model = genai.GenerativeModel.from_cached_content({name}, generation_config={a}, safety_settings={b})",
        "model.generate_content({contents})",
        "observe(model.cached_content)",
        name=one("'abc'", "'cachedContents/abc'"),
        a=generation_config,
        b=safety_settings,
        contents=contents,
    ),
    program(CACHED, "model.generate_content('Hi', {options})", options=options),
    program(CACHED, "model.count_tokens('Hi')"),
    program(CACHED, "chat = model.start_chat()", SEND),
)


def with_option(name: str, values: tuple[str, ...]) -> list[str]:
    """Return two programs for each value of an argument: passed to the model, and to the call."""
    return [
        text
        for value in values
        for text in (
            f"model = genai.GenerativeModel('gemini-pro', {name}={value})\n{ASK}",
            f"{MODEL}\nmodel.generate_content('Hi', {name}={value})",
        )
    ]


def with_contents(values: tuple[str, ...]) -> list[str]:
    """Return a program for each value in each place that accepts contents."""
    return [
        text
        for value in values
        for text in (
            f"{MODEL}\nmodel.generate_content({value})",
            f"{MODEL}\nmodel.count_tokens({value})",
            f"{MODEL}\nchat = model.start_chat()\nchat.send_message({value})",
            f"{MODEL}\nchat = model.start_chat(history={value})",
            f"model = genai.GenerativeModel('gemini-pro', system_instruction={value})\n{ASK}",
        )
    ]


# Programs that are always run, as other Pythons draw others. Every listed difference occurs in one of these.
FIXED: Final[dict[str, list[str]]] = {
    "models": [
        f"model = genai.GenerativeModel()\n{ASK}",
        f"model = genai.GenerativeModel('tunedModels/mine')\n{ASK}\nobserve(model.model_name)",
        f"model = genai.GenerativeModel(model_name='models/gemini-pro')\n{ASK}",
        f"model = genai.GenerativeModel('gemini-pro', 'low', {{'top_k': 3}}, 'code_execution')\n{ASK}",
    ],
    "images": [f"{MODEL}\nmodel.generate_content({image})" for image in IMAGES],
    "names of categories": [
        text for category in CATEGORIES for text in with_option("safety_settings", (f"{{{category}: 'low'}}",))
    ],
    "names of thresholds": with_option("safety_settings", THRESHOLDS),
    "names of modes": with_option("tool_config", tuple(f"{{'function_calling_config': {mode}}}" for mode in MODES)),
    "tools of the service": with_option("tools", (*SEARCHES, *CODE)),
    "defaults overridden": [
        "model = genai.GenerativeModel('gemini-pro', generation_config={'temperature': 1, 'stop_sequences': ['x']})\n"
        f"model.generate_content('Hi', generation_config={value})"
        for value in ("{'temperature': None}", "protos.GenerationConfig(top_k=3)", "genai.GenerationConfig(top_k=3)")
    ],
    "types of responses": [
        f"{TYPES}\n{MODEL}\nmodel.generate_content('Hi', generation_config={{'response_schema': {it}}})"
        for it in RESPONSES
    ],
    "types of parameters": [
        f"{TYPES}\ndef find(city: {it}): pass\n{MODEL}\nmodel.generate_content('Hi', tools={tools_})"
        for it in PARAMETERS
        for tools_ in ("[find]", "[[find]]")
    ],
    "functions of every kind": [f"{it}\n{MODEL}\nmodel.generate_content('Hi', tools=[find])" for it in FUNCTIONS],
    "conveniences": [
        f"{MODEL}\nmodel.generate_content({value})"
        for value in (
            "iter(['Hi', 'there'])",
            "{'parts': {'text': 'Hi'}}",
            "{'parts': Image.new('L', (4, 1), 77)}",
            "'Hi', tools={'name': 'find', 'description': '', 'parameters': {'type': 'object'}}",
            "'Hi', tools=types.FunctionDeclaration(name='f', description='', parameters=protos.Schema(type='OBJECT'))",
        )
    ],
    "dict of the caller": [
        "config = {'function_calling_config': 'any'}\n"
        f"model = genai.GenerativeModel('gemini-pro', tool_config=config)\n{ASK}\nobserve(config)"
    ],
    **BEHAVIOUR,
    **EMBEDDINGS,
    **MESSAGES,
    **INVALID_EMBEDDINGS,
    "invalid contents": with_contents(invalid.CONTENT),
    "invalid configs": with_option("generation_config", invalid.CONFIG),
    "invalid safety settings": with_option("safety_settings", invalid.SAFETY),
    "invalid tools": with_option("tools", invalid.TOOLS),
    "invalid tool configs": with_option("tool_config", invalid.TOOL_CONFIG),
}

# How many programs to draw of each area; duplicates are dropped.
AREAS: Final[dict[str, tuple[int, Source]]] = {
    "contents": (150, program(MODEL, "model.generate_content({contents})", contents=contents)),
    "streams": (10, streams),
    "system instructions": (
        25,
        program("model = genai.GenerativeModel('gemini-pro', system_instruction={content})", ASK, content=content),
    ),
    "generation configs": (70, default_and_override("generation_config", generation_config)),
    "response schemas": (50, schemas),
    "safety settings": (60, default_and_override("safety_settings", safety_settings)),
    "tools": (90, default_and_override("tools", tools)),
    "functions": (100, functions),
    "tool configs": (30, one(unchanged, default_and_override("tool_config", tool_config))),
    "counts": (40, counts),
    "all options": (40, all_options),
    "chats": (60, chats),
    "automatic function calls": (12, automatic_calls),
    "caches": (40, caches),
}


def draw(area: str) -> list[str]:
    """Draw the distinct programs of an area, the same ones each time."""
    number, strategy = AREAS[area]
    drawn: dict[str, None] = {}

    # Only generation: there is nothing to shrink or replay, and no health check applies.
    @settings(
        max_examples=number,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def keep(text: str) -> None:
        drawn[text] = None

    keep()
    return list(drawn)


if __name__ == "__main__":
    programs = FIXED | {area: draw(area) for area in AREAS}
    json.dump([{"area": area, "text": text} for area, texts in programs.items() for text in texts], sys.stdout)
