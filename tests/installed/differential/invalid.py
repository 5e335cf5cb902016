"""Invalid expressions."""

from __future__ import annotations

from typing import Final

__all__ = ["CONFIG", "CONTENT", "SAFETY", "TOOLS", "TOOL_CONFIG"]

CONTENT: Final = (
    *("None", "''", "[]", "{}", "()", "3", "[3]", "[None]", "[['a']]", "b'abc'", "object()", "{'txt': 'Hi'}"),
    *("{'parts': None}", "{'parts': 3}", "{'text': 3}", "[{'parts': 'Hi'}, 'Hi']", "['Hi', {'parts': ['Hi']}]"),
    *("{'text': 'Hi', 'inline_data': {'mime_type': 'image/png', 'data': b''}}", "{'inline_data': 'Hi'}"),
    *("{'file_data': 'Hi'}", "{'mime_type': 'image/png'}", "{'mime_type': 'image/png', 'data': b'', 'x': 1}"),
    *("{'parts': 'Hi', 'who': 'user'}", "{'inline_data': {'mime_type': 'image/png'}}", "protos.Content()"),
    *("protos.Part()", "[protos.Part()]", "protos.Tool()", "{'mime_type': 3, 'data': b''}", "{'parts': []}"),
    *("{'function_call': {'name': 'f', 'arguments': {}}}", "{'function_call': 'f'}", "{'parts': [3]}", "['']"),
    *("{'mime_type': 'image/png', 'data': 3}", "{'mime_type': 'image/png', 'data': 'é'}", "{'parts': ''}"),
)
CONFIG: Final = (
    *("3", "'hot'", "[]", "[('temperature', 1)]", "{'temperatur': 1}", "{'temperature': 'hot'}", "{'top_k': 1.5}"),
    *("{'stop_sequences': 3}", "{'response_schema': 3}", "{'response_schema': {'type': 'text'}}"),
    *(
        "{'response_schema': {'typ': 'string'}}",
        "genai.GenerationConfig(heat=3)",
        "{'response_schema': dict[str, int]}",
    ),
    *("{'candidate_count': 'two'}", "object()", "{'stop_sequences': [3]}", "{'response_schema': tuple[int, str]}"),
)
SAFETY: Final = (
    *("'lowish'", "17", "{'anger': 'low'}", "{'harassment': 'lowish'}", "{99: 1}", "{'harassment': 99}", "[3]"),
    *("[{'category': 'hate'}]", "[{'threshold': 'low'}]", "3.5", "{'harassment': None}", "['hate']", "{None: 'low'}"),
    *("[{'category': 'hate', 'threshold': 'lowish'}]", "[('hate', 'low')]", "{'civic_integrity': 'low'}", "'off'"),
)
TOOLS: Final = (
    *("3", "'python'", "[3]", "['python']", "{'nam': 'f'}", "{}", "object()", "[None]", "protos.Content()", "b'abc'"),
    *("[dict(name='f', description=''), dict(name='f', description='')]", "{'name': 'f', 'parameters': 3}"),
    *("types.FunctionDeclaration(description='f')", "types.Tool(function_declarations=3)"),
    *("types.Tool(function_declarations=[dict(name='f', description='')] * 2)", "types.Tool(search={})"),
    *("{'google_search_retrieval': {'dynamic_retrieval_config': {'mode': 'often'}}}", "{'google_search_retrieval': 3}"),
)
TOOL_CONFIG: Final = (
    *("3", "'any'", "{}", "[]", "{'function_calling_config': 'often'}", "{'function_calling_config': 17}"),
    *("{'function_calling_config': {}}", "{'function_calling_config': {'mode': None}}", "{'calling': 'any'}"),
    *("{'function_calling_config': None}", "{'function_calling_config': {'mode': 'any', 'names': []}}"),
    *("{'function_calling_config': 'any', 'retrieval': 1}", "{'function_calling_config': 1.5}"),
)
