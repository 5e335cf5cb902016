"""The versions of the Gemini API, and the methods that v1 has; v1beta has all methods of this package."""

from __future__ import annotations

from typing import Final

__all__ = ["API_VERSIONS", "PACKAGE", "V1_METHODS"]

PACKAGE: Final = "google.ai.generativelanguage"
"""The proto package, without its version."""

API_VERSIONS: Final = ("v1beta", "v1")
"""The versions that a client can use, the default first."""

V1_METHODS: Final = {
    "GenerativeService": frozenset(
        {"GenerateContent", "StreamGenerateContent", "EmbedContent", "BatchEmbedContents", "CountTokens"}
    ),
    "ModelService": frozenset({"GetModel", "ListModels"}),
}
"""The methods of each service of v1. Their messages have the field numbers of v1beta."""
