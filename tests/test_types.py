from __future__ import annotations

import datetime
import subprocess
import sys
import typing
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from enum import IntEnum
from pathlib import Path
from typing import Any, Union

import PIL.Image
import pydantic
import pytest

from genai_grpc import GenerativeModel, errors, protos, types
from genai_grpc.types import _runtime


@pytest.mark.parametrize(
    ("enum", "wire_enum"),
    [
        pytest.param(types.HarmCategory, protos.HarmCategory, id="HarmCategory"),
        pytest.param(types.HarmBlockThreshold, protos.SafetySetting.HarmBlockThreshold, id="HarmBlockThreshold"),
    ],
)
def test_enums_match_protos(enum: type[IntEnum], wire_enum: Any) -> None:
    """A Python enum has the names and numbers of the wire."""
    assert {member.name: member.value for member in enum} == dict(wire_enum.items())


def test_every_wire_field_is_a_setting() -> None:
    """Every field of the generation config can be set, but the one that a Python dict makes unnecessary."""
    wire = set(protos.GenerationConfig.DESCRIPTOR.fields_by_name) - {"response_json_schema_ordered"}
    assert {setting.name for setting in fields(types.GenerationConfig)} == wire


def test_unset_by_default() -> None:
    """A generation config sets nothing by default; zero, False and the empty list are values."""
    assert types.GenerationConfig().to_dict() == {}
    assert types.GenerationConfig(temperature=0, response_logprobs=False, stop_sequences=[]).to_dict() == {
        "temperature": 0,
        "response_logprobs": False,
        "stop_sequences": [],
    }


def test_positional_settings() -> None:
    """The settings of google-generativeai may be passed by position, in its order."""
    schema = protos.Schema(type=protos.Type.STRING)
    config = types.GenerationConfig(1, ["END"], 3, 0.5, 0.25, 6, "application/json", schema, 0.1, 0.2)
    assert config == types.GenerationConfig(
        candidate_count=1,
        stop_sequences=["END"],
        max_output_tokens=3,
        temperature=0.5,
        top_p=0.25,
        top_k=6,
        response_mime_type="application/json",
        response_schema=schema,
        presence_penalty=0.1,
        frequency_penalty=0.2,
    )


def test_request_options_as_mapping() -> None:
    """RequestOptions is a mapping of its fields, as in google-generativeai."""
    options = types.RequestOptions(timeout=5, retry=None)
    assert isinstance(options, Mapping)
    assert (
        dict(options)
        == {**options}
        == {"timeout": 5, "idle_timeout": None, "retry": None, "metadata": (), "extra_body": None, "on_attempt": None}
    )
    assert (options["timeout"], options.get("wait", 3), len(options), "retry" in options) == (5, 3, 6, True)
    with pytest.raises(KeyError, match="'wait' is none of timeout, idle_timeout, retry, metadata, extra_body"):
        options["wait"]


def test_subclass_of_request_options() -> None:
    """A subclass of RequestOptions has the same keys, whatever attributes it adds."""

    @dataclass
    class Traced(types.RequestOptions):
        trace: str = "on"

    assert [*Traced(timeout=5)] == ["timeout", "idle_timeout", "retry", "metadata", "extra_body", "on_attempt"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_rounds": 0}, "^max_rounds is at least 1; got 0$"),
        ({"on_error": "ignore"}, "^on_error is 'raise' or 'model'; got 'ignore'$"),
    ],
)
def test_invalid_automatic_function_calling(settings: dict[str, Any], message: str) -> None:
    """Settings of automatic function calling that are out of range are refused."""
    with pytest.raises(ValueError, match=message):
        types.AutomaticFunctionCalling(**settings)


@pytest.mark.parametrize(
    "name",
    ["BlockedPromptException", "BrokenResponseError", "IncompleteIterationError", "StopCandidateException"],
)
def test_errors(name: str) -> None:
    """`types` has the errors of responses, as in google-generativeai."""
    assert getattr(types, name) is getattr(errors, name)


