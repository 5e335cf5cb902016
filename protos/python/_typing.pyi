"""Types of the conveniences in `_idioms.py`, for the stubs of the messages. There is no such module at run time."""

from collections.abc import Iterator, Mapping
from typing import Any, Generic, TypeVar

import google.protobuf.descriptor
import google.protobuf.message
from typing_extensions import Self

V = TypeVar("V", bound=EnumMember)

class EnumMember(int):
    """A member of an enum, or a number that this version of it does not define."""

    @property
    def name(self) -> str: ...
    @property
    def value(self) -> int: ...

class EnumType(type, Generic[V]):
    """The type of an enum: an IntEnum's, with the methods of protobuf's EnumTypeWrapper."""

    DESCRIPTOR: google.protobuf.descriptor.EnumDescriptor
    @property
    def __members__(self) -> Mapping[str, V]: ...
    def __call__(cls, value: int) -> V: ...  # type: ignore[override]  # as EnumMeta's
    def __getitem__(cls, name: str) -> V: ...
    def __iter__(cls) -> Iterator[V]: ...
    def __len__(cls) -> int: ...
    def __contains__(cls, value: object) -> bool: ...
    def Name(cls, number: int) -> str: ...
    def Value(cls, name: str) -> V: ...
    def keys(cls) -> list[str]: ...
    def values(cls) -> list[V]: ...
    def items(cls) -> list[tuple[str, V]]: ...

class Message(google.protobuf.message.Message):
    """A message with the conveniences."""

    def __bool__(self) -> bool: ...
    def __contains__(self, name: str) -> bool: ...
    def __delattr__(self, name: str) -> None: ...
    @property
    def _pb(self) -> Self: ...
    @classmethod
    def pb(cls, obj: object, *, coerce: bool = ...) -> Self: ...
    @classmethod
    def wrap(cls, pb: object) -> Self: ...
    @classmethod
    def serialize(cls, instance: object) -> bytes: ...
    @classmethod
    def deserialize(cls, payload: bytes) -> Self: ...
    @classmethod
    def copy_from(cls, instance: google.protobuf.message.Message, other: object) -> None: ...
    @classmethod
    def to_dict(
        cls,
        instance: object,
        *,
        use_integers_for_enums: bool = ...,
        preserving_proto_field_name: bool = ...,
        including_default_value_fields: bool | None = ...,
        always_print_fields_with_no_presence: bool | None = ...,
        float_precision: int | None = ...,
    ) -> dict[str, Any]: ...
    @classmethod
    def to_json(
        cls,
        instance: object,
        *,
        use_integers_for_enums: bool = ...,
        including_default_value_fields: bool | None = ...,
        preserving_proto_field_name: bool = ...,
        sort_keys: bool = ...,
        indent: int | None = ...,
        float_precision: int | None = ...,
        always_print_fields_with_no_presence: bool | None = ...,
    ) -> str: ...
    @classmethod
    def from_json(cls, payload: str, *, ignore_unknown_fields: bool = ...) -> Self: ...
