"""`Vertex`: that a client calls Vertex AI, and where."""

from __future__ import annotations

from typing import Final, NamedTuple

from genai_grpc._services.dialects import Dialect, vertex_ai

__all__ = ["GLOBAL", "Vertex"]

GLOBAL: Final = "global"
"""The location that the service chooses."""

_MULTI_REGIONS: Final = frozenset({"eu", "us"})


class Vertex(NamedTuple):
    """Vertex AI, in place of the Gemini API, for `Client(vertex=...)` and `configure(vertex=...)`.

    Attributes:
        project: The ID or number of the project; by default GOOGLE_CLOUD_PROJECT of the environment, else that of the
            application default credentials. None with an API key, which names its project (express mode).
        location: The location: a region such as "europe-west4", or "eu" or "us", within which the service chooses; by
            default GOOGLE_CLOUD_LOCATION of the environment, else "global", where it chooses from all.

    >>> Vertex(project="my-project", location="europe-west4").host
    'europe-west4-aiplatform.googleapis.com'
    """

    project: str | None = None
    location: str | None = None

    @property
    def host(self) -> str:
        """The host of the service."""
        if self.location in (None, GLOBAL):
            return "aiplatform.googleapis.com"
        if self.location in _MULTI_REGIONS:
            return f"aiplatform.{self.location}.rep.googleapis.com"
        return f"{self.location}-aiplatform.googleapis.com"

    @property
    def dialect(self) -> Dialect:
        """What is named differently there."""
        return vertex_ai("" if self.project is None else f"projects/{self.project}/locations/{self.location or GLOBAL}")
