"""The gRPC server on its port: the services, their health and reflection, from a start to a stop."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import grpc.aio
from google.protobuf.descriptor_pool import DescriptorPool

from genai_grpc.local._api_key import ApiKeyInterceptor
from genai_grpc.local._background_server import join, within
from genai_grpc.local._handlers import Handlers
from genai_grpc.local._requests import RequestInterceptor
from genai_grpc.local.engines.engine import AnyEngine
from genai_grpc.local.services import vertex
from genai_grpc.local.services.caching import CacheService
from genai_grpc.local.services.files import FileService
from genai_grpc.local.services.generative import GenerativeService
from genai_grpc.local.services.model_service import ModelService
from genai_grpc.local.services.models import ModelRegistry
from genai_grpc.local.services.operations import Operations, add_operations
from genai_grpc.local.services.permissions import PermissionService
from genai_grpc.local.services.prediction import PredictionService
from genai_grpc.local.services.retriever import RetrieverService
from genai_grpc.local.services.tuner import Tuner
from genai_grpc.local.services.v1 import add_v1_services
from genai_grpc.local.state.access import Users
from genai_grpc.local.state.cached_contents import CachedContentStore
from genai_grpc.local.state.database import Database
from genai_grpc.local.state.files import FileStore
from genai_grpc.local.state.live_sessions import LiveSessionStore
from genai_grpc.local.state.tunings import TuningStore
from genai_grpc_protos.aiplatform_v1 import (
    gen_ai_cache_service_pb2,
    gen_ai_cache_service_pb2_grpc,
    llm_utility_service_pb2,
    llm_utility_service_pb2_grpc,
)
from genai_grpc_protos.aiplatform_v1 import prediction_service_pb2 as aiplatform_prediction_pb2
from genai_grpc_protos.aiplatform_v1 import prediction_service_pb2_grpc as aiplatform_prediction_pb2_grpc
from genai_grpc_protos.v1beta import (
    cache_service_pb2,
    cache_service_pb2_grpc,
    file_service_pb2,
    file_service_pb2_grpc,
    generative_service_pb2,
    generative_service_pb2_grpc,
    model_service_pb2,
    model_service_pb2_grpc,
    permission_service_pb2,
    permission_service_pb2_grpc,
    prediction_service_pb2,
    prediction_service_pb2_grpc,
    retriever_service_pb2,
    retriever_service_pb2_grpc,
)

if TYPE_CHECKING:
    from google.protobuf.descriptor import FileDescriptor
    from grpc_health.v1.health import aio as health_aio  # type: ignore[import-untyped]  # ships no types

__all__ = ["MAX_REQUEST_BYTES", "GrpcServer", "Settings", "check_port", "wait_for_port"]

MAX_REQUEST_BYTES: Final = 20 * 1024 * 1024
"""The limit that the Gemini API sets to a request with inline data (https://ai.google.dev/gemini-api/docs/files)."""

_OVERSIZE: Final = 256 * 1024 * 1024
"""Bytes above the limit up to which a request is still received, so that the error can name both sizes."""

_MAX_INT: Final = 2**31 - 1

_DRAIN_SECONDS: Final = 0.5
"""Time for connections to close by themselves, and for watchers of the health service to leave."""

_CANCEL_SECONDS: Final = 1.0
"""Time for gRPC to end the calls that it cancels."""

_PORT_SECONDS: Final = 10.0
"""Time for the port of a stopped server to become free."""

_MODULES: Final = (
    cache_service_pb2,
    file_service_pb2,
    generative_service_pb2,
    model_service_pb2,
    permission_service_pb2,
    prediction_service_pb2,
    retriever_service_pb2,
    aiplatform_prediction_pb2,
    gen_ai_cache_service_pb2,
    llm_utility_service_pb2,
)
"""The modules of the services of the API."""

_SERVICES: Final = tuple(
    service.full_name for module in _MODULES for service in module.DESCRIPTOR.services_by_name.values()
)


@dataclass(frozen=True, slots=True)
class Settings:
    """The arguments of `serve`, which documents them."""

    engines: tuple[AnyEngine, ...]
    host: str
    port: int
    max_request_bytes: int
    state_dir: Path | None
    credentials: grpc.ServerCredentials | None
    options: tuple[tuple[str, Any], ...]
    aliases: tuple[str, ...]
    http_port: int | None
    http_tls: tuple[Path, Path] | None
    users: Mapping[str, str] = field(repr=False)
    user_keys: tuple[str, ...] = field(repr=False)
    api_key: str | None = field(repr=False)
    origins: tuple[str, ...] = ()


class GrpcServer:
    """A gRPC server with the services of the API, health and reflection.

    Attributes:
        handlers: The handlers of the API's methods.
    """

    def __init__(
        self,
        registry: ModelRegistry,
        database: Database,
        files: FileStore,
        tuner: Tuner,
        http_port: int | None,
        settings: Settings,
    ) -> None:
        key = settings.api_key
        cached_contents, tunings = CachedContentStore(database), TuningStore(database)
        users = Users(settings.users)
        retriever = RetrieverService(database, registry, users)
        interceptors = [RequestInterceptor(), *([] if key is None else [ApiKeyInterceptor(key, *settings.user_keys)])]
        self._server = grpc.aio.server(interceptors=interceptors, options=_options(settings))
        self.handlers = Handlers(self._server, interceptors)
        self._generative = GenerativeService(
            registry,
            cached_contents,
            files,
            tunings,
            retriever,
            LiveSessionStore(database),
            max_request_bytes=settings.max_request_bytes,
        )
        added: Any = self.handlers
        generative_service_pb2_grpc.add_GenerativeServiceServicer_to_server(self._generative, added)
        models = ModelService(registry, tunings, tuner, users)
        model_service_pb2_grpc.add_ModelServiceServicer_to_server(models, added)
        caching = CacheService(registry, cached_contents, files, max_request_bytes=settings.max_request_bytes)
        cache_service_pb2_grpc.add_CacheServiceServicer_to_server(caching, added)
        file_service_pb2_grpc.add_FileServiceServicer_to_server(FileService(files, http_port), added)
        permission_service_pb2_grpc.add_PermissionServiceServicer_to_server(PermissionService(database, users), added)
        prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
            PredictionService(registry, database), added
        )
        retriever_service_pb2_grpc.add_RetrieverServiceServicer_to_server(retriever, added)
        add_operations(added, Operations(tunings))
        add_v1_services(added, self._generative, models)
        aiplatform_prediction_pb2_grpc.add_PredictionServiceServicer_to_server(
            vertex.PredictionService(self._generative), added
        )
        llm_utility_service_pb2_grpc.add_LlmUtilityServiceServicer_to_server(
            vertex.LlmUtilityService(self._generative, registry), added
        )
        gen_ai_cache_service_pb2_grpc.add_GenAiCacheServiceServicer_to_server(vertex.GenAiCacheService(caching), added)
        self._health = _add_health_and_reflection(self._server)
        self._credentials = settings.credentials

    async def start(self, host: str, port: int) -> int:
        """Listen, and return the port.

        Raises:
            OSError: It cannot listen there; the message has the system's reason, which gRPC only logs.
        """
        from grpc_health.v1 import health_pb2  # type: ignore[import-untyped]  # ships no types; optional

        address = join(host, port)
        check_port(host, port)
        if self._credentials is None:
            bound_port = self._server.add_insecure_port(address)
        else:
            bound_port = self._server.add_secure_port(address, self._credentials)
        for name in _SERVICES:
            await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)
        await self._server.start()
        return bound_port

    async def stop(self, grace: float | None) -> None:
        """Set the health to NOT_SERVING, end the calls, and wait until the engines have stopped working on them.

        Raises:
            TimeoutError: A call does not end although it was cancelled.
        """
        grace = grace or 0.0
        end = asyncio.get_running_loop().time() + grace + _DRAIN_SECONDS + _CANCEL_SECONDS
        await self._health.enter_graceful_shutdown()
        # gRPC's own cancellation would drop the connections, which clients log, so the calls end one by one before.
        stopping = asyncio.create_task(self._server.stop(grace + _DRAIN_SECONDS))
        await self._generative.close(grace)
        remaining = max(end - asyncio.get_running_loop().time(), _CANCEL_SECONDS)
        await within(remaining, stopping, "gRPC did not end its calls; they are abandoned")


