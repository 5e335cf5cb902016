"""API keys: what one may hold, and the variables of the environment that have one."""

from __future__ import annotations

from typing import Final

from genai_grpc._rpc.secret import Secret
from genai_grpc.errors import ConfigurationError

__all__ = ["API_KEY_VARIABLES", "VERTEX_KEY_VARIABLES", "environment_key", "to_key"]

API_KEY_VARIABLES: Final = ("GEMINI_API_KEY", "GOOGLE_API_KEY")
# The key of Vertex AI's express mode, as google-genai reads it.
VERTEX_KEY_VARIABLES: Final = ("GOOGLE_API_KEY",)


def to_key(key: object) -> str:
    """An API key without the white space around it; "" for none.

    Raises:
        ConfigurationError: It holds characters that metadata cannot carry.
        TypeError: It is not a str.
    """
    if not isinstance(key, str):
        raise TypeError(f"an API key is a str, or a function that returns one; got {type(key).__name__}")
    key = key.strip()
    if not (key.isascii() and key.isprintable()):
        raise ConfigurationError("the API key holds characters that metadata cannot carry; was it copied whole?")
    return key


def environment_key(variables: Secret, vertex: object = None) -> Secret | None:
    """The API key of these environment variables, for the Gemini API or for Vertex AI; None if they have none.

    Raises:
        ConfigurationError: It cannot be sent.
    """
    for name in API_KEY_VARIABLES if vertex is None else VERTEX_KEY_VARIABLES:
        if key := Secret(Secret(variables.reveal().get(name, "")).apply(to_key)):
            return key
    return None
