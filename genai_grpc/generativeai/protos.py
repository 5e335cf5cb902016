"""The names of `google.generativeai.protos`."""

from typing import TYPE_CHECKING, Any

from genai_grpc import protos
from genai_grpc.generativeai._missing import module_getattr
from genai_grpc.protos import __all__ as __all__

if TYPE_CHECKING:
    from genai_grpc.protos import *  # noqa: F403 -- as in `genai_grpc.protos`

_missing = module_getattr(__name__)


def __getattr__(name: str) -> Any:
    return getattr(protos, name) if name in __all__ else _missing(name)


def __dir__() -> list[str]:
    return list(__all__)
