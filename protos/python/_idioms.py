"""Conveniences on the message and enum classes, as programs written for proto-plus expect them.

The classes stay plain protobuf. Their descriptor pool is private to this package, so they can be extended: `bind` calls
`extend` once for each message class, and makes a `LazyEnum` for each enum. Protobuf's container types (repeated fields,
maps) are shared by all messages of a process and are not changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from enum import EnumMeta, IntEnum
from functools import partial
from types import MethodType
from typing import Any, Final

__all__ = ["CONVENIENCES", "LazyEnum", "UnknownEnumValue", "extend"]

# The packages whose messages get all conveniences; the types of google.protobuf in `_WELL_KNOWN` get some of their own.
PACKAGES: Final = frozenset({"google.ai.generativelanguage.v1beta", "google.cloud.aiplatform.v1"})
# Names that proto-plus spells with an underscore at the end.
UNDERSCORED: Final = ("format", "license", "type")


class UnknownEnumValue(int):
    """A number that this version of the enum does not define; its `name` is the number."""

    @property
    def name(self) -> str:
        """The number, as a str."""
        return str(int(self))

    @property
    def value(self) -> int:
        """The number."""
        return int(self)

    def __repr__(self) -> str:
        return f"<unknown enum value: {int(self)}>"

    __str__ = int.__repr__


class EnumType(EnumMeta):
    """The type of enum classes: an IntEnum's, with the methods of protobuf's EnumTypeWrapper."""

    def Name(cls, number: int) -> str:  # noqa: N802 -- protobuf's name; a metaclass
        """The name of a number."""
        return str(cls(number).name)

    def Value(cls, name: str) -> Any:  # noqa: N802 -- as above
        """The member of a name."""
        if name not in cls.__members__:
            raise ValueError(f"enum {cls.__name__} has no value defined for name {name!r}")
        return cls[name]

    def keys(cls) -> list[str]:
        """The names."""
        return list(cls.__members__)

    def values(cls) -> list[Any]:
        """The members."""
        return list(cls.__members__.values())

    def items(cls) -> list[tuple[str, Any]]:
        """The names and members."""
        return list(cls.__members__.items())


class _Enum(IntEnum, metaclass=EnumType):
    """Base of the enum classes."""

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return type(self), (int(self),)


class LazyEnum:
    """An enum, whose class is built at its first use: that takes 0.1 ms, and most programs use few."""

    __slots__ = ("_arguments", "_cls")

    def __init__(self, descriptor: Any, module: str, qualname: str) -> None:
        self._arguments = descriptor, module, qualname
        self._cls: Any = None
        _ENUMS[descriptor.full_name] = self

    @property
    def cls(self) -> Any:
        """An IntEnum, which also has the methods of protobuf's EnumTypeWrapper."""
        if self._cls is None:
            descriptor, module, qualname = self._arguments
            members = [(value.name, value.number) for value in descriptor.values]
            self._cls = _Enum(descriptor.name, members, module=module, qualname=qualname)
            self._cls.DESCRIPTOR = descriptor
        return self._cls

    def member(self, number: int) -> Any:
        """The member of a number; the number itself, with a name, if this version does not define it."""
        found = self.cls._value2member_map_.get(number)
        return UnknownEnumValue(number) if found is None else found

    def attributes(self) -> dict[str, Any]:
        """The class and its members, as attributes of the class of the message that the enum is nested in."""
        descriptor, _, _ = self._arguments
        members = {value.name: _EnumAttribute(self, value.name) for value in descriptor.values}
        return {descriptor.name: _EnumAttribute(self, None), **members}


class _EnumAttribute:
    """An enum's class or member, as a class attribute that is read when it is used."""

    __slots__ = ("_enum", "_member")

    def __init__(self, enum: LazyEnum, member: str | None) -> None:
        self._enum = enum
        self._member = member

    def __get__(self, instance: object, owner: object = None) -> Any:
        cls = self._enum.cls
        return cls if self._member is None else cls[self._member]


# Every enum by its full name. Two threads may build one class at once; the last one stays.
_ENUMS: Final[dict[str, LazyEnum]] = {}


