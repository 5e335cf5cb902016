"""For the tests of programs that use the client."""

from __future__ import annotations

from genai_grpc.testing._authority import Authority
from genai_grpc.testing._proxy import FaultProxy

__all__ = ["Authority", "FaultProxy"]
