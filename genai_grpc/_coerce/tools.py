"""Tools, their functions, and the tool config."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from genai_grpc import protos as gemini
from genai_grpc._coerce.service_tools import api_of_tool, in_either, service_tool_field, service_tools
from genai_grpc._coerce.struct import to_plain
from genai_grpc._services.messages import GEMINI, VERTEX, Protos, protos_of
from genai_grpc_protos._convert import as_message, field_of, to_message

if TYPE_CHECKING:
    from genai_grpc._coerce.functions import FunctionCaller

__all__ = [
    "CallableFunctionDeclaration",
    "FunctionDeclaration",
    "FunctionLibrary",
    "Tool",
    "to_function_library",
]

ACCEPTED: Final = "a function, a FunctionDeclaration, a Tool, a dict of one of these, or a name such as 'google_search'"


class FunctionDeclaration:
    """Declaration of a function that the model may call.

    Args:
        name: The function's name: letters, digits, "_", "." and "-", at most 64 of them.
        description: What it does, for the model.
        parameters: A Schema, a dict of one, or JSON Schema, of type object; None for a function without parameters.
        fields: Further fields of `protos.FunctionDeclaration`.

    >>> FunctionDeclaration(name="now", description="The time of day.").to_proto().name
    'now'
    """

    def __init__(self, *, name: str, description: str = "", parameters: Any = None, **fields: Any) -> None:
        values = {"name": name, "description": description, **_schema_fields(parameters), **fields}
        self._proto: gemini.FunctionDeclaration = in_either("FunctionDeclaration", values)

    @property
    def name(self) -> str:
        """The function's name."""
        return self._proto.name

    @property
    def description(self) -> str:
        """The function's description."""
        return self._proto.description

    @property
    def parameters(self) -> gemini.Schema:
        """The schema of the function's parameters."""
        return self._proto.parameters

    @classmethod
    def from_proto(cls, proto: gemini.FunctionDeclaration) -> FunctionDeclaration:
        """Wrap a message; a message of another package is converted."""
        declaration = FunctionDeclaration(name="")
        declaration._proto = to_message(protos_of(proto).FunctionDeclaration, proto)
        return declaration

    @staticmethod
    def from_function(
        function: Callable[..., Any], descriptions: Mapping[str, str] | None = None
    ) -> CallableFunctionDeclaration:
        """Declare a Python function: its name, docstring and annotated parameters.

        Args:
            function: A function, a method, a coroutine function or a callable object.
            descriptions: Descriptions of its parameters, by name; by default those in its docstring.

        Raises:
            TypeError: A parameter's type is not supported.

        >>> def set_light(brightness: int) -> None:
        ...     "Set the light in the room."
        >>> FunctionDeclaration.from_function(set_light).name
        'set_light'
        """
        from genai_grpc._coerce.functions import to_declaration  # 30 ms, and only programs with functions need it

        return CallableFunctionDeclaration.of(function, to_declaration(function, descriptions or {}))

    def to_proto(self) -> gemini.FunctionDeclaration:
        """Return the message."""
        return self._proto

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"


def _schema_fields(parameters: Any) -> dict[str, Any]:
    """Return parameters under the name of the field for their dialect."""
    if not isinstance(parameters, Mapping) or not parameters:
        return {"parameters": parameters}
    from genai_grpc._coerce.schema.proto_schema import to_schema  # as in `from_function`

    return to_schema(parameters, "FunctionDeclaration.parameters").fields("parameters", "parameters_json_schema")


class CallableFunctionDeclaration(FunctionDeclaration):
    """A declaration with its function. Calling it with a FunctionCall returns the FunctionResponse.

    Args:
        name: As in FunctionDeclaration, like the next two.
        description: What the function does, for the model.
        parameters: A Schema or a dict of one, of type object.
        function: The function.
        fields: Further fields of `protos.FunctionDeclaration`.

    >>> clock = CallableFunctionDeclaration(name="now", description="The time of day.", function=lambda: "noon")
    >>> clock.function()
    'noon'
    """

    def __init__(
        self,
        *,
        name: str,
        description: str = "",
        parameters: Any = None,
        function: Callable[..., Any],
        **fields: Any,
    ) -> None:
        super().__init__(name=name, description=description, parameters=parameters, **fields)
        self.function = function
        self._cached_caller: tuple[Callable[..., Any], FunctionCaller] | None = None

    @classmethod
    def of(cls, function: Callable[..., Any], proto: gemini.FunctionDeclaration) -> CallableFunctionDeclaration:
        """The declaration of a function, as a message."""
        declaration = cls(name="", function=function)
        declaration._proto = proto
        return declaration

    def arguments(self, call: gemini.FunctionCall) -> dict[str, Any]:
        """Return the arguments of a call by name, converted to the annotated types.

        Raises:
            TypeError: The function has no such parameter.
            ValueError: A value does not match its parameter's type, or is beyond a limit that it declares.
        """
        return self._caller.bind(to_plain(call.args))

    def run(self, call: gemini.FunctionCall) -> Any:
        """Run the function with the arguments of a call; returns its result, or its awaitable.

        Raises:
            TypeError: The function has no such parameter, or its return type has no JSON form.
            ValueError: A value does not match its parameter's type, or is beyond a limit that it declares.
        """
        return self._caller.call(to_plain(call.args))

    def check_result(self) -> None:
        """Raise if the function's return type has no JSON form, so that it cannot answer a call.

        Raises:
            TypeError: It returns bytes, for example.
        """
        self._caller.check_result()

    def __call__(self, call: gemini.FunctionCall) -> gemini.FunctionResponse:
        """Run the function and return the response to the call. Coroutine functions need `send_message_async`."""
        return to_function_response(call, self.run(call))

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_cached_caller": None}  # it holds functions that cannot be pickled

    @property
    def _caller(self) -> FunctionCaller:
        """The function and its parameters, which are read once."""
        if self._cached_caller is None or self._cached_caller[0] is not self.function:
            from genai_grpc._coerce.functions import FunctionCaller  # as in `from_function`

            self._cached_caller = self.function, FunctionCaller(self.function)
        return self._cached_caller[1]


