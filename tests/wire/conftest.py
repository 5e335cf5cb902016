"""The wire tests run over gRPC and over HTTP/JSON."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture(params=["grpc", "rest"])
def transport(request: pytest.FixtureRequest) -> Any:
    """The transport of `client`."""
    return request.param
