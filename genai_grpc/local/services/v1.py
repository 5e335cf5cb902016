"""The services under the path of API version v1, which has fewer methods; their messages have the same numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from genai_grpc._services.api_versions import PACKAGE, V1_METHODS
from genai_grpc.local.services.operations import Registry
from genai_grpc_protos.v1beta.generative_service_pb2_grpc import (
    GenerativeServiceServicer,
    add_GenerativeServiceServicer_to_server,
)
from genai_grpc_protos.v1beta.model_service_pb2_grpc import ModelServiceServicer, add_ModelServiceServicer_to_server

__all__ = ["add_v1_services"]


def add_v1_services(registry: Registry, generative: GenerativeServiceServicer, models: ModelServiceServicer) -> None:
    """Serve the methods of v1 with the servicers of v1beta."""
    handlers: Any = _Handlers()
    add_GenerativeServiceServicer_to_server(generative, handlers)
    add_ModelServiceServicer_to_server(models, handlers)
    for name, methods in V1_METHODS.items():
        of_version = {method: handlers.by_service[name][method] for method in methods}
        registry.add(f"{PACKAGE}.v1.{name}", of_version)


class _Handlers:
    """Stands for a server: collects the handlers that generated functions add, by the name of the service."""

    def __init__(self) -> None:
        self.by_service: dict[str, Mapping[str, Any]] = {}

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, Any]) -> None:
        self.by_service[service.rpartition(".")[2]] = handlers

    def add_generic_rpc_handlers(self, handlers: object) -> None:
        """The same handlers, without their names."""
