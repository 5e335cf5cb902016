"""Fixtures of the coercion tests."""

from __future__ import annotations

from collections.abc import Callable
from importlib import resources
from typing import Any

import pytest
from google.protobuf import descriptor_pb2
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass


@pytest.fixture(scope="session")
def other_pool() -> Callable[[str], Any]:
    """Look up a message class in a pool that is neither ours nor the default one, as another package has it.

    Its name is the full one, or that in `google.ai.generativelanguage.v1beta`.
    """
    pool = DescriptorPool()
    for name in ("descriptors.binpb", "aiplatform_v1/descriptors.binpb"):
        raw = resources.files("genai_grpc_protos").joinpath(name).read_bytes()
        for file in descriptor_pb2.FileDescriptorSet.FromString(raw).file:
            pool.AddSerializedFile(file.SerializeToString())
    return lambda name: GetMessageClass(
        pool.FindMessageTypeByName(
            name if name.startswith("google.") else f"google.ai.generativelanguage.v1beta.{name}"
        )  # type: ignore[no-untyped-call, unused-ignore]  # typed in some releases of the stubs only
    )
