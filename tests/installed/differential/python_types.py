"""Python types for response schemas, and functions for tools."""

from __future__ import annotations

from typing import Final

from hypothesis import strategies as st

from tests.installed.differential.source import fill, one

__all__ = ["FUNCTIONS", "PARAMETERS", "RESPONSES", "TYPES", "callable_tool", "function", "response_type"]

TYPES: Final = """
class Colour(enum.Enum):
    RED = 'red'
    BLUE = 'blue'
class Size(enum.Enum):
    SMALL = 1
    LARGE = 2
class Recipe(TypedDict):
    name: str
    minutes: int
class Partly(TypedDict, total=False):
    name: str
    colour: Colour
class Book(TypedDict):
    recipes: list[Recipe]
    best: Recipe
@dataclasses.dataclass
class Point:
    x: float
    y: float = 0.0
@dataclasses.dataclass
class Line:
    start: Point
    points: list[Point]
class Pet(pydantic.BaseModel):
    name: str
    age: int
    tags: list[str]
class Owner(pydantic.BaseModel):
    "Somebody with pets."
    pets: list[Pet]
    first: Pet
    nickname: Optional[str] = None
class Described(pydantic.BaseModel):
    size: int = pydantic.Field(description='In metres.')
    name: str = pydantic.Field('x', max_length=3)
""".strip()
PLAIN: Final = ("int", "float", "str", "bool")
NAMED: Final = ("Colour", "Size", "Recipe", "Partly", "Book", "Point", "Line", "Pet", "Owner", "Described")
RESPONSES: Final = (
    *(*PLAIN, *NAMED, "list[int]", "list[Recipe]", "list[list[Recipe]]", "list[Optional[str]]"),
    *("List[int]", "List[Point]"),
)
PARAMETERS: Final = (
    *(*PLAIN, *NAMED, "Optional[int]", "Optional[Pet]", "str | None", "list[str]", "List[Point]", "list", "dict"),
    *("dict[str, int]", "Any", "Literal['a', 'b']", "Union[int, str]", "datetime.datetime", "tuple[int, ...]"),
)
FUNCTIONS: Final = (
    "def find():\n    'Find it.'",
    "def find(a, b=2, /, c: int = 3):\n    'Find it.'",
    "def find(x): pass",
    "def find(city: str):\n    '''Find it.\n\n    Args:\n        city: Where.\n    '''",
    "async def find(city: str): pass",
    "def find(*args: int, **rest: str): pass",
)
response_type = st.recursive(one(*RESPONSES), lambda inner: fill("list[{inner}]", inner=inner), max_leaves=1)
parameter_type = st.recursive(one(*PARAMETERS), lambda inner: fill("list[{inner}]", inner=inner), max_leaves=1)
function = one(
    fill("def find(city: {a}, n: {b} = None):\n    'Find it.'", a=parameter_type, b=parameter_type),
    fill("def find(city: {a}, *, n: {b}):\n    'Find it.'", a=parameter_type, b=parameter_type),
    fill("def find(city: {a}) -> str:\n    'Find it.'", a=parameter_type),
    fill("def find(*args: int, city: {a} = 'x', **rest: str):\n    'Find it.'", a=parameter_type),
    *FUNCTIONS,
)
callable_tool = one(
    "find",
    "[find]",
    "[find, book]",
    "types.FunctionDeclaration.from_function(find)",
    "types.FunctionDeclaration.from_function(find, descriptions={'city': 'Where to.'})",
    "[types.FunctionDeclaration.from_function(find), book]",
    "types.Tool(function_declarations=[find, book])",
    "[[find, book]]",
    "{'function_declarations': [find]}",
    "{'function_declarations': [{'name': 'find', 'description': 'Finds.', 'function': find}]}",
    "[find, 'code_execution']",
    "types.FunctionLibrary([find, book])",
    "[find, {'name': 'book', 'description': 'Books.'}]",
    "[find, find]",
)
