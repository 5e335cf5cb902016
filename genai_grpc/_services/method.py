"""An RPC method, described by its descriptor."""

from __future__ import annotations

import re
from collections.abc import Callable
from copy import copy
from functools import cached_property
from importlib import import_module
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from google.protobuf.message import Message

from genai_grpc._services.api_versions import PACKAGE, V1_METHODS
from genai_grpc_protos._by_name import MODULES
from genai_grpc_protos._pool import POOL, message_class

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor

__all__ = ["Method"]

Req = TypeVar("Req", bound=Message)
Res = TypeVar("Res", bound=Message)

# The Python packages that hold the messages of each proto package.
_PACKAGES: Final = {
    **MODULES,
    "google.longrunning": "genai_grpc_protos.longrunning",
    "google.protobuf": "genai_grpc_protos.protobuf",
}


class Method(Generic[Req, Res]):
    """An RPC method. Its path, types, streaming and routing come from its descriptor.

    Args:
        full_name: Its name in the descriptor pool, `package.Service.Method`.
        timeout: Default timeout of a call, in seconds.
        idempotent: Whether an attempt may be repeated without knowing that the one before had no effect.

    Attributes:
        package: The proto package.
        name: Its name without the package, `Service.Method`.
        path: The RPC path, `/package.Service/Method`.
        streaming: Whether the service streams responses.
        bidirectional: Whether the client streams requests, too.
    """

    def __init__(self, full_name: str, *, timeout: float = 60.0, idempotent: bool = True) -> None:
        service, _, name = full_name.rpartition(".")
        self.package = service.rpartition(".")[0]
        import_module(_PACKAGES[self.package])  # its files may join the pool only now
        self._descriptor: Any = POOL.FindServiceByName(service).methods_by_name[name]  # type: ignore[no-untyped-call, unused-ignore]  # typed in some releases of the stubs only
        self.name = f"{service.rpartition('.')[2]}.{name}"
        self.path = f"/{service}/{name}"
        self.streaming: bool = self._descriptor.server_streaming
        self.bidirectional: bool = self._descriptor.client_streaming
        self.timeout = timeout
        self.idempotent = idempotent

    @cached_property
    def v1(self) -> Method[Req, Res] | None:
        """The method of API version v1, whose messages have fewer fields; None if v1 has no such method."""
        service, _, name = self.name.partition(".")
        if name not in V1_METHODS.get(service, ()):
            return None
        method = copy(self)
        method.path = f"/{PACKAGE}.v1.{service}/{name}"
        return method

    @cached_property
    def request(self) -> type[Req]:
        """The class of its request message."""
        message_class: type[Req] = _message_class(self._descriptor.input_type)
        return message_class

    @cached_property
    def response(self) -> type[Res]:
        """The class of its response message, or of each message of its response stream."""
        message_class: type[Res] = _message_class(self._descriptor.output_type)
        return message_class

    @cached_property
    def routing_field(self) -> str | None:
        """The request field in its HTTP path, which goes into the routing metadata (https://google.aip.dev/4222)."""
        variable = re.search(r"\{([\w.]+)", _http_path(self._descriptor))
        return None if variable is None else variable[1]

    @cached_property
    def routing_value(self) -> Callable[[Any], str]:
        """Read the routing field of a request; "" for a method without one."""
        return _no_value if self.routing_field is None else attrgetter(self.routing_field)

    def __repr__(self) -> str:
        return f"<Method {self.path}>"


def _no_value(_: object) -> str:
    return ""


def _message_class(descriptor: Descriptor) -> Any:
    # By way of the module that binds it, so that the class is complete (it can be pickled, for one).
    return getattr(import_module(_PACKAGES[descriptor.file.package]), descriptor.name)


def _http_path(descriptor: Any) -> str:
    """The path of a method's `google.api.http` rule; "" for a method without one, such as a bidirectional stream."""
    message_class("google.api.HttpRule")  # built once, before threads parse one at the same time
    # Parsed with classes of our own pool: descriptor.GetOptions() would import descriptor_pb2, which takes 15 ms.
    file: Any = message_class("google.protobuf.FileDescriptorProto").FromString(
        descriptor.containing_service.file.serialized_pb
    )
    service = next(each for each in file.service if each.name == descriptor.containing_service.name)
    method = next(each for each in service.method if each.name == descriptor.name)
    rule = method.options.Extensions[POOL.FindExtensionByName("google.api.http")]  # type: ignore[no-untyped-call, unused-ignore]  # as above
    pattern = rule.WhichOneof("pattern")
    path: str = "" if pattern is None else getattr(rule, pattern)
    return path
