"""The old conversions give the results of google.generativeai 0.8.6; tests/installed compares with the package."""

from __future__ import annotations

import datetime
from typing import Any

import PIL.Image
import pytest

from genai_grpc import protos
from genai_grpc.generativeai.types import caching_types, content_types, generation_types
from tests.generativeai.conversions import CONVERSIONS, evaluate, result


@pytest.mark.parametrize(("call", "expected"), CONVERSIONS.items(), ids=list(CONVERSIONS))
def test_conversion(call: str, expected: Any) -> None:
    """A conversion gives the result, or raises the error, that the table says."""
    assert result(call, "genai_grpc.generativeai") == expected


def test_messages_are_returned_as_they_are() -> None:
    """A message is not copied."""
    content, part, blob = protos.Content(role="user"), protos.Part(text="hello"), protos.Blob(mime_type="image/png")
    content.parts.add(text="hello")
    assert content_types.to_contents([content])[0] is content
    assert content_types.to_part(part) is part
    assert content_types.to_blob(blob) is blob


@pytest.mark.parametrize(
    ("call", "name"),
    [
        ("content_types.to_function_calling_mode('any')", "ANY"),
        ("safety_types.to_harm_category('hate')", "HARM_CATEGORY_HATE_SPEECH"),
        ("safety_types.to_block_threshold('high')", "BLOCK_ONLY_HIGH"),
        ("model_types.to_tuned_model_state(None)", "STATE_UNSPECIFIED"),
    ],
)
def test_enums(call: str, name: str) -> None:
    """An enum's value is a member."""
    assert evaluate(call, "genai_grpc.generativeai").name == name


def test_images() -> None:
    """An image becomes a Blob, and is an instance of the image types; no image is a Blob otherwise."""
    image = PIL.Image.new("RGB", (2, 2))
    assert isinstance(image, content_types.IMAGE_TYPES)
    assert not isinstance("an image", content_types.IMAGE_TYPES)
    assert content_types.image_to_blob(image) == content_types.to_blob(image)
    assert content_types.to_blob(image).mime_type == "image/webp"


def test_dicts_are_not_changed() -> None:
    """Where google.generativeai changed the caller's dict, it stays as it is."""
    config = {"function_calling_config": "any"}
    content_types.to_tool_config(config)
    assert config == {"function_calling_config": "any"}


def test_expiry_with_fractions() -> None:
    """A fraction of a second, which google.generativeai dropped, is kept."""
    noon = datetime.datetime(2026, 1, 1, 12, 0, 0, 500_000, tzinfo=datetime.timezone.utc)
    assert caching_types.to_optional_expire_time(noon) == {"seconds": 1767268800, "nanos": 500_000_000}


def test_message_of_a_generation_config() -> None:
    """Of a GenerationConfig message the fields that are set are returned, not the others' defaults."""
    assert generation_types.to_generation_config_dict(protos.GenerationConfig(temperature=0)) == {"temperature": 0}


def test_recursive_schema() -> None:
    """A type that a Schema cannot express is an error that says what to do."""
    with pytest.raises(ValueError, match="pass the type as response_schema$"):
        content_types._schema_for_class(tuple[int, str])
