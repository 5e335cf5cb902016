"""Every message and enum of `google.ai.generativelanguage.v1beta`, by name.

They are plain protobuf classes of a descriptor pool of their own, so they live beside Google's packages in one process.

>>> from genai_grpc import protos
>>> protos.Content(role="user", parts=[protos.Part(text="Hello")]).parts[0].text
'Hello'
"""

from typing import TYPE_CHECKING, Any, Final

from genai_grpc._lazy import attach
from genai_grpc_protos.v1beta import __all__ as __all__

if TYPE_CHECKING:
    from genai_grpc_protos.v1beta import *  # noqa: F403 -- the list of names is generated, and __all__ with it

PALM_REASON: Final = "PaLM's services are gone; use GenerateContentRequest, CountTokensRequest or EmbedContentRequest"
PALM_NAMES: Final = (
    "BatchEmbedTextRequest BatchEmbedTextResponse CountMessageTokensRequest CountMessageTokensResponse "
    "CountTextTokensRequest CountTextTokensResponse EmbedTextRequest EmbedTextResponse Embedding Example "
    "GenerateMessageRequest GenerateMessageResponse GenerateTextRequest GenerateTextResponse Message MessagePrompt "
    "TextCompletion TextPrompt TokenCount"
)
_getattr, __dir__ = attach(__name__, dict.fromkeys(__all__, "genai_grpc_protos.v1beta"))


def __getattr__(name: str) -> Any:
    if name in PALM_NAMES.split():
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; {PALM_REASON}")
    return _getattr(name)
