"""The names of `google.generativeai.types.permission_types`."""

from typing import TypeAlias

from genai_grpc import protos
from genai_grpc._not_yet import Permission, Permissions, valid_id
from genai_grpc.generativeai._conversions import flatten_update_paths, to_grantee_type, to_role
from genai_grpc.generativeai._missing import module_getattr
from genai_grpc.generativeai.client import get_default_permission_async_client, get_default_permission_client

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
