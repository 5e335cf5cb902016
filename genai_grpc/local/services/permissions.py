"""The service of permissions on corpora and tuned models."""

from __future__ import annotations

import secrets
from typing import Any, Final

from genai_grpc import protos
from genai_grpc.errors import AlreadyExists, InvalidArgument, NotFound
from genai_grpc.local._received_request import current_caller
from genai_grpc.local.services.errors import Context, abort_on_error
from genai_grpc.local.services.paging import parse_page
from genai_grpc.local.services.update_mask import apply_update
from genai_grpc.local.state.access import PERMISSIONS, Role, Users, check_access, grant_ownership
from genai_grpc.local.state.database import Database, Transaction
from genai_grpc.local.state.resource_table import ResourceTable
from genai_grpc.local.state.retriever import CORPORA
from genai_grpc.local.state.tunings import OPERATIONS, TUNED_MODELS
from genai_grpc_protos.protobuf import Empty
from genai_grpc_protos.v1beta.permission_service_pb2_grpc import PermissionServiceServicer

__all__ = ["PermissionService"]

_TABLES: Final[dict[str, ResourceTable[Any]]] = {"corpora": CORPORA, "tunedModels": TUNED_MODELS}
_DEFAULT_PAGE: Final = 10
Grantee: Any = protos.Permission.GranteeType


