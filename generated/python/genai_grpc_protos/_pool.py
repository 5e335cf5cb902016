"""The descriptor pool behind every `_pb2` module of this package.

The default pool refuses a second registration of `google.ai.generativelanguage.v1beta`, so these messages are built
from a compiled descriptor set in a pool of their own. Only public protobuf API is used, which is the same on upb and
pure Python.
"""

from __future__ import annotations

import copyreg
import pkgutil
from typing import TYPE_CHECKING, Any

from google.protobuf import descriptor_pb2
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper
from google.protobuf.message_factory import GetMessageClass

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor
    from google.protobuf.message import Message

__all__ = ["POOL", "bind"]


def _load() -> DescriptorPool:
    """A pool with every file of the descriptor set, which lists imports before their importers."""
    raw = pkgutil.get_data(__name__, "descriptors.binpb")
    if raw is None:
        raise ImportError(f"{__package__} cannot be imported by a loader that reads no data files")
    pool = DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(raw).file:
        pool.AddSerializedFile(file.SerializeToString())
    return pool


POOL = _load()


def bind(proto: str, module: dict[str, Any]) -> None:
    """Fill the namespace of a `_pb2` module with the messages and enums of the file `proto`."""
    file = POOL.FindFileByName(proto)
    module["DESCRIPTOR"] = file
    for enum in file.enum_types_by_name.values():
        module[enum.name] = EnumTypeWrapper(enum)
        module.update({value.name: value.number for value in enum.values})
    for message in file.message_types_by_name.values():
        module[message.name] = _class(message, module["__name__"], message.name)


def _class(descriptor: Descriptor, module: str, qualname: str) -> type[Message]:
    """The message class of a descriptor, placed in `module` with its nested classes, and made to pickle."""
    cls = GetMessageClass(descriptor)
    cls.__module__, cls.__qualname__ = module, qualname
    for nested in descriptor.nested_types:
        if not nested.GetOptions().map_entry:
            # upb finds nested classes by itself; the pure Python runtime leaves them to generated code.
            setattr(cls, nested.name, _class(nested, module, f"{qualname}.{nested.name}"))
    copyreg.pickle(cls, _reduce)
    return cls


def _reduce(message: Message) -> tuple[Any, ...]:
    # Classes are found by name, which a pickle of the message would do in the default pool.
    return _restore, (message.DESCRIPTOR.full_name, message.SerializeToString())


def _restore(full_name: str, data: bytes) -> Message:
    return GetMessageClass(POOL.FindMessageTypeByName(full_name)).FromString(data)
