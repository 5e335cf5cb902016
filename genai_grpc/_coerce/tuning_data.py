"""Training data of tuned models: datasets, dicts, pairs and columns."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from genai_grpc import protos
from genai_grpc_protos._convert import to_message

__all__ = ["ACCEPTED", "to_csv_url", "to_dataset", "to_example"]

ACCEPTED: Final = (
    "a protos.Dataset, examples (dicts, pairs or protos.TuningExample), a dict or DataFrame of columns, or the path or "
    "URL of a CSV or JSON file"
)
_SHEET: Final = re.compile(r"https://docs\.google\.com/spreadsheets/d/[^/]+")


def to_dataset(data: Any, input_key: str, output_key: str) -> protos.Dataset:
    """The dataset of training data that is in memory.

    Args:
        data: A Dataset; an iterable of TuningExample, dicts or pairs; or a mapping or DataFrame of columns.
        input_key: The key, or the column, of the inputs.
        output_key: That of the outputs.

    Raises:
        KeyError: A key or column is missing; the message names those there are.
        TypeError: The data, or an example, is of another type.
        ValueError: There are no examples, the columns have different lengths, or a value is missing: None, NaN, or NA
            and NaT of pandas; the message names its column, and its row from 0.

    >>> to_dataset([("1", "2")], "text_input", "output").examples.examples[0].output
    '2'
    """
    if getattr(getattr(data, "DESCRIPTOR", None), "name", "") == "Dataset":
        dataset = to_message(protos.Dataset, data)
        examples = list(dataset.examples.examples)
    elif isinstance(data, (str, bytes)) or not (hasattr(data, "keys") or isinstance(data, Iterable)):
        raise TypeError(f"cannot read training data from {type(data).__name__}; pass {ACCEPTED}")
    elif hasattr(data, "keys"):
        examples = _from_columns(data, input_key, output_key)
    else:
        examples = [to_example(each, input_key, output_key, f"example {index}: ") for index, each in enumerate(data)]
    if not examples:
        raise ValueError("the training data has no examples")
    return protos.Dataset(examples=protos.TuningExamples(examples=examples))


def to_example(example: Any, input_key: str, output_key: str, place: str = "") -> protos.TuningExample:
    """One example of a TuningExample, a dict or a pair; raises as `to_dataset`.

    >>> to_example({"text_input": "1", "output": "2"}, "text_input", "output").text_input
    '1'
    """
    if getattr(getattr(example, "DESCRIPTOR", None), "name", "") == "TuningExample":
        return to_message(protos.TuningExample, example)
    if isinstance(example, (tuple, list)):
        if len(example) != 2:
            raise ValueError(f"{place}a pair has an input and an output; got {len(example)} items")
        given, wanted = example
        labels = ("the input", "the output")
    elif isinstance(example, Mapping):
        given, wanted = (_item(example, key, place) for key in (input_key, output_key))
        labels = (repr(input_key), repr(output_key))
    else:
        raise TypeError(f"{place}an example is a dict, a pair or a protos.TuningExample; got {type(example).__name__}")
    for label, name, value in zip(labels, ("input", "output"), (given, wanted), strict=True):
        if _is_missing(value):
            raise ValueError(f"{place}{label} is missing ({value}); leave the example out, or give a str")
        if not isinstance(value, str):
            raise TypeError(f"{place}the {name} is a str; got {type(value).__name__}")
    return protos.TuningExample(text_input=given, output=wanted)


def _from_columns(data: Any, input_key: str, output_key: str) -> list[protos.TuningExample]:
    inputs, outputs = (list(_item(data, key, "")) for key in (input_key, output_key))
    if len(inputs) != len(outputs):
        raise ValueError(f"the column {input_key!r} has {len(inputs)} values, and {output_key!r} {len(outputs)}")
    texts = [
        [_cell(value, key, row) for row, value in enumerate(column)]
        for key, column in ((input_key, inputs), (output_key, outputs))
    ]
    return [protos.TuningExample(text_input=given, output=wanted) for given, wanted in zip(*texts, strict=True)]


def _cell(value: Any, column: str, row: int) -> str:
    """The text of a cell; a number, too, as columns of a table have them."""
    if _is_missing(value):
        raise ValueError(
            f"row {row} of the column {column!r} is missing ({value}); leave the row out, or fill the cell"
        )
    return str(value)


def _is_missing(value: Any) -> bool:
    """Whether a value is None, NaN, or NA or NaT of pandas, which need not be installed."""
    if value is None or type(value).__name__ == "NAType":  # whose comparisons have no truth value
        return True
    unequal = value != value  # of NaN, Decimal's too, and of NaT; an array is no cell, and has no truth value either
    return getattr(unequal, "shape", ()) == () and bool(unequal)


def _item(data: Any, key: str, place: str) -> Any:
    if key not in data.keys():  # noqa: SIM118 -- `in` a DataFrame would do, but it may be another table
        raise KeyError(f"{place}there is no {key!r}; there are {', '.join(sorted(map(repr, data.keys())))}")
    return data[key]


def to_csv_url(url: str) -> str:
    """The URL of the CSV form of a Google Sheets document; other URLs as they are.

    Raises:
        ValueError: The URL of a document is incomplete.

    >>> to_csv_url("https://docs.google.com/spreadsheets/d/abc/edit#gid=7")
    'https://docs.google.com/spreadsheets/d/abc/export?format=csv&gid=7'
    """
    if not url.startswith("https://docs.google.com/spreadsheets"):
        return url
    document = _SHEET.match(url)
    if document is None:
        raise ValueError(f"the URL of a Google Sheets document has its ID; got {url!r}")
    tab = re.search(r"gid=(\d+)", url)
    return f"{document[0]}/export?format=csv" + (f"&gid={tab[1]}" if tab else "")