class PermissionService(PermissionServiceServicer):
    """Grants, lists, changes and revokes access.

    Args:
        database: The state.
        users: The known callers.
    """

    def __init__(self, database: Database, users: Users) -> None:
        self._database = database
        self._users = users

    async def CreatePermission(  # noqa: N802 -- gRPC's
        self, request: protos.CreatePermissionRequest, context: Context
    ) -> protos.Permission:
        """Grant a role to a grantee."""
        async with abort_on_error(context):
            caller, given = current_caller(), request.permission
            _check_permission(given)

            def create(rows: Transaction) -> protos.Permission:
                self._check(rows, request.parent, caller, Role.WRITER)
                for _, other in PERMISSIONS.page(rows, 0, -1, parent=request.parent):
                    if (other.grantee_type, other.email_address) == (given.grantee_type, given.email_address):
                        raise AlreadyExists(f"{other.name} is for the same grantee; update its role")
                permission = protos.Permission()
                permission.CopyFrom(given)
                permission.name = f"{request.parent}/permissions/{secrets.token_hex(8)}"
                PERMISSIONS.insert(rows, permission)
                return permission

            return await self._database.transact(create)

    async def GetPermission(  # noqa: N802 -- gRPC's
        self, request: protos.GetPermissionRequest, context: Context
    ) -> protos.Permission:
        """Describe one permission."""
        async with abort_on_error(context):
            caller = current_caller()
            return await self._database.transact(lambda rows: self._find(rows, request.name, caller, Role.READER))

    async def ListPermissions(  # noqa: N802 -- gRPC's
        self, request: protos.ListPermissionsRequest, context: Context
    ) -> protos.ListPermissionsResponse:
        """Describe a page of the permissions on one resource."""
        async with abort_on_error(context):
            page, caller = parse_page(request, default_size=_DEFAULT_PAGE), current_caller()

            def list_page(rows: Transaction) -> list[tuple[int, protos.Permission]]:
                self._check(rows, request.parent, caller, Role.READER)
                return PERMISSIONS.page(rows, page.after, page.limit, parent=request.parent)

            permissions, next_page_token = page.split(await self._database.transact(list_page))
            return protos.ListPermissionsResponse(permissions=permissions, next_page_token=next_page_token)

    async def UpdatePermission(  # noqa: N802 -- gRPC's
        self, request: protos.UpdatePermissionRequest, context: Context
    ) -> protos.Permission:
        """Change the role of a permission."""
        async with abort_on_error(context):
            caller = current_caller()

            def update(rows: Transaction) -> protos.Permission:
                permission = self._find(rows, request.permission.name, caller, Role.WRITER)
                if permission.role == Role.OWNER:
                    raise InvalidArgument("the role of the owner does not change; use TransferOwnership")
                apply_update(permission, request.permission, request.update_mask, ("role",))
                _check_permission(permission)
                PERMISSIONS.replace(rows, permission)
                return permission

            return await self._database.transact(update)

    async def DeletePermission(  # noqa: N802 -- gRPC's
        self, request: protos.DeletePermissionRequest, context: Context
    ) -> Empty:
        """Revoke a permission."""
        async with abort_on_error(context):
            caller = current_caller()

            def delete(rows: Transaction) -> None:
                if self._find(rows, request.name, caller, Role.WRITER).role == Role.OWNER:
                    raise InvalidArgument("the permission of the owner cannot be deleted; use TransferOwnership")
                PERMISSIONS.delete(rows, request.name)

            await self._database.transact(delete)
            return Empty()

    async def TransferOwnership(  # noqa: N802 -- gRPC's
        self, request: protos.TransferOwnershipRequest, context: Context
    ) -> protos.TransferOwnershipResponse:
        """Make another user the owner of a tuned model; the present owner becomes a writer."""
        async with abort_on_error(context):
            caller = current_caller()
            new_owner = self._users.caller(request.email_address)
            if new_owner is None:
                raise InvalidArgument(
                    f"this server knows no user {request.email_address!r}; start it with --user EMAIL=KEY, or "
                    "serve(users={email: key})"
                )

            def transfer(rows: Transaction) -> None:
                if not request.name.startswith("tunedModels/"):
                    raise InvalidArgument(f"the ownership of tuned models can be transferred; got {request.name!r}")
                self._check(rows, request.name, caller, Role.OWNER)
                for _, permission in PERMISSIONS.page(rows, 0, -1, parent=request.name):
                    if permission.email_address == request.email_address:
                        PERMISSIONS.delete(rows, permission.name)
                    elif permission.role == Role.OWNER:
                        permission.role = Role.WRITER
                        PERMISSIONS.replace(rows, permission)
                TUNED_MODELS.replace(rows, TUNED_MODELS.get(rows, request.name), owner=new_owner)
                for _, operation in OPERATIONS.page(rows, 0, -1, parent=request.name):
                    OPERATIONS.replace(rows, operation, owner=new_owner)
                grant_ownership(rows, request.name, request.email_address)

            await self._database.transact(transfer)
            return protos.TransferOwnershipResponse()

    def _check(self, rows: Transaction, parent: str, caller: str, role: int) -> None:
        table = _TABLES.get(parent.partition("/")[0])
        if table is None or parent.count("/") != 1:
            raise InvalidArgument(f"permissions are on 'corpora/…' and 'tunedModels/…'; got {parent!r}")
        check_access(rows, table, parent, caller, self._users, role)

    def _find(self, rows: Transaction, name: str, caller: str, role: int) -> protos.Permission:
        parent, found, _ = name.partition("/permissions/")
        if not found:
            raise NotFound(f"{name!r} is no permission; its name is 'corpora/…/permissions/…' or of a tuned model")
        self._check(rows, parent, caller, role)
        return PERMISSIONS.get(rows, name)


def _check_permission(permission: protos.Permission) -> None:
    if permission.role not in (Role.WRITER, Role.READER):
        raise InvalidArgument("permission.role is WRITER or READER; an owner is made by TransferOwnership")
    match permission.grantee_type:
        case Grantee.EVERYONE:
            if permission.email_address:
                raise InvalidArgument("permission.email_address is unset for EVERYONE")
        case Grantee.USER | Grantee.GROUP:
            if "@" not in permission.email_address:
                raise InvalidArgument("permission.email_address names the user or the group")
        case _:
            raise InvalidArgument("permission.grantee_type is USER, GROUP or EVERYONE")