class Marker:
    """A class of a program, in a union with ours."""


# The aliases, and the classes that `types` defines.
ANNOTATIONS = [
    name
    for name in types.__all__
    if not isinstance(value := getattr(types, name), type) or value.__module__.startswith("genai_grpc.types.")
]


@pytest.mark.parametrize("name", ANNOTATIONS)
def test_aliases_are_typing_objects(name: str) -> None:
    """An alias can be made optional, put into a union and named by a pydantic field."""
    alias = getattr(types, name)
    assert type(None) in typing.get_args(alias | None)
    assert Marker in typing.get_args(alias | Marker)
    assert Marker in typing.get_args(Union[alias, Marker])  # noqa: UP007 -- as older programs write it
    model = pydantic.create_model("Holder", __config__={"arbitrary_types_allowed": True}, value=(alias | None, None))
    assert model().model_dump() == {"value": None}


@pytest.mark.parametrize(
    "name", ["BlobDict", "ContentDict", "FileDataDict", "GenerationConfigDict", "PartDict", "ToolDict"]
)
def test_hints_of_dicts(name: str) -> None:
    """The types of a TypedDict's values can be read at run time."""
    assert typing.get_type_hints(getattr(types, name)).keys() == getattr(types, name).__annotations__.keys()


@pytest.mark.parametrize(
    "contents",
    [
        "hello",
        ["hello", {"text": "you"}],
        {"role": "user", "parts": ["hello"]},
        [{"role": "user", "parts": "hello"}, {"role": "model", "parts": ["hello", {"text": "you"}]}],
        {"mime_type": "image/png", "data": b"PNG"},
        protos.Part(text="hello"),
        [protos.Content(role="user", parts=[protos.Part(text="hello")])],
        (part for part in ("hello", "you")),
        Path("scones.png"),
        PIL.Image.new("RGB", (2, 2)),
    ],
    ids=lambda contents: type(contents).__name__,
)
def test_pydantic_keeps_contents(contents: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Contents that went through a pydantic field make the same request."""
    monkeypatch.chdir(tmp_path)
    PIL.Image.new("RGB", (2, 2)).save("scones.png")

    class Prompt(pydantic.BaseModel):
        model_config = pydantic.ConfigDict(arbitrary_types_allowed=True)
        contents: types.ContentsType

    kept = Prompt(contents=contents).contents
    assert type(kept) is type(contents)
    if not isinstance(contents, typing.Generator):  # which can be read once
        assert GenerativeModel().build_request(kept) == GenerativeModel().build_request(contents)


@pytest.mark.parametrize("contents", [3, object(), None], ids=["int", "object", "None"])
def test_pydantic_rejects_other_contents(contents: Any) -> None:
    """Pydantic refuses what no request can be made of."""
    adapter: Any = pydantic.TypeAdapter(types.ContentsType, config={"arbitrary_types_allowed": True})
    with pytest.raises(pydantic.ValidationError):
        adapter.validate_python(contents)


def test_images() -> None:
    """An image is recognised once the program has imported Pillow; other values are not images."""
    assert isinstance(PIL.Image.new("RGB", (1, 1)), _runtime.Image)
    assert not isinstance(b"PNG", _runtime.Image)
    assert _runtime.Image in typing.get_args(types.BlobType)


def test_items() -> None:
    """Lists and generators are items; a str, bytes and a dict are one value."""
    many: list[object] = [[], (), {1}, iter([1])]
    one: list[object] = ["a", b"a", {}, 1]
    assert [isinstance(value, _runtime.Items) for value in many + one] == [True] * 4 + [False] * 4


@pytest.mark.parametrize("module", ["PIL", "IPython", "pydantic", "grpc"])
def test_types_import_no_packages(module: str) -> None:
    """Reading every name of `types` imports neither Pillow nor IPython nor pydantic."""
    program = (
        "import sys; from genai_grpc import types; "
        f"[getattr(types, name) for name in types.__all__]; sys.exit({module!r} in sys.modules)"
    )
    environment = {"PYTHONPATH": ":".join(filter(None, sys.path))}
    assert subprocess.run([sys.executable, "-c", program], env=environment, check=False, timeout=60).returncode == 0


def test_typed_dict_without_typing_extensions() -> None:
    """Without typing_extensions, which grpcio brings today, the dicts are those of typing."""
    program = (
        "import sys; sys.modules['typing_extensions'] = None; from genai_grpc import types; "
        "assert types.BlobDict(mime_type='a/b', data=b'') == {'mime_type': 'a/b', 'data': b''}"
    )
    environment = {"PYTHONPATH": ":".join(filter(None, sys.path))}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True, timeout=60)


def test_request_options_are_a_mapping() -> None:
    """RequestOptions can be read and unpacked as a dict."""
    options = types.RequestOptions(timeout=5)
    assert options["timeout"] == 5
    assert "retry" in options
    assert {**options} == {
        "timeout": 5,
        "idle_timeout": None,
        "retry": "default",
        "metadata": (),
        "extra_body": None,
        "on_attempt": None,
    }
    assert len(options) == 6
    with pytest.raises(KeyError):
        options["deadline"]


def test_model() -> None:
    """A setting that the service did not give is None; a model prints one field a line."""
    proto = protos.Model(
        name="models/gemini-pro", supported_generation_methods=["generateContent"], temperature=0, top_k=40
    )
    model = types.Model.from_proto(proto)
    values = asdict(model)
    assert (values["temperature"], values["top_p"], values["top_k"]) == (0, None, 40)
    assert values["supported_generation_methods"] == ["generateContent"]
    lines = repr(model).splitlines()
    assert lines[0] == "Model(name='models/gemini-pro',"
    assert lines[-1] == "      thinking=False)"


def test_tuned_model() -> None:
    """Times are datetimes in UTC, a snapshot is a dict, and the base model is that of the source."""
    proto = protos.TunedModel(
        name="tunedModels/a",
        tuned_model_source=protos.TunedModelSource(tuned_model="tunedModels/b", base_model="models/c"),
        state=protos.TunedModel.ACTIVE,
        reader_project_numbers=[7],
    )
    proto.create_time.FromJsonString("2026-01-02T03:04:05Z")
    proto.tuning_task.hyperparameters.epoch_count = 5
    proto.tuning_task.snapshots.add(step=1, epoch=2, mean_loss=0.5)
    model = types.TunedModel.from_proto(proto)
    assert (model.source_model, model.base_model, model.reader_project_numbers) == ("tunedModels/b", "models/c", [7])
    assert model.create_time == datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)
    assert model.update_time is None
    task = model.tuning_task
    assert task is not None
    assert task.hyperparameters is not None
    assert (task.hyperparameters.epoch_count, task.hyperparameters.batch_size) == (5, 0)
    assert task.snapshots == [{"step": 1, "epoch": 2, "mean_loss": 0.5, "compute_time": None}]
    assert "hyperparameters=Hyperparameters(epoch_count=5,\n" in repr(model)


def test_file() -> None:
    """A File has the fields of the message; a time that is unknown is None."""
    proto = protos.File(name="files/clip", mime_type="video/mp4", size_bytes=3, uri="https://example.com/files/clip")
    proto.create_time.FromJsonString("2026-01-02T03:04:05Z")
    file = types.File(types.File(proto))
    assert file.to_proto() is proto
    assert (file.name, file.mime_type, file.size_bytes, file.uri) == (
        "files/clip",
        "video/mp4",
        3,
        "https://example.com/files/clip",
    )
    assert file.create_time == datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)
    assert (file.update_time, file.expiration_time) == (None, None)
    assert (file.display_name, file.sha256_hash, file.state) == ("", b"", protos.File.STATE_UNSPECIFIED)
    assert (file.error.code, file.video_metadata.video_duration.seconds) == (0, 0)
    assert repr(file).startswith("File(name='files/clip', ")
