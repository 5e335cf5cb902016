from __future__ import annotations

import copy
import importlib
import pickle
from typing import TYPE_CHECKING, Any

import pytest

from genai_grpc import protos
from genai_grpc_protos._pool import POOL

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    """These message types and those nested in them, but for the entries of maps."""
    for descriptor in descriptors:
        if not descriptor.GetOptions().map_entry:
            yield descriptor
            yield from messages(descriptor.nested_types)


EVERY = tuple(descriptor for file in FILES for descriptor in messages(file.message_types_by_name.values()))


def named(descriptor: Any) -> Any:
    """The class of a message type, by its name in `protos`."""
    found: Any = protos
    for name in descriptor.full_name.removeprefix(f"{PACKAGE}.").split("."):
        found = getattr(found, name)
    return found


def test_every_message_and_enum_is_public() -> None:
    """Every message and enum of the package is in `protos`, and nothing else."""
    names = {name for file in FILES for name in (*file.message_types_by_name, *file.enum_types_by_name)}
    assert set(protos.__all__) == names
    assert list(protos.__all__) == sorted(protos.__all__)
    assert all(hasattr(protos, name) for name in names)


def test_every_file_is_looked_at() -> None:
    """The list of files above is complete: whatever a message refers to is in one of them."""
    known = {descriptor.full_name for descriptor in EVERY}
    for descriptor in EVERY:
        for field in descriptor.fields:
            kind = field.message_type
            if kind is not None and kind.full_name.startswith(PACKAGE) and not kind.GetOptions().map_entry:
                assert kind.full_name in known


@pytest.mark.parametrize("descriptor", EVERY, ids=lambda descriptor: descriptor.full_name.removeprefix(f"{PACKAGE}."))
def test_classes(descriptor: Any) -> None:
    """A class knows the module and the name by which it is found, and its messages can be pickled and copied."""
    cls = named(descriptor)
    assert cls.DESCRIPTOR is descriptor
    assert cls.__qualname__ == descriptor.full_name.removeprefix(f"{PACKAGE}.")
    found: Any = importlib.import_module(cls.__module__)
    for name in cls.__qualname__.split("."):
        found = getattr(found, name)
    assert found is cls
    message = cls()
    for copied in (pickle.loads(pickle.dumps(message)), copy.copy(message), copy.deepcopy(message)):  # noqa: S301 -- our own bytes
        assert type(copied) is cls
        assert copied == message


def test_pickle_protocols() -> None:
    """A message survives every pickle protocol, alone and within other objects."""
    turn = protos.Content(role="user", parts=[protos.Part(text="Hi"), protos.Part(thought_signature=b"\x00s")])
    nested = protos.GenerateContentResponse.PromptFeedback(
        block_reason=protos.GenerateContentResponse.PromptFeedback.OTHER
    )
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        history = pickle.loads(pickle.dumps({"turns": [turn, turn], "feedback": nested}, protocol))  # noqa: S301 -- our own bytes
        assert history == {"turns": [turn, turn], "feedback": nested}
        assert history["turns"][0] is history["turns"][1]


def test_copies_are_apart() -> None:
    """What is changed in a copy is not changed in the message."""
    turn = protos.Content(role="user", parts=[protos.Part(text="Hi")])
    for copied in (copy.copy(turn), copy.deepcopy(turn), copy.deepcopy([turn])[0]):
        copied.role = "model"
        copied.parts[0].text = "changed"
    assert turn == protos.Content(role="user", parts=[protos.Part(text="Hi")])


def test_enums() -> None:
    """Enums have their values by name and number, at the top and nested."""
    assert protos.Type.Value("OBJECT") == protos.Type.OBJECT
    assert protos.Type.Name(protos.Type.OBJECT) == "OBJECT"
    assert protos.Candidate.FinishReason.Name(protos.Candidate.STOP) == "STOP"
