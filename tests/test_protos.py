from __future__ import annotations

import copy
import importlib
import pickle
from collections.abc import Iterator
from operator import attrgetter
from typing import Any

import pytest

from genai_grpc import protos
from genai_grpc_protos._pool import POOL

PACKAGE = "google.ai.generativelanguage.v1beta"
FILES = tuple(
    POOL.FindFileByName(f"google/ai/generativelanguage/v1beta/{name}.proto")
    for name in (
        "cache_service",
        "cached_content",
        "citation",
        "content",
        "file",
        "file_service",
        "generative_service",
        "model",
        "model_service",
        "permission",
        "permission_service",
        "prediction_service",
        "retriever",
        "retriever_service",
        "safety",
        "tuned_model",
    )
)


def messages(descriptors: Any) -> Iterator[Any]:
    """These message types and those nested in them, without the entries of maps."""
    for descriptor in descriptors:
        if not descriptor.GetOptions().map_entry:
            yield descriptor
            yield from messages(descriptor.nested_types)


MESSAGES = tuple(descriptor for file in FILES for descriptor in messages(file.message_types_by_name.values()))


def test_every_message_and_enum_is_public() -> None:
    """`protos` has every message and enum of the package, and nothing else."""
    names = {name for file in FILES for name in (*file.message_types_by_name, *file.enum_types_by_name)}
    assert set(protos.__all__) == names
    assert list(protos.__all__) == sorted(protos.__all__)
    assert all(hasattr(protos, name) for name in names)


def test_file_list_is_complete() -> None:
    """Every message that another one refers to is in one of the listed files."""
    known = {descriptor.full_name for descriptor in MESSAGES}
    for descriptor in MESSAGES:
        for field in descriptor.fields:
            field_type = field.message_type
            if field_type is None or field_type.GetOptions().map_entry:
                continue
            if field_type.full_name.startswith(PACKAGE):
                assert field_type.full_name in known


@pytest.mark.parametrize(
    "descriptor", MESSAGES, ids=lambda descriptor: descriptor.full_name.removeprefix(f"{PACKAGE}.")
)
def test_message_class(descriptor: Any) -> None:
    """A message class is found by its module and qualified name, and its messages can be pickled and copied."""
    name = descriptor.full_name.removeprefix(f"{PACKAGE}.")
    cls = attrgetter(name)(protos)
    assert cls.DESCRIPTOR is descriptor
    assert cls.__qualname__ == name
    assert attrgetter(cls.__qualname__)(importlib.import_module(cls.__module__)) is cls
    message = cls()
    for copied in (pickle.loads(pickle.dumps(message)), copy.copy(message), copy.deepcopy(message)):
        assert type(copied) is cls
        assert copied == message


def test_pickle_protocols() -> None:
    """Messages within other objects survive every pickle protocol, identity included."""
    turn = protos.Content(role="user", parts=[protos.Part(text="Hi"), protos.Part(thought_signature=b"\x00s")])
    nested = protos.GenerateContentResponse.PromptFeedback(
        block_reason=protos.GenerateContentResponse.PromptFeedback.OTHER
    )
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        history = pickle.loads(pickle.dumps({"turns": [turn, turn], "feedback": nested}, protocol))
        assert history == {"turns": [turn, turn], "feedback": nested}
        assert history["turns"][0] is history["turns"][1]


def test_copies_are_independent() -> None:
    """A change to a copy does not change the message."""
    turn = protos.Content(role="user", parts=[protos.Part(text="Hi")])
    for copied in (copy.copy(turn), copy.deepcopy(turn), copy.deepcopy([turn])[0]):
        copied.role = "model"
        copied.parts[0].text = "changed"
    assert turn == protos.Content(role="user", parts=[protos.Part(text="Hi")])


def test_enums() -> None:
    """Top-level and nested enums convert between names and numbers."""
    assert protos.Type.Value("OBJECT") == protos.Type.OBJECT
    assert protos.Type.Name(protos.Type.OBJECT) == "OBJECT"
    assert protos.Candidate.FinishReason.Name(protos.Candidate.STOP) == "STOP"
