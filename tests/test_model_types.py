from __future__ import annotations

import copy
import dataclasses
import pickle
from datetime import datetime, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genai_grpc import protos, types

MODEL = protos.Model(
    name="models/gemini-pro",
    base_model_id="gemini-pro",
    version="001",
    display_name="Gemini Pro",
    description="A model.",
    input_token_limit=5,
    supported_generation_methods=["generateContent", "countTokens"],
    temperature=0.9,
    top_p=0,
)
NOON = datetime(2026, 1, 2, 12, tzinfo=timezone.utc)


def test_model() -> None:
    """A model has the fields of its message: unset numbers are None, zero is a value."""
    model = types.Model.from_proto(MODEL)
    assert dataclasses.asdict(model) == {
        "name": "models/gemini-pro",
        "base_model_id": "gemini-pro",
        "version": "001",
        "display_name": "Gemini Pro",
        "description": "A model.",
        "input_token_limit": 5,
        "output_token_limit": 0,
        "supported_generation_methods": ["generateContent", "countTokens"],
        "temperature": 0.9,
        "max_temperature": None,
        "top_p": 0.0,
        "top_k": None,
        "thinking": False,
    }
    assert types.Model(**dataclasses.asdict(model)) == model


def test_every_field_of_the_wire() -> None:
    """A model has each field of the wire."""
    assert {each.name for each in dataclasses.fields(types.Model)} == set(protos.Model.DESCRIPTOR.fields_by_name)


@given(st.floats(width=32, allow_nan=False))
def test_shortest_decimal(number: float) -> None:
    """A number of the wire is read as a decimal that stands for the same 32-bit float, and is no longer than needed."""
    temperature = types.Model.from_proto(protos.Model(temperature=number)).temperature
    assert temperature is not None
    assert protos.Model(temperature=temperature).temperature == number
    assert len(repr(temperature)) <= len(repr(number))


@pytest.mark.parametrize("number", [0.9, 0.95, 1.0, 2.0, 0.1, 40.0, 1e-9])
def test_usual_numbers(number: float) -> None:
    """A number reads as people write it."""
    assert types.Model.from_proto(protos.Model(temperature=number)).temperature == number


def test_repr() -> None:
    """The repr has one field a line, as that of google-generativeai."""
    assert repr(types.Model.from_proto(MODEL)) == (
        "Model(name='models/gemini-pro',\n"
        "      base_model_id='gemini-pro',\n"
        "      version='001',\n"
        "      display_name='Gemini Pro',\n"
        "      description='A model.',\n"
        "      input_token_limit=5,\n"
        "      output_token_limit=0,\n"
        "      supported_generation_methods=['generateContent', 'countTokens'],\n"
        "      temperature=0.9,\n"
        "      max_temperature=None,\n"
        "      top_p=0.0,\n"
        "      top_k=None,\n"
        "      thinking=False)"
    )


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ({"description": "a long text " * 90}, "description=(...)"),
        ({"supported_generation_methods": ["m" * 70] * 11}, "supported_generation_methods=[...]"),
        ({"display_name": {str(number): "m" * 70 for number in range(11)}}, "display_name={...}"),
        ({"display_name": types.Model.from_proto(MODEL)}, "display_name=Model(...)"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_long_values_in_repr(value: dict[str, Any], shown: str) -> None:
    """A value of more than ten lines is cut short."""
    assert shown in repr(dataclasses.replace(types.Model.from_proto(MODEL), **value))


def test_tuned_model() -> None:
    """A tuned model has its times as datetimes, its task as a dataclass, and both of its sources."""
    proto = protos.TunedModel(
        name="tunedModels/mine", base_model="models/gemini-pro", state=protos.TunedModel.ACTIVE, temperature=0.7
    )
    proto.create_time.FromDatetime(NOON)
    proto.reader_project_numbers.append(7)
    proto.tuning_task.hyperparameters.epoch_count = 5
    proto.tuning_task.snapshots.add(step=1, epoch=2, mean_loss=0.1).compute_time.FromDatetime(NOON)
    tuned = types.TunedModel.from_proto(proto)
    assert (tuned.source_model, tuned.base_model) == ("models/gemini-pro", "models/gemini-pro")
    assert (tuned.state, tuned.temperature, tuned.top_p) == (protos.TunedModel.State.ACTIVE, 0.7, None)
    assert (tuned.create_time, tuned.update_time, tuned.reader_project_numbers) == (NOON, None, [7])
    assert tuned.tuning_task == types.TuningTask(
        snapshots=[{"step": 1, "epoch": 2, "mean_loss": 0.1, "compute_time": NOON}],
        hyperparameters=types.Hyperparameters(epoch_count=5),
    )


def test_tuned_model_of_tuned_model() -> None:
    """A model tuned from a tuned one names both."""
    source = protos.TunedModelSource(tuned_model="tunedModels/first", base_model="models/gemini-pro")
    tuned = types.TunedModel.from_proto(protos.TunedModel(tuned_model_source=source))
    assert (tuned.source_model, tuned.base_model) == ("tunedModels/first", "models/gemini-pro")


def test_unset_tuned_model() -> None:
    """A tuned model of which the service says nothing is one with the defaults, but for its empty name."""
    assert types.TunedModel.from_proto(protos.TunedModel()) == types.TunedModel(name="")


def test_permissions() -> None:
    """A tuned model has the permissions of its name."""
    assert types.TunedModel(name="tunedModels/mine").permissions.parent == "tunedModels/mine"


def test_copies() -> None:
    """Models can be pickled and copied."""
    model = types.Model.from_proto(MODEL)
    assert pickle.loads(pickle.dumps(model)) == copy.deepcopy(model) == model