def _options(settings: Settings) -> list[tuple[str, Any]]:
    defaults = {
        # With SO_REUSEPORT, two servers on one port would share its connections at random, and neither would fail.
        "grpc.so_reuseport": 0,
        "grpc.max_receive_message_length": min(settings.max_request_bytes + _OVERSIZE, _MAX_INT),
        "grpc.max_send_message_length": -1,
        # By default, gRPC cancels calls of a burst above 3,000 pending ones, for no fault of the client.
        "grpc.server.max_pending_requests": _MAX_INT,
        "grpc.server.max_pending_requests_hard_limit": _MAX_INT,
        # gRPC's default of 300 s disconnects clients whose keepalive is more frequent (gRFC A8).
        "grpc.http2.min_ping_interval_without_data_ms": 10_000,
        "grpc.http2.min_recv_ping_interval_without_data_ms": 10_000,
    }
    return list({**defaults, **dict(settings.options)}.items())


def _add_health_and_reflection(server: grpc.aio.Server) -> health_aio.HealthServicer:
    # Imported here, since both are optional: without them, the error names what to install.
    try:
        from grpc_health.v1 import health, health_pb2, health_pb2_grpc
        from grpc_reflection.v1alpha import reflection, reflection_pb2  # type: ignore[import-untyped]  # ships no types
    except ImportError as error:
        packages = {"grpc_health": "grpcio-health-checking", "grpc_reflection": "grpcio-reflection"}
        missing = packages.get((error.name or "").partition(".")[0], error.name)
        raise ImportError(
            f"the local server needs {missing}: pip install 'genai-grpc[server]'", name=error.name
        ) from error
    modules = (*_MODULES, health_pb2, reflection_pb2)
    names = [*_SERVICES, health.SERVICE_NAME, reflection.SERVICE_NAME]
    reflection.enable_server_reflection(names, server, pool=_descriptor_pool(module.DESCRIPTOR for module in modules))
    servicer = health.aio.HealthServicer()  # pyright: ignore[reportAttributeAccessIssue]  # defined conditionally
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    return servicer


