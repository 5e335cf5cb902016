"""Every message and enum of `google.ai.generativelanguage.v1beta`, by name.

They are plain protobuf classes of a descriptor pool of their own, so they live beside Google's packages in one process.

>>> from genai_grpc import protos
>>> protos.Content(role="user", parts=[protos.Part(text="Hello")]).parts[0].text
'Hello'
"""

from typing import TYPE_CHECKING, Any

from genai_grpc_protos import v1beta
from genai_grpc_protos.v1beta import __all__ as __all__

if TYPE_CHECKING:
    from genai_grpc_protos.v1beta import *  # noqa: F403 -- the list of names is generated, and __all__ with it


def __getattr__(name: str) -> Any:
    found = globals()[name] = getattr(v1beta, name)
    return found


def __dir__() -> list[str]:
    return __all__
