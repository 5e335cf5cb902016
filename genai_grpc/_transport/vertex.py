"""Where a client calls Vertex AI, completed from the environment, as google-genai reads it."""

from __future__ import annotations

import re
from typing import Final

from genai_grpc._rpc.secret import Secret
from genai_grpc._services.vertex import GLOBAL, Vertex
from genai_grpc._transport.api_keys import VERTEX_KEY_VARIABLES, environment_key
from genai_grpc._transport.config import ENDPOINT_VARIABLE, VERTEX_VARIABLES
from genai_grpc.errors import ConfigurationError

__all__ = ["MISSING_VERTEX_CREDENTIALS", "resolve_vertex"]

PROJECT_VARIABLE: Final = "GOOGLE_CLOUD_PROJECT"
LOCATION_VARIABLE: Final = "GOOGLE_CLOUD_LOCATION"
MISSING_VERTEX_CREDENTIALS: Final = (
    "no credentials for Vertex AI. Log in with `gcloud auth application-default login` (with pip install "
    "'genai-grpc[auth]'), or give some of google-auth as Client(credentials=...); or, in express mode, an API key of "
    f"Google Cloud as Client(api_key=...) or {' or '.join(VERTEX_KEY_VARIABLES)}; or use a local server, which needs "
    f"none: run `genai-grpc serve` and set {ENDPOINT_VARIABLE}=http://127.0.0.1:50051"
)


def resolve_vertex(given: object, api_key: object, credentials: object, variables: Secret) -> Vertex | None:
    """The project and location at Vertex AI, completed from the environment; None for the Gemini API.

    Args:
        given: As the program gave it.
        api_key: The key that the program gave, if any: an explicit key stands for its project.
        credentials: The credentials that the program gave, if any. They, or a location, come before a key of the
            environment.
        variables: The environment.

    Raises:
        ConfigurationError: There is neither a project nor a key.
        TypeError: It is of another type.
    """
    environment = variables.reveal()
    if given is None:
        switch = next((environment[name] for name in VERTEX_VARIABLES if name in environment), "")
        given = switch.strip().lower() in ("1", "true")
    if given is False:
        return None
    vertex = Vertex() if given is True else given
    if not isinstance(vertex, Vertex):
        raise TypeError(f"vertex is a Vertex, True or False; got {type(vertex).__name__}")
    project = vertex.project or (None if api_key else environment.get(PROJECT_VARIABLE, "").strip()) or None
    location = vertex.location or environment.get(LOCATION_VARIABLE, "").strip() or GLOBAL
    for name, value in (("project", project), ("location", location)):
        if value is not None and not (isinstance(value, str) and re.fullmatch(r"[\w.:-]+", value, re.ASCII)):
            raise ConfigurationError(f"the {name} of Vertex AI is a name such as 'my-{name}'; got {value!r}")
    explicit = credentials is not None or vertex.location
    if project is None and (api_key or (not explicit and environment_key(variables, vertex) is not None)):
        return Vertex(None, vertex.location or GLOBAL)
    project = project or _default_project()
    if project is None:
        raise ConfigurationError(
            "no project for Vertex AI, and the application default credentials name none. Pass Vertex(project=...), or "
            f"set {PROJECT_VARIABLE}; or give an API key of Google Cloud, as Client(api_key=...) or "
            f"{' or '.join(VERTEX_KEY_VARIABLES)} (express mode)"
        )
    return Vertex(project, location)


def _default_project() -> str | None:
    """The project of the application default credentials: of their file, of gcloud, or of this machine at Google."""
    try:
        import google.auth  # optional
        from google.auth.exceptions import DefaultCredentialsError
    except ImportError:
        return None
    try:
        _, project = google.auth.default()
    except DefaultCredentialsError:
        return None
    return project or None