def _descriptor_pool(files: Iterable[FileDescriptor]) -> DescriptorPool:
    """A pool of the files and their imports; ours are in a private pool, the others in the default one."""
    pool = DescriptorPool()
    added: set[str] = set()

    def add(file: FileDescriptor) -> None:
        if file.name not in added:
            added.add(file.name)
            for imported in file.dependencies:
                add(imported)
            pool.AddSerializedFile(file.serialized_pb)

    for file in files:
        add(file)
    return pool


def check_port(host: str, port: int) -> None:
    """Check that a server can listen there.

    Raises:
        OSError: It cannot; the message has the system's reason.
    """
    try:
        _check_bind(host, port)
    except OSError as error:
        reason = (
            f"cannot listen on {join(host, port)}: {error.strerror}; choose another host or port, 0 being any free port"
        )
        raise OSError(error.errno, reason) from error


async def wait_for_port(host: str, port: int) -> None:
    """Wait until nothing listens on a port, which takes milliseconds after a stop.

    Raises:
        OSError: The port is still in use after `_PORT_SECONDS`.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _PORT_SECONDS
    while True:
        try:
            return _check_bind(host, port)
        except OSError:
            if loop.time() >= deadline:
                raise
        await asyncio.sleep(0.001)


def _check_bind(host: str, port: int) -> None:
    """Bind a socket to the address and close it; raises OSError with the system's reason."""
    family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(address)
