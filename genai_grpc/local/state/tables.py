"""The tables of the server's state."""

from __future__ import annotations

from typing import Final

from genai_grpc.local.state.access import PERMISSIONS
from genai_grpc.local.state.cached_contents import CACHED_CONTENTS
from genai_grpc.local.state.files import FILES
from genai_grpc.local.state.live_sessions import LIVE_SESSIONS
from genai_grpc.local.state.retriever import CHUNKS, CORPORA, DOCUMENTS
from genai_grpc.local.state.state_file import Table
from genai_grpc.local.state.tunings import OPERATIONS, TUNED_MODELS

__all__ = ["TABLES"]

TABLES: Final[tuple[Table, ...]] = (
    CACHED_CONTENTS.table,
    FILES.table,
    TUNED_MODELS.table,
    OPERATIONS.table,
    PERMISSIONS.table,
    CORPORA.table,
    DOCUMENTS.table,
    CHUNKS.table,
    LIVE_SESSIONS,
)
