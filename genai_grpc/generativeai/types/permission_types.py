"""The names of `google.generativeai.types.permission_types`."""

import re
from typing import TypeAlias

from genai_grpc import protos
from genai_grpc._coerce.update_mask import flatten as flatten_update_paths
from genai_grpc.generativeai._conversions import to_grantee_type, to_role
from genai_grpc.generativeai._missing import module_getattr
from genai_grpc.generativeai.client import get_default_permission_async_client, get_default_permission_client
from genai_grpc.types._permissions import Permission, Permissions

__all__ = [
    "GranteeType",
    "GranteeTypeOptions",
    "Permission",
    "Permissions",
    "Role",
    "RoleOptions",
    "flatten_update_paths",
    "get_default_permission_async_client",
    "get_default_permission_client",
    "to_grantee_type",
    "to_role",
    "valid_id",
]

GranteeType = protos.Permission.GranteeType
GranteeTypeOptions: TypeAlias = int | str
Role = protos.Permission.Role
RoleOptions: TypeAlias = int | str

__getattr__ = module_getattr(__name__)


def valid_id(name: str) -> bool:
    """Whether this is the last two parts of the name of a permission.

    >>> valid_id("permissions/123"), valid_id("123")
    (True, False)
    """
    return re.match(r"permissions/([a-z0-9]+)$", name) is not None