def extend(cls: Any) -> None:
    """Add the conveniences to a message class; the enums of its fields are known already."""
    descriptor = cls.DESCRIPTOR
    if descriptor.full_name in _WELL_KNOWN:
        _WELL_KNOWN[descriptor.full_name](cls)
    elif descriptor.file.package in PACKAGES:
        cls.__init__ = _init(cls.__init__)
        cls.__setattr__ = _setattr(cls.__setattr__)
        if enums := {field.name: _ENUMS[field.enum_type.full_name] for field in descriptor.fields if _is_enum(field)}:
            cls.__getattribute__ = _getattribute(cls.__getattribute__, enums)
        for name, convenience in CONVENIENCES.items():
            setattr(cls, name, convenience)
        for name in UNDERSCORED:
            if name in descriptor.fields_by_name:
                setattr(cls, f"{name}_", property(lambda self, name=name: getattr(self, name)))


def _is_enum(field: Any) -> bool:
    # A repeated enum reads as protobuf's container of ints.
    if field.enum_type is None:
        return False
    repeated = field.is_repeated if hasattr(field, "is_repeated") else field.label == field.LABEL_REPEATED
    return not repeated


def _init(plain: Callable[..., None]) -> Callable[..., None]:
    def __init__(  # noqa: N807 -- becomes the method
        self: Any, mapping: Any = None, /, *, ignore_unknown_fields: bool = False, **fields: Any
    ) -> None:
        if mapping is None and not ignore_unknown_fields:
            try:
                return plain(self, **fields)
            except (TypeError, ValueError, AttributeError):
                # A value that protobuf does not take, such as a datetime or a message of another pool; or a mistake.
                self.Clear()
        else:
            plain(self)
        from genai_grpc_protos._convert import fill  # only for what protobuf does not take itself

        fill(self, mapping, fields, ignore_unknown_fields=ignore_unknown_fields)
        return None

    return __init__


def _setattr(plain: Callable[[Any, str, Any], None]) -> Callable[[Any, str, Any], None]:
    def __setattr__(self: Any, name: str, value: Any) -> None:  # noqa: N807 -- becomes the method
        try:
            plain(self, name, value)
        except (TypeError, ValueError, AttributeError) as error:
            from genai_grpc_protos._convert import assign, field_of

            field = field_of(type(self), name)
            if field is None:
                raise
            assign(self, field, value, error)

    return __setattr__


def _getattribute(plain: Callable[[Any, str], Any], enums: dict[str, LazyEnum]) -> Callable[[Any, str], Any]:
    def __getattribute__(self: Any, name: str) -> Any:  # noqa: N807 -- becomes the method
        value = plain(self, name)
        enum = enums.get(name)
        return value if enum is None else enum.member(value)

    return __getattribute__


class _ClassMethod:
    """A method of the class that takes a message; read from a message, it is bound to that message.

    proto-plus's messages do not have these names. On upb they cannot be hidden, as a message falls back to its class.
    """

    __slots__ = ("_function",)

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def __get__(self, instance: object, owner: Any = None) -> Callable[..., Any]:
        return MethodType(self._function, owner) if instance is None else partial(self._function, owner, instance)


def _bool(self: Any) -> bool:
    """Whether a field has a value other than zero, empty, or a message that is itself false."""
    return any(value for _, value in self.ListFields())


def _contains(self: Any, name: str) -> bool:
    """Whether a field is set; of a repeated field, whether it has items."""
    name = name if name in self.DESCRIPTOR.fields_by_name else name.removesuffix("_")
    try:
        return bool(self.HasField(name))
    except ValueError:  # a field without presence, or no field
        return bool(getattr(self, name))


def _delattr(self: Any, name: str) -> None:
    """Clear a field."""
    from genai_grpc_protos._convert import field_of

    field = field_of(type(self), name)
    if field is None:
        raise AttributeError(f"{type(self).__name__} has no field {name!r}")
    self.ClearField(field)


def _pb(cls: Any, obj: Any, *, coerce: bool = False) -> Any:
    """Return the message itself; with `coerce`, also what can be converted to one.

    Raises:
        TypeError: `obj` is not a message of this class.
    """
    if isinstance(obj, cls):
        return obj
    if not coerce:
        raise TypeError(f"{obj!r} is not an instance of {cls.__name__}")
    return cls(obj)


def _wrap(cls: Any, pb: Any) -> Any:
    """Return the message itself: there is no wrapper around it."""
    return _pb(cls, pb, coerce=True)


def _serialize(cls: Any, instance: Any) -> bytes:
    """Return the serialized message."""
    return bytes(_pb(cls, instance, coerce=True).SerializeToString())