class Tool:
    """A group of function declarations, or a tool that the service runs.

    Args:
        function_declarations: Functions, declarations or dicts of them.
        service_tools: Fields of `protos.Tool` such as `google_search`, each with its message or a dict.

    Raises:
        ValueError: Two declarations have the same name.

    >>> Tool(google_search={}).to_proto().HasField("google_search")
    True
    """

    def __init__(self, *, function_declarations: Iterable[Any] | None = None, **service_tools: Any) -> None:
        declarations = () if function_declarations is None else function_declarations
        if isinstance(declarations, (str, Mapping)) or not isinstance(declarations, Iterable):
            raise TypeError(f"function_declarations is repeated; pass a list, not {type(declarations).__name__}")
        self.function_declarations = [to_function_declaration(item) for item in declarations]
        self._index = _index(self.function_declarations)
        self._proto: gemini.Tool = in_either("Tool", service_tools)
        declaration_type = protos_of(self._proto).FunctionDeclaration
        self._proto.function_declarations.extend(
            to_message(declaration_type, item.to_proto()) for item in self.function_declarations
        )

    @property
    def code_execution(self) -> gemini.CodeExecution:
        """The code execution tool; empty if it is not set."""
        return self._proto.code_execution

    @property
    def google_search_retrieval(self) -> gemini.GoogleSearchRetrieval:
        """The search tool of older models; empty if it is not set."""
        return self._proto.google_search_retrieval

    def __getitem__(self, name: str | gemini.FunctionCall) -> FunctionDeclaration:
        return self._index[name if isinstance(name, str) else name.name]

    def __call__(self, call: gemini.FunctionCall) -> gemini.FunctionResponse | None:
        """Run the function of a call and return the response; None if its declaration has no function."""
        declaration = self[call]
        return declaration(call) if isinstance(declaration, CallableFunctionDeclaration) else None

    def to_proto(self) -> gemini.Tool:
        """Return the message."""
        return self._proto


class FunctionLibrary:
    """Tools, and their function declarations by name.

    Args:
        tools: A function, a declaration, a Tool, a dict of one, the name of a tool that the service runs, or an
            iterable of these. Tools of one declaration each are merged into one tool.

    Raises:
        TypeError: An item has another type.
        ValueError: Two declarations have the same name, or a tool's name is unknown.

    >>> library = FunctionLibrary([{"name": "now"}, {"name": "today"}])
    >>> len(library.to_proto()), library["today"].name
    (1, 'today')
    """

    def __init__(self, tools: Any) -> None:
        is_sequence = (
            isinstance(tools, Iterable) and not isinstance(tools, (str, Mapping)) and as_message(tools) is None
        )
        self._tools = list(map(to_tool, tools if is_sequence else [tools]))
        if len(self._tools) > 1 and all(len(tool.function_declarations) == 1 for tool in self._tools):
            self._tools = [Tool(function_declarations=[tool.function_declarations[0] for tool in self._tools])]
        self._index = _index(declaration for tool in self._tools for declaration in tool.function_declarations)

    def __getitem__(self, name: str | gemini.FunctionCall) -> FunctionDeclaration:
        return self._index[name if isinstance(name, str) else name.name]

    def __call__(self, call: gemini.FunctionCall) -> gemini.Part | None:
        """Run the function of a call and return the response; None if its declaration has no function."""
        declaration = self[call]
        if not isinstance(declaration, CallableFunctionDeclaration):
            return None
        return protos_of(call).Part(function_response=declaration(call))

    def function(self, call: gemini.FunctionCall) -> CallableFunctionDeclaration | None:
        """Return the declaration, with its function, that a call names; None if there is none."""
        declaration = self._index.get(call.name)
        return declaration if isinstance(declaration, CallableFunctionDeclaration) else None

    def check_results(self) -> None:
        """Check the return types of all functions, as `CallableFunctionDeclaration.check_result` does."""
        for declaration in self._index.values():
            if isinstance(declaration, CallableFunctionDeclaration):
                declaration.check_result()

    def to_proto(self, protos: Protos | None = None) -> list[gemini.Tool]:
        """Return the messages, as those of `protos`.

        Raises:
            ValueError: A tool has a field that this API lacks.
        """
        tools = [tool.to_proto() for tool in self._tools]
        return tools if protos is None else [to_message(protos.Tool, tool) for tool in tools]

    def __repr__(self) -> str:
        fields = (field.name for tool in self._tools for field, _ in tool.to_proto().ListFields())
        names = [*self._index, *(name for name in fields if name != "function_declarations")]
        return f"FunctionLibrary({', '.join(names)})"


