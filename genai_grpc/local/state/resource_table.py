"""Tables of resources that are messages, by resource name."""

from __future__ import annotations

import sqlite3
from typing import Any, Final, Generic, TypeVar

from google.protobuf.message import DecodeError, Message

from genai_grpc.errors import AlreadyExists, DataLoss, NotFound
from genai_grpc.local.state.database import Transaction
from genai_grpc.local.state.state_file import Table

__all__ = ["NEVER", "ResourceTable"]

Resource = TypeVar("Resource", bound=Message)
Parsed = TypeVar("Parsed", bound=Message)

NEVER: Final = 2**63 - 1
"""The time at which a resource expires that does not."""


class ResourceTable(Generic[Resource]):
    """Table of the messages of one type, with a `name` each. Its methods take part in a transaction.

    Args:
        table: The table's name.
        message_type: The class of the messages.
        kind: What a resource is, for messages, such as "tuned model".
        listing: The public function that lists them, for messages, such as "genai.list_tuned_models()"; "" for none.
        columns: Further columns, as SQL.
        column: The column that has the message.
    """

    def __init__(
        self,
        table: str,
        message_type: type[Resource],
        kind: str,
        *,
        listing: str = "",
        columns: tuple[str, ...] = (),
        column: str = "message",
    ) -> None:
        self.table = Table(table, (f"{column} BLOB NOT NULL", *columns))
        self._message_type: Any = message_type
        self._kind = kind
        self._hint = f"; {listing} lists those there are" if listing else ""
        self._column = column

    def insert(self, transaction: Transaction, resource: Resource, *, expires: int = NEVER, **columns: object) -> None:
        """Add a resource under its name.

        Raises:
            AlreadyExists: There is one of that name.
        """
        name = _name(resource)
        values = {self._column: resource.SerializeToString(), **columns}
        try:
            transaction.insert(self.table, name=name, expires=expires, **values)
        except sqlite3.IntegrityError:
            raise self._taken(name) from None

    def check_free(self, transaction: Transaction, name: str) -> None:
        """Raise AlreadyExists if there is a resource of that name."""
        if transaction.find(self.table, name, "position") is not None:
            raise self._taken(name)

    def _taken(self, name: str) -> AlreadyExists:
        return AlreadyExists(f"there is a {self._kind} {name!r} already; choose another name")

    def get(self, transaction: Transaction, name: str) -> Resource:
        """The resource of that name.

        Raises:
            NotFound: There is none of that name, or it has expired.
            DataLoss: It is stored, but damaged.
        """
        (stored,) = self.columns(transaction, name, self._column)
        resource: Resource = self.parse(transaction, name, stored)
        return resource

    def columns(self, transaction: Transaction, name: str, *columns: str) -> tuple[Any, ...]:
        """The given columns of the resource of that name; raises NotFound as `get`."""
        row = transaction.find(self.table, name, *columns)
        if row is None:
            raise NotFound(f"there is no {self._kind} {name!r}, or it has expired{self._hint}")
        return row

    def page(
        self, transaction: Transaction, after: int, limit: int, *, parent: str = "", **equal: object
    ) -> list[tuple[int, Resource]]:
        """Up to `limit` resources after a position, each with its own position, in the order of creation.

        Args:
            transaction: The transaction.
            after: The position.
            limit: The maximum number of resources.
            parent: The resource name of the parent; "" for resources of all parents.
            equal: Further columns, and the values that they must have.

        Raises:
            DataLoss: One of them is damaged; the message names it.
        """
        rows = transaction.page(self.table, "name", self._column, after=after, limit=limit, parent=parent, **equal)
        return [(position, self.parse(transaction, name, stored)) for position, name, stored in rows]

    def replace(
        self, transaction: Transaction, resource: Resource, *, expires: int | None = None, **columns: object
    ) -> None:
        """Store a resource in place of the one of its name, which exists.

        Args:
            transaction: The transaction.
            resource: The resource.
            expires: Another time at which it expires; None leaves it.
            columns: Further columns to set.
        """
        values = {self._column: resource.SerializeToString(), **columns}
        if expires is not None:
            values["expires"] = expires
        transaction.update(self.table, _name(resource), **values)

    def delete(self, transaction: Transaction, name: str) -> None:
        """Delete the resource of that name; raises NotFound as `get`."""
        self.columns(transaction, name, "position")
        transaction.delete(self.table, name)

    def delete_children(self, transaction: Transaction, parent: str) -> int:
        """Delete the resources below a parent, and return their number."""
        return transaction.delete_children(self.table, parent)

    def parse(self, transaction: Transaction, name: str, stored: Any, message_type: type[Parsed] | None = None) -> Any:
        """The message of stored bytes, which a fault of the disk may have changed.

        Raises:
            DataLoss: They are damaged.
        """
        try:
            return (message_type or self._message_type).FromString(stored)
        except (DecodeError, TypeError, ValueError) as error:
            raise DataLoss(
                f"the {self._kind} {name!r} is damaged in {transaction.place}; delete it and create it again"
            ) from error


def _name(resource: Any) -> str:
    name: str = resource.name
    return name
