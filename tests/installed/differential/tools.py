"""Expressions for tools and tool configs."""

from __future__ import annotations

from typing import Final

from tests.installed.differential.source import Source, fill, one

__all__ = ["CODE", "MODES", "SEARCHES", "tool_config", "tools"]

SEARCHES: Final = (
    "'google_search_retrieval'",
    "protos.GoogleSearchRetrieval()",
    "{'google_search_retrieval': {}}",
    "{'google_search_retrieval': {'dynamic_retrieval_config': {'mode': 'dynamic', 'dynamic_threshold': 0.5}}}",
    "{'google_search_retrieval': {'dynamic_retrieval_config': {'mode': 'unspecified'}}}",
    "{'google_search_retrieval': {'dynamic_retrieval_config': {'mode': 'MODE_DYNAMIC'}}}",
    "{'google_search_retrieval': {'dynamic_retrieval_config': {'mode': 1, 'dynamic_threshold': 0}}}",
    "{'google_search_retrieval': protos.GoogleSearchRetrieval()}",
    "protos.Tool(google_search_retrieval=protos.GoogleSearchRetrieval())",
    "types.Tool(google_search_retrieval={'dynamic_retrieval_config': {'mode': 'mode_dynamic'}})",
)
CODE: Final = (
    "'code_execution'",
    "'CODE_EXECUTION'",
    "protos.CodeExecution()",
    "{'code_execution': {}}",
    "protos.Tool(code_execution=protos.CodeExecution())",
    "types.Tool(code_execution=protos.CodeExecution())",
)
object_schema = one(
    "{'type': 'object', 'properties': {'city': {'type': 'string'}}, 'required': ['city']}",
    "{'type': 'OBJECT', 'properties': {'n': {'type': 'INTEGER', 'description': 'How many.'}}}",
    "{'type_': 'OBJECT', 'properties': {'a': {'type_': 'ARRAY', 'items': {'type_': 'NUMBER'}}}}",
)
object_message = one(
    "protos.Schema(type=protos.Type.OBJECT, properties={'city': protos.Schema(type=protos.Type.STRING)})",
)


def declaration(name: str) -> Source:
    """Draw a declaration of this name, in any form but the callable."""
    start = f"name='{name}', description='Says {name}.'"
    return one(
        f"types.FunctionDeclaration({start})",
        fill(f"types.FunctionDeclaration({start}, parameters={{schema}})", schema=object_schema),
        f"protos.FunctionDeclaration({start})",
        fill(f"protos.FunctionDeclaration({start}, parameters={{schema}})", schema=object_message),
        fill(f"dict({start}, parameters={{schema}})", schema=object_schema),
        fill(f"dict({start}, parameters={{schema}})", schema=object_message),
        f"dict({start})",
    )


def declared(name: str) -> Source:
    """Draw a tool that is, or has, one declaration of this name."""
    item = declaration(name)
    return one(
        item,
        fill("types.Tool(function_declarations=[{item}])", item=item),
        fill("{{'function_declarations': [{item}]}}", item=item),
        fill("protos.Tool(function_declarations=[{item}.to_proto()])",
             item=fill("types.FunctionDeclaration(name='%s', description='', parameters={schema})" % name,  # noqa: UP031 -- the braces are fill's
                     schema=object_schema)),
    )  # fmt: skip


tools = one(
    *SEARCHES,
    *CODE,
    declared("find"),
    fill("[{a}]", a=declared("find")),
    fill("[{a}, {b}]", a=declared("find"), b=declared("book")),
    fill("[{a}, {b}]", a=declared("find"), b=one(*CODE, *SEARCHES)),
    fill("[[{a}, {b}], {c}]", a=declaration("find"), b=declaration("book"), c=declared("pay")),
    fill("[{a}, {b}]", a=one(*CODE), b=one(*SEARCHES)),
    fill("({a},)", a=one(*CODE, *SEARCHES, declared("find"))),
    fill("types.Tool(function_declarations=[{a}, {b}])", a=declaration("find"), b=declaration("book")),
    fill("{{'function_declarations': [{a}], 'code_execution': protos.CodeExecution()}}", a=declaration("find")),
    fill("types.FunctionLibrary([{a}, {b}])", a=declared("find"), b=declared("book")),
    "[]",
)
MODES: Final = (
    *map(repr, ("auto", "any", "none", "ANY", "mode_auto", "MODE_NONE", 1, 2, 3)),
    "protos.FunctionCallingConfig.Mode.AUTO",
    "protos.FunctionCallingConfig.Mode.ANY",
    "protos.FunctionCallingConfig.Mode.NONE",
)
mode = one(*MODES)
proto_mode = one("protos.FunctionCallingConfig.Mode.ANY", "'NONE'", "1")
tool_config = one(
    fill("{{'function_calling_config': {mode}}}", mode=mode),
    fill("{{'function_calling_config': {{'mode': {mode}}}}}", mode=mode),
    fill("{{'function_calling_config': {{'mode': {mode}, 'allowed_function_names': ['find']}}}}", mode=mode),
    fill("{{'function_calling_config': protos.FunctionCallingConfig(mode={mode})}}", mode=proto_mode),
    fill("protos.ToolConfig(function_calling_config=protos.FunctionCallingConfig(mode={mode}))", mode=proto_mode),
)
