"""Training data of tuned models, in the client."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import genai_grpc as genai
from genai_grpc import protos
from tests.conftest import Api

PAIRS = [("one", "two"), ("drei", "vier"), ("cinq", "six")]
EXAMPLES = [{"text_input": given, "output": wanted} for given, wanted in PAIRS]
COLUMNS = {"text_input": [given for given, _ in PAIRS], "output": [wanted for _, wanted in PAIRS]}
NAN = float("nan")


def to_csv(rows: list[tuple[str, str]]) -> str:
    return "text_input,output\n" + "".join(f'"{given}","{wanted}"\n' for given, wanted in rows)


def dataset() -> protos.Dataset:
    examples = [protos.TuningExample(text_input=given, output=wanted) for given, wanted in PAIRS]
    return protos.Dataset(examples=protos.TuningExamples(examples=examples))


@pytest.fixture
def files(tmp_path: Path) -> Iterator[dict[str, Any]]:
    """Training data in files, and at URLs."""
    (tmp_path / "data.csv").write_text(to_csv(PAIRS))
    (tmp_path / "data.JSON").write_text(json.dumps(EXAMPLES))
    (tmp_path / "columns.json").write_text(json.dumps(COLUMNS))

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args, directory=str(tmp_path))

        def log_message(self, *args: object) -> None:
            """Nothing is logged."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}"
        yield {
            "CSV path": tmp_path / "data.csv",
            "CSV path as str": str(tmp_path / "data.csv"),
            "JSON path": tmp_path / "data.JSON",
            "JSON of columns": tmp_path / "columns.json",
            "CSV URL": f"{url}/data.csv",
            "JSON URL": f"{url}/data.JSON?version=2",
        }
        server.shutdown()
        thread.join()


FORMS = ["CSV path", "CSV path as str", "JSON path", "JSON of columns", "CSV URL", "JSON URL"]


@pytest.mark.parametrize(
    "form", [*FORMS, "Dataset", "dicts", "pairs", "lists", "messages", "columns", "pandas", "iterator"]
)
def test_every_form_of_training_data(client: genai.Client, files: dict[str, Any], form: str) -> None:
    """A model is tuned on data in every form, with the same examples."""
    if form == "pandas":
        files["pandas"] = pytest.importorskip("pandas").DataFrame(COLUMNS)
    data = files | {
        "Dataset": dataset(),
        "dicts": EXAMPLES,
        "pairs": PAIRS,
        "lists": [list(pair) for pair in PAIRS],
        "messages": list(dataset().examples.examples),
        "columns": COLUMNS,
        "iterator": iter(PAIRS),
    }
    operation = genai.create_tuned_model("gemini-pro", data[form], id="mine", client=client)
    assert operation.result(timeout=60).state == protos.TunedModel.State.ACTIVE
    assert operation.metadata.total_steps == 5


def test_other_keys(api: Api, client: genai.Client) -> None:
    """The keys of dicts, and the columns, may have other names."""
    renamed = [{"q": given, "a": wanted, "note": "x"} for given, wanted in PAIRS]
    for data in (renamed, {"q": [1, 2], "a": [2.5, 3]}):
        keys = {"input_key": "q", "output_key": "a"}
        operation = api.call(genai, "create_tuned_model", "gemini-pro", data, client=client, **keys)
        api.call(operation, "result", timeout=60)


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        ([{"text_input": "1"}], KeyError, "example 0: there is no 'output'; there are 'text_input'"),
        ({"text_input": ["1"], "answer": ["2"]}, KeyError, "there is no 'output'; there are 'answer', 'text_input'"),
        ({"text_input": ["1"], "output": []}, ValueError, "the column 'text_input' has 1 values, and 'output' 0"),
        ({"text_input": ["1", "2"], "output": ["1", None]}, ValueError, "row 1 of the column 'output' is missing"),
        ({"text_input": [float("nan")], "output": ["1"]}, ValueError, "row 0 of the column 'text_input' is missing"),
        ([{"text_input": None, "output": "1"}], ValueError, r"example 0: 'text_input' is missing \(None\); leave the"),
        ([EXAMPLES[0], {"text_input": "1", "output": NAN}], ValueError, r"example 1: 'output' is missing \(nan\)"),
        ([("1", "2"), ("1", None)], ValueError, r"example 1: the output is missing \(None\); leave the example out"),
        ([], ValueError, "the training data has no examples"),
        ([("1", "2", "3")], ValueError, "example 0: a pair has an input and an output; got 3 items"),
        ([("1", 2)], TypeError, "example 0: the output is a str; got int"),
        ([7], TypeError, "example 0: an example is a dict, a pair or a protos.TuningExample; got int"),
        (7, TypeError, "cannot read training data from int; pass a protos.Dataset, examples"),
        (b"1,2", TypeError, "cannot read training data from bytes"),
        ("/missing.csv", FileNotFoundError, "missing.csv"),
        ("ftp://example.com/a.csv", ValueError, "begins with https:// or http://; got 'ftp:"),
        ("https://docs.google.com/spreadsheets/u/0/", ValueError, "has its ID"),
    ],
)
def test_bad_training_data(api: Api, client: genai.Client, data: Any, error: type[Exception], message: str) -> None:
    """Data that cannot be read is refused before anything is sent."""
    with pytest.raises(error, match=message):
        api.call(genai, "create_tuned_model", "gemini-pro", data, client=client)
    assert api.items(genai, "list_tuned_models", client=client) == []


@pytest.mark.parametrize("dtype", ["object", "float64", "Int64", "string", "datetime64[ns]"])
def test_missing_cells_of_pandas(client: genai.Client, dtype: str) -> None:
    """The missing values of pandas are missing cells, in columns and in records of every type."""
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame({"text_input": ["1", "2"], "output": pandas.Series([None, 1], dtype=dtype)})
    with pytest.raises(ValueError, match="row 0 of the column 'output' is missing"):
        genai.create_tuned_model("gemini-pro", table, client=client)
    with pytest.raises(ValueError, match="example 0: 'output' is missing"):
        genai.create_tuned_model("gemini-pro", table.to_dict("records"), client=client)
    genai.create_tuned_model("gemini-pro", table.dropna(), client=client).result(timeout=60)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.json", b"{", "a.json is no JSON"),
        ("a.json", b"[" * 100_000, "a.json is no JSON"),
        ("a.csv", b"\xff", "a.csv is no UTF-8: invalid start byte at byte 0"),
        ("a.csv", b"", "the training data has no examples"),
        ("a.csv", b"text_input,output,note\n1,2,\n3,", "example 1: 'output' is missing"),
        ("a.csv", b"text_input,output\n,2", "example 0: 'text_input' is missing"),
        ("a.csv", b"text_input,output\n1", "example 0: 'output' is missing"),
        ("a.json", b'[{"text_input": "1", "output": null}]', "example 0: 'output' is missing"),
        ("a.json", b'{"text_input": ["1", NaN], "output": [1, 2]}', "row 1 of the column 'text_input' is missing"),
    ],
)
def test_bad_file(client: genai.Client, tmp_path: Path, name: str, content: bytes, message: str) -> None:
    """A file that is no CSV or JSON, or in which a value is missing, is a ValueError that names it, or the place."""
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        genai.create_tuned_model("gemini-pro", tmp_path / name, client=client)
