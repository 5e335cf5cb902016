"""Cost of a response schema in each request, and of `parsed`, beside pydantic and msgspec.

The types have three levels: an order has lines, which have products. After the first call, which reads the type, each
time is the median of interleaved rounds.
"""

from __future__ import annotations

import dataclasses
import json
import statistics
import timeit
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import msgspec
import pydantic

from genai_grpc._coerce.schema.parse import parse_text
from genai_grpc._coerce.settings import to_generation_config

__all__ = ["schemas_table"]

CALLS: Final = 2000
ROUNDS: Final = 7


@dataclasses.dataclass
class Product:
    name: str
    price: float


@dataclasses.dataclass
class Line:
    product: Product
    count: int


@dataclasses.dataclass
class Order:
    customer: str
    lines: list[Line]


class ProductModel(pydantic.BaseModel):
    name: str
    price: float


class LineModel(pydantic.BaseModel):
    product: ProductModel
    count: int


class OrderModel(pydantic.BaseModel):
    customer: str
    lines: list[LineModel]


LINES: Final = [{"product": {"name": f"tea {number}", "price": number + 0.5}, "count": number} for number in range(3)]
TEXT: Final = json.dumps({"customer": "Ada", "lines": LINES})


def schemas_table() -> str:
    """Microseconds per operation, as a Markdown table."""
    rows = ["| operation | time | beside |", "|---|--:|---|"]
    for name, (python_type, text, beside) in CASES.items():
        request, parse = partial(_request, python_type), partial(parse_text, python_type, text)
        request()  # reads the type
        parse()
        rows.append(f"| `response_schema` of a call: {name} | {_medians([request])[0]:.0f} µs | |")
        time, *others = _medians([parse, *beside.values()])
        notes = [f"{title}: {other:.1f} µs" for title, other in zip(beside, others, strict=True)]
        rows.append(f"| `parsed`: {name} | {time:.1f} µs | {', '.join(notes)} |")
    return "\n".join(rows)


def _request(python_type: Any) -> bytes:
    return to_generation_config({"response_schema": python_type}).SerializeToString()


def _medians(operations: list[Callable[[], Any]]) -> list[float]:
    rounds = [[timeit.timeit(operation, number=CALLS) / CALLS * 1e6 for operation in operations] for _ in range(ROUNDS)]
    return [statistics.median(times) for times in zip(*rounds, strict=True)]


# By name: a type, its JSON, and other libraries' parsing of it.
CASES: Final[dict[str, tuple[Any, str, dict[str, Callable[[], Any]]]]] = {
    "a pydantic model": (
        OrderModel,
        TEXT,
        {"`model_validate_json`": partial(OrderModel.model_validate_json, TEXT)},
    ),
    "a list of them": (
        list[OrderModel],
        f"[{TEXT}]",
        {"`TypeAdapter`": partial(pydantic.TypeAdapter(list[OrderModel]).validate_json, f"[{TEXT}]")},
    ),
    "a dataclass": (
        Order,
        TEXT,
        {
            "`json.loads` alone": partial(json.loads, TEXT),
            "`TypeAdapter`": partial(pydantic.TypeAdapter(Order).validate_json, TEXT),
            "msgspec": partial(msgspec.json.Decoder(Order).decode, TEXT),
        },
    ),
}
