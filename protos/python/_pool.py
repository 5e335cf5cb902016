"""The descriptor pool of every `_pb2` module of this package.

The default pool refuses a second registration of `google.ai.generativelanguage.v1beta`, so these messages are built
from a compiled descriptor set in a private pool. The files of `google.cloud.aiplatform.v1` are in a set of their own,
which joins the pool when `genai_grpc_protos.aiplatform_v1` is imported.
"""

from __future__ import annotations

import copyreg
import os.path
import sys
import threading
from importlib import import_module
from typing import TYPE_CHECKING, Any

from google.protobuf.internal import api_implementation

from genai_grpc_protos._idioms import LazyEnum, extend

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from importlib.machinery import ModuleSpec

    from google.protobuf.descriptor import Descriptor
    from google.protobuf.descriptor_pool import DescriptorPool
    from google.protobuf.message import Message

__all__ = ["POOL", "add_files", "bind", "lazy_getattr", "message_class"]

_LOCK = threading.RLock()
_UPB = api_implementation.Type() == "upb"
if not TYPE_CHECKING:
    try:
        # The classes behind the public modules below, without importing the pure Python runtime: saves 18 ms.
        from google.protobuf.message import Message
        from google.protobuf.pyext.cpp_message import GeneratedProtocolMessageType, _message
    except ImportError:
        # The pure Python runtime, or a release that has moved them.
        from google.protobuf.descriptor_pool import DescriptorPool
        from google.protobuf.message_factory import GetMessageClass
    else:
        DescriptorPool = _message.DescriptorPool

        def GetMessageClass(descriptor):  # noqa: N802 -- the public module's name
            return getattr(descriptor, "_concrete_class", None) or GeneratedProtocolMessageType(
                descriptor.name, (Message,), {"DESCRIPTOR": descriptor, "__module__": None}
            )


def _files(data: bytes) -> Iterator[bytes]:
    """Yield the serialized files of a serialized FileDescriptorSet; they are its only field."""
    at = 0
    while at < len(data):
        at, size, shift = at + 1, 0, 0
        while True:  # a varint
            byte = data[at]
            size |= (byte & 0x7F) << shift
            at, shift = at + 1, shift + 7
            if byte < 0x80:
                break
        yield data[at : at + size]
        at += size


POOL = DescriptorPool()


def add_files(module: ModuleSpec) -> None:
    """Add the files of the descriptor set in a module's folder, which lists imports before their importers."""
    loader: Any = module.loader  # it may read from a zip file
    for file in _files(loader.get_data(os.path.join(os.path.dirname(str(module.origin)), "descriptors.binpb"))):
        POOL.AddSerializedFile(file)


add_files(__spec__)


def bind(proto: str, module: dict[str, Any]) -> None:
    """Fill the namespace of a `_pb2` module with the messages and enums of the file `proto`."""
    file = POOL.FindFileByName(proto)
    module["DESCRIPTOR"] = file
    classes: list[Any] = []
    for enum in file.enum_types_by_name.values():
        module[enum.name] = LazyEnum(enum, module["__name__"], enum.name).cls
        module.update(module[enum.name].__members__)
    for message in file.message_types_by_name.values():
        module[message.name] = _class(message, module["__name__"], message.name, classes)
    for cls in classes:  # once all enums of the file are known
        extend(cls)


def _class(descriptor: Descriptor, module: str, qualname: str, classes: list[Any]) -> type[Message]:
    """Build the message class of a descriptor, with its nested classes and enums, in `module`; make it picklable.

    The class and its nested classes are added to `classes`.
    """
    cls = _get_class(descriptor)
    cls.__module__, cls.__qualname__ = module, qualname
    for nested in descriptor.nested_types:
        nested_class = _class(nested, module, f"{qualname}.{nested.name}", classes)
        if not _UPB and not nested.GetOptions().map_entry:
            # upb sets nested classes itself; the pure Python runtime leaves them to generated code.
            setattr(cls, nested.name, nested_class)
    for enum in descriptor.enum_types:
        for name, attribute in LazyEnum(enum, module, f"{qualname}.{enum.name}").attributes().items():
            setattr(cls, name, attribute)
    copyreg.pickle(cls, _reduce)
    classes.append(cls)
    return cls


def message_class(full_name: str) -> type[Message]:
    """The class of a message of the pool by its full name, such as `google.rpc.Status`; KeyError if there is none."""
    return _get_class(POOL.FindMessageTypeByName(full_name))


def _get_class(descriptor: Descriptor) -> type[Message]:
    # The pure Python runtime, which is the one of free-threaded Python, shows other threads a class that is half built.
    with _LOCK:
        return GetMessageClass(descriptor)


def _reduce(message: Message) -> tuple[Any, ...]:
    # Pickled by its class; protobuf's own way would look the name up in the default pool.
    return _restore, (type(message), message.SerializeToString())


def _restore(cls: type[Message], data: bytes) -> Message:
    return cls.FromString(data)


def lazy_getattr(package: str, modules: dict[str, str]) -> Callable[[str], Any]:
    """Build the `__getattr__` of a package that imports each name's module when the name is first used (PEP 562)."""
    namespace = vars(sys.modules[package])

    def getattr_(name: str) -> Any:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = namespace[name] = getattr(import_module(f"{package}.{modules[name]}"), name)
        return value

    return getattr_
