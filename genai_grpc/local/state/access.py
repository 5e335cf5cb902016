"""Access to corpora and tuned models: their owners, and the permissions of others."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any, Final

from genai_grpc import protos
from genai_grpc.errors import PermissionDenied
from genai_grpc.local.state.database import Transaction
from genai_grpc.local.state.resource_table import ResourceTable

__all__ = ["PERMISSIONS", "Role", "Users", "check_access", "grant_ownership", "has_access", "is_public"]

PERMISSIONS: Final = ResourceTable("permissions", protos.Permission, "permission")
Role: Any = protos.Permission.Role
"""OWNER is 1, WRITER 2 and READER 3: a smaller number may do more."""


class Users:
    """The callers whose email addresses the server knows.

    Args:
        emails: The email address of each caller.
    """

    def __init__(self, emails: Mapping[str, str]) -> None:
        self._emails = dict(emails)
        self._callers = {email: caller for caller, email in emails.items()}

    def email(self, caller: str) -> str | None:
        """The email address of a caller; None if it is unknown."""
        return self._emails.get(caller)

    def caller(self, email: str) -> str | None:
        """The caller of an email address; None if it is unknown."""
        return self._callers.get(email)


def has_access(
    transaction: Transaction,
    table: ResourceTable[Any],
    name: str,
    caller: str,
    users: Users,
    role: int,
    *,
    everyone: bool = True,
) -> bool:
    """Whether a caller has a role on a resource; raises NotFound if there is none.

    Args:
        transaction: The transaction.
        table: The table of the resource, which has a column `owner`.
        name: The name of the corpus or the tuned model.
        caller: The caller.
        users: The known callers.
        role: The role that is needed at least.
        everyone: Whether what everyone may do counts.
    """
    (owner,) = table.columns(transaction, name, "owner")
    if owner == caller:
        return True
    email = users.email(caller)

    def grants(permission: protos.Permission) -> bool:
        if not 1 <= permission.role <= role:
            return False
        if _is_for_everyone(permission):
            return everyone
        # The server knows no members of groups: a group is an address of its own here.
        return email is not None and permission.email_address == email

    return any(grants(permission) for _, permission in PERMISSIONS.page(transaction, 0, -1, parent=name))


def is_public(transaction: Transaction, name: str) -> bool:
    """Whether everyone may read a resource."""
    return any(_is_for_everyone(permission) for _, permission in PERMISSIONS.page(transaction, 0, -1, parent=name))


def _is_for_everyone(permission: protos.Permission) -> bool:
    return permission.grantee_type == protos.Permission.GranteeType.EVERYONE


def check_access(
    transaction: Transaction, table: ResourceTable[Any], name: str, caller: str, users: Users, role: int
) -> None:
    """Raise PermissionDenied if a caller does not have a role; arguments as those of `has_access`."""
    if not has_access(transaction, table, name, caller, users, role):
        wanted = Role.Name(role)
        raise PermissionDenied(
            f"{name} belongs to another API key, which has not made this one a {wanted}; its owner can do that"
        )


def grant_ownership(transaction: Transaction, parent: str, email: str | None) -> None:
    """Add the permission of the owner of a new resource; one whose address is unknown is listed without it."""
    permission = protos.Permission(
        name=f"{parent}/permissions/{secrets.token_hex(8)}",
        grantee_type=protos.Permission.GranteeType.USER,
        role=Role.OWNER,
    )
    if email is not None:
        permission.email_address = email
    PERMISSIONS.insert(transaction, permission)