def to_function_library(value: Any) -> FunctionLibrary | None:
    """Coerce the argument `tools`; None stays None.

    Raises:
        TypeError: It, or an item of it, has an unsupported type.
        ValueError: Two declarations have the same name, a dict has unknown keys, or a tool's name is unknown.
    """
    if value is None or isinstance(value, FunctionLibrary):
        return value
    return FunctionLibrary(value)


def to_tool(value: Any) -> Tool:
    """Coerce to one tool; an iterable holds its declarations."""
    if isinstance(value, Tool):
        return value
    if isinstance(value, str):
        if value.lower() not in service_tools(GEMINI) and value.lower() not in service_tools(VERTEX):
            raise ValueError(f"unknown tool {value!r}; use one of {', '.join(sorted(service_tools(GEMINI)))}")
        return Tool(**{value.lower(): {}})
    if (message := as_message(value)) is not None and message.DESCRIPTOR.name == "Tool":
        fields: dict[str, Any] = {
            field.name: item for field, item in to_message(protos_of(message).Tool, message).ListFields()
        }
        declarations = fields.pop("function_declarations", ())
        return Tool(function_declarations=declarations, **fields)
    if message is not None and (field := service_tool_field(message)) is not None:
        service_tool: dict[str, Any] = {field: message}
        return Tool(**service_tool)
    if isinstance(value, Mapping) and (protos := api_of_tool(value)) is not None:
        return Tool(**{field_of(protos.Tool, key) or str(key): item for key, item in value.items()})
    if isinstance(value, Iterable) and not isinstance(value, Mapping):
        return Tool(function_declarations=value)
    return Tool(function_declarations=[value])


def to_function_declaration(value: Any) -> FunctionDeclaration:
    """Coerce to one declaration, with its function if there is one."""
    if isinstance(value, FunctionDeclaration):
        return value
    if (message := as_message(value)) is not None and message.DESCRIPTOR.name == "FunctionDeclaration":
        return FunctionDeclaration.from_proto(value)
    if isinstance(value, Mapping):
        rest = dict(value)
        function = rest.pop("function", None)
        if "name" not in rest:
            raise ValueError(
                f"cannot tell what the tool with the keys {sorted(map(str, value))} is: a function has 'name', "
                f"a Tool 'function_declarations' or one of {', '.join(sorted(service_tools(GEMINI)))}"
            )
        declaration = FunctionDeclaration(**rest)
        return declaration if function is None else CallableFunctionDeclaration.of(function, declaration.to_proto())
    if callable(value):
        return FunctionDeclaration.from_function(value)
    is_mcp = type(value).__module__.startswith("mcp.")
    hint = "; of an MCP session, pass tools=await genai_grpc.mcp.tools(session)" if is_mcp else ""
    raise TypeError(f"cannot make a tool from {type(value).__name__}; pass {ACCEPTED}{hint}")


def to_function_response(call: gemini.FunctionCall, result: Any) -> gemini.FunctionResponse:
    """Build the response to a call, with its id; a result that is not a JSON object is wrapped as {"result": ...}.

    The result may have any type that a parameter may have; `to_json_value` lists their JSON forms.

    Raises:
        TypeError: The result has no JSON form.
    """
    from genai_grpc._coerce.function_results import to_json_value  # as in `from_function`

    value = to_json_value(result, f"the result of {call.name}")
    response = protos_of(call).FunctionResponse(name=call.name)
    if call_id := getattr(call, "id", ""):  # Vertex AI goes by the order
        response.id = call_id
    response.response.SetInParent()  # an empty object is sent too
    response.response.update(value if isinstance(value, dict) else {"result": value})
    return response


def _index(declarations: Iterable[FunctionDeclaration]) -> dict[str, FunctionDeclaration]:
    index: dict[str, FunctionDeclaration] = {}
    for declaration in declarations:
        if declaration.name in index:
            raise ValueError(f"two functions are named {declaration.name!r}; rename one of them")
        index[declaration.name] = declaration
    return index