def _deserialize(cls: Any, payload: bytes) -> Any:
    """Parse a serialized message."""
    return cls.FromString(payload)


def _copy_from(cls: Any, instance: Any, other: Any) -> None:
    """Replace the fields of `instance` by those of `other`, a message or a dict; None clears them."""
    instance.CopyFrom(cls() if other is None else _pb(cls, other, coerce=True))


def _to_dict(
    cls: Any,
    instance: Any,
    *,
    use_integers_for_enums: bool = True,
    preserving_proto_field_name: bool = True,
    including_default_value_fields: bool | None = None,
    always_print_fields_with_no_presence: bool | None = None,
    float_precision: int | None = None,
) -> dict[str, Any]:
    """Return a message as JSON-ready dicts, by default with enums as numbers and unset fields included.

    The names of fields are those of proto-plus, such as `type_`, unless they are in camel case.
    """
    return _printed(
        cls,
        instance,
        use_integers_for_enums=use_integers_for_enums,
        preserving_proto_field_name=preserving_proto_field_name,
        including_default_value_fields=including_default_value_fields,
        always_print_fields_with_no_presence=always_print_fields_with_no_presence,
        float_precision=float_precision,
    )[0]


def _printed(
    cls: Any,
    instance: Any,
    *,
    use_integers_for_enums: bool,
    preserving_proto_field_name: bool,
    including_default_value_fields: bool | None,
    always_print_fields_with_no_presence: bool | None,
    float_precision: int | None,
) -> tuple[dict[str, Any], bool]:
    """The dicts of a message, and whether protobuf's JSON has all of its values."""
    from genai_grpc_protos._json import print_fields

    message = _pb(cls, instance, coerce=True)
    fields, exact = print_fields(
        message,
        use_integers_for_enums=use_integers_for_enums,
        preserving_proto_field_name=preserving_proto_field_name,
        always_print_fields_with_no_presence=_defaults(
            including_default_value_fields, always_print_fields_with_no_presence
        ),
        **_precision(float_precision),
    )
    return (_with_underscores(message.DESCRIPTOR, fields) if preserving_proto_field_name else fields), exact


def _with_underscores(descriptor: Any, fields: dict[str, Any]) -> dict[str, Any]:
    """Rename the fields of a message, and of those in it, that proto-plus spells with an underscore."""
    if descriptor.file.package == "google.protobuf":  # its JSON has names of its own
        return fields
    renamed = {}
    for name, value in fields.items():
        kind = descriptor.fields_by_name[name].message_type
        if kind is not None and kind.GetOptions().map_entry:
            kind = kind.fields_by_name["value"].message_type
            if kind is not None:
                value = {key: _with_underscores(kind, item) for key, item in value.items()}
        elif kind is not None:
            value = (
                [_with_underscores(kind, item) for item in value]
                if isinstance(value, list) and kind.file.package != "google.protobuf"
                else _with_underscores(kind, value)
            )
        renamed[f"{name}_" if name in UNDERSCORED else name] = value
    return renamed


def _to_json(
    cls: Any,
    instance: Any,
    *,
    use_integers_for_enums: bool = True,
    including_default_value_fields: bool | None = None,
    preserving_proto_field_name: bool = False,
    sort_keys: bool = False,
    indent: int | None = 2,
    float_precision: int | None = None,
    always_print_fields_with_no_presence: bool | None = None,
) -> str:
    """Return a message as JSON, by default with enums as numbers and unset fields included.

    With a value that JSON does not have, such as a NaN in a Struct, it also has the serialized message, as
    "@serialized", from which `from_json` reads it.
    """
    import json

    from genai_grpc_protos._json import with_serialized

    message = _pb(cls, instance, coerce=True)
    fields, exact = _printed(
        cls,
        message,
        use_integers_for_enums=use_integers_for_enums,
        preserving_proto_field_name=preserving_proto_field_name,
        including_default_value_fields=including_default_value_fields,
        always_print_fields_with_no_presence=always_print_fields_with_no_presence,
        float_precision=float_precision,
    )
    text = json.dumps(fields, indent=indent, sort_keys=sort_keys, ensure_ascii=False)
    # Protobuf's reader refuses the decimal that its writer has for the largest float, 3.4028235e+38.
    if exact and "e+38" not in text:
        return text
    return json.dumps(with_serialized(fields, message), indent=indent, sort_keys=sort_keys, ensure_ascii=False)


