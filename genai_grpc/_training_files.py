"""Training data in CSV and JSON files, on this machine or at a URL."""

from __future__ import annotations

import csv
import io
import json
import os
import re
from typing import Any

from genai_grpc import protos
from genai_grpc._coerce.tuning_data import to_csv_url, to_dataset

__all__ = ["read_dataset"]


def read_dataset(data: Any, input_key: str, output_key: str) -> protos.Dataset:
    """The dataset of any form of training data; raises as `create_tuned_model`."""
    if isinstance(data, str) and re.match(r"\w+://\S+$", data):
        data = _parse(data, _fetch(to_csv_url(data)))
    elif isinstance(data, (str, os.PathLike)):
        path = os.fspath(data)
        with open(path, "rb") as file:
            data = _parse(path, file.read())
    return to_dataset(data, input_key, output_key)


def _fetch(url: str) -> bytes:
    if not url.startswith(("http://", "https://")):
        raise ValueError(f"the URL of training data begins with https:// or http://; got {url!r}")
    from urllib.request import urlopen  # 20 ms, which programs without URLs do not need

    with urlopen(url, timeout=60) as reply:  # noqa: S310 -- its scheme is checked above
        content: bytes = reply.read()
    return content


def _parse(name: str, content: bytes) -> Any:
    """The examples of a JSON file, or the rows of a CSV file."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{name} is no UTF-8: {error.reason} at byte {error.start}") from None
    if name.partition("?")[0].lower().endswith(".json"):
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{name} is no JSON: {error}") from None
    rows = csv.DictReader(io.StringIO(text, newline=""))
    # An empty cell is missing, as one that a short row does not have.
    return [{name: cell or None for name, cell in row.items()} for row in rows]
