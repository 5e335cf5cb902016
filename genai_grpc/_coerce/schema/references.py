"""Which definitions of a schema are shared, and schemas with the others in place of their references."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection
from dataclasses import replace
from typing import Any

from genai_grpc._coerce.schema.model import (
    AnyType,
    ArrayType,
    JSONType,
    MapType,
    ObjectType,
    Ref,
    ScalarType,
    TupleType,
    TypeSchema,
    UnionType,
    children,
    resolve,
    walk,
)

__all__ = ["inline", "inlined_size", "shared_definitions"]


def shared_definitions(schema: TypeSchema) -> list[str]:
    """Return the names of the definitions that are used more than once, in order of definition.

    Every recursive type has one of them in its cycle. A scalar is as short as a reference, so it is not shared.
    """
    uses: Counter[str] = Counter()
    nodes = [schema.root]
    while nodes:
        for node in walk(nodes.pop()):
            if isinstance(node, Ref):
                uses[node.name] += 1
                if uses[node.name] == 1:
                    nodes.append(schema.definitions[node.name])
    short = (AnyType, ScalarType)
    return [name for name, node in schema.definitions.items() if uses[name] > 1 and not isinstance(node, short)]


def inlined_size(schema: TypeSchema) -> float:
    """Return the number of nodes without references; infinity for a recursive type."""
    sizes: dict[str, float] = {}

    def size(node: JSONType) -> float:
        if not isinstance(node, Ref):
            return 1 + sum(map(size, children(node)))
        if node.name not in sizes:
            sizes[node.name] = math.inf  # for a reference within the definition
            sizes[node.name] = size(schema.definitions[node.name])
        return sizes[node.name]

    return size(schema.root)


def inline(schema: TypeSchema, keep: Collection[str] = ()) -> TypeSchema:
    """Return the schema with only the definitions `keep`, and the others in place of their references.

    The others must not refer to themselves.
    """

    def write(node: JSONType) -> JSONType:
        while isinstance(node, Ref) and node.name not in keep:
            node = resolve(node, schema.definitions)
        changes: dict[str, Any] = {}
        match node:
            case ArrayType(items=items):
                changes["items"] = write(items)
            case TupleType(items=nodes):
                changes["items"] = tuple(map(write, nodes))
            case UnionType(options=options):
                changes["options"] = tuple(map(write, options))
            case MapType(values=values, keys=keys):
                changes |= {"values": write(values), "keys": keys and write(keys)}
            case ObjectType(fields=fields, extra=extra):
                changes["fields"] = tuple(replace(field, type=write(field.type)) for field in fields)
                changes["extra"] = extra and write(extra)
        return replace(node, **changes) if changes else node

    return TypeSchema(write(schema.root), {name: write(schema.definitions[name]) for name in keep})