def _from_json(cls: Any, payload: str, *, ignore_unknown_fields: bool = False) -> Any:
    """Parse the JSON of a message.

    Raises:
        ValueError: It is not the JSON of such a message.
    """
    from genai_grpc_protos._json import from_json_dict, load_json

    return from_json_dict(cls, load_json(payload), ignore_unknown_fields=ignore_unknown_fields)


def _defaults(including: bool | None, always_print: bool | None) -> bool:
    """Whether unset fields are included, by either name of the option; they exclude each other."""
    if including is not None and always_print is not None and including != always_print:
        raise ValueError(
            "including_default_value_fields and always_print_fields_with_no_presence contradict each other"
        )
    given = always_print if including is None else including
    return True if given is None else given


def _precision(digits: int | None) -> dict[str, Any]:
    return {} if digits is None else {"float_precision": digits}


CONVENIENCES: Final[dict[str, Any]] = {
    "__bool__": _bool,
    "__contains__": _contains,
    "__delattr__": _delattr,
    "_pb": property(lambda self: self),
    "copy_from": _ClassMethod(_copy_from),
    "deserialize": classmethod(_deserialize),
    "from_json": classmethod(_from_json),
    "pb": _ClassMethod(_pb),
    "serialize": _ClassMethod(_serialize),
    "to_dict": _ClassMethod(_to_dict),
    "to_json": _ClassMethod(_to_json),
    "wrap": classmethod(_wrap),
}
"""What every message class gets, besides `__init__`, `__setattr__` and, with enum fields, `__getattribute__`."""


# A Struct as a mapping whose values are Python's


def _value(value: Any) -> Any:
    """The Python value of a google.protobuf.Value."""
    match value.WhichOneof("kind"):
        case "struct_value":
            return {key: _value(item) for key, item in value.struct_value.fields.items()}
        case "list_value":
            return [_value(item) for item in value.list_value.values]
        case "null_value" | None:
            return None
        case kind:
            return getattr(value, kind)


def _struct_getitem(self: Any, key: str) -> Any:
    if key not in self.fields:
        raise KeyError(key)
    return _value(self.fields[key])


def _struct_get(self: Any, key: str, default: Any = None) -> Any:
    """The value of a key, or `default`."""
    return _value(self.fields[key]) if key in self.fields else default


def _struct_keys(self: Any) -> Any:
    """The keys."""
    return dict.fromkeys(self.fields).keys()


def _struct_items(self: Any) -> Any:
    """The keys and values."""
    return {key: _value(value) for key, value in self.fields.items()}.items()


def _struct_values(self: Any) -> Any:
    """The values."""
    return {key: _value(value) for key, value in self.fields.items()}.values()


def _struct_iter(self: Any) -> Iterator[str]:
    return iter(self.fields)


def _struct_len(self: Any) -> int:
    return len(self.fields)


def _struct_contains(self: Any, key: object) -> bool:
    return key in self.fields


def _extend_struct(cls: Any) -> None:
    plain_eq = cls.__eq__

    def __eq__(self: Any, other: object) -> Any:  # noqa: N807 -- becomes the method
        if isinstance(other, Mapping) and not isinstance(other, cls):
            return dict(_struct_items(self)) == dict(other)
        return plain_eq(self, other)

    cls.__eq__ = __eq__
    cls.__ne__ = lambda self, other: not __eq__(self, other)
    cls.__getitem__ = _struct_getitem
    cls.__iter__ = _struct_iter
    cls.__len__ = _struct_len
    cls.__contains__ = _struct_contains
    cls.get = _struct_get
    cls.keys = _struct_keys
    cls.items = _struct_items
    cls.values = _struct_values
    Mapping.register(cls)


def _extend_timestamp(cls: Any) -> None:
    from datetime import timezone

    def __getattr__(self: Any, name: str) -> Any:  # noqa: N807 -- becomes the method
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self.ToDatetime(tzinfo=timezone.utc), name)

    cls.__getattr__ = __getattr__


def _extend_duration(cls: Any) -> None:
    def __getattr__(self: Any, name: str) -> Any:  # noqa: N807 -- becomes the method
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self.ToTimedelta(), name)

    cls.__getattr__ = __getattr__


_WELL_KNOWN: Final[dict[str, Callable[[Any], None]]] = {
    "google.protobuf.Duration": _extend_duration,
    "google.protobuf.Struct": _extend_struct,
    "google.protobuf.Timestamp": _extend_timestamp,
}
