"""Permissions on corpora and tuned models.

>>> import genai_grpc as genai
>>> corpus = genai.retriever.create_corpus("tales")
>>> permission = corpus.permissions.create("reader", "everyone")
>>> genai.permissions.get_permission(permission.name).role.name
'READER'
>>> genai.retriever.delete_corpus("tales")
"""

from __future__ import annotations

from typing import Any

from genai_grpc import types
from genai_grpc.client import Client, async_transport, default_client, sync_transport
from genai_grpc.types._permissions import Permission, Permissions

__all__ = ["Permission", "Permissions", "get_permission", "get_permission_async"]

_COLLECTIONS = {"corpus": "corpora", "corpora": "corpora", "tunedmodel": "tunedModels", "tunedmodels": "tunedModels"}


def get_permission(
    name: str | None = None,
    *,
    resource_name: str | None = None,
    permission_id: str | int | None = None,
    resource_type: str | None = None,
    client: Client | None = None,
    request_options: types.RequestOptionsType | None = None,
) -> Permission:
    """Get a permission by its name, or by its parts.

    Args:
        name: The resource name, such as `corpora/tales/permissions/1`.
        resource_name: In place of `name`, that of the corpus or tuned model, with `permission_id`.
        permission_id: The last part of the name.
        resource_type: "corpus" or "tunedModel", for a `resource_name` without it.
        client: By default the one that `configure` sets.
        request_options: Timeouts, retry policy and metadata of the call.

    Raises:
        ValueError: Neither a name nor its parts are given, or they are not those of a permission.
        NotFound: There is none of that name.
        APIError: The call failed otherwise.

    >>> get_permission("corpora/none/permissions/1")
    Traceback (most recent call last):
    genai_grpc.errors.NotFound: 404 there is no corpus 'corpora/none', ...
    """
    return sync_transport(client or default_client()).call(
        Permission._get_call(_to_name(name, resource_name, permission_id, resource_type), client, request_options)
    )


async def get_permission_async(
    name: str | None = None,
    *,
    resource_name: str | None = None,
    permission_id: str | int | None = None,
    resource_type: str | None = None,
    client: Client | None = None,
    request_options: types.RequestOptionsType | None = None,
) -> Permission:
    """The async twin of `get_permission`."""
    return await async_transport(client or default_client()).call(
        Permission._get_call(_to_name(name, resource_name, permission_id, resource_type), client, request_options)
    )


def _to_name(name: str | None, resource_name: str | None, permission_id: Any, resource_type: str | None) -> str:
    if name is None:
        if resource_name is None or permission_id is None:
            raise ValueError("pass the name of a permission, or resource_name and permission_id")
        if "/" not in resource_name:
            collection = _COLLECTIONS.get((resource_type or "").lower())
            if collection is None:
                raise ValueError(f"resource_type is 'corpus' or 'tunedModel'; got {resource_type!r}")
            resource_name = f"{collection}/{resource_name}"
        name = f"{resource_name}/permissions/{str(permission_id).removeprefix('permissions/')}"
    parts = name.split("/")
    if len(parts) != 4 or parts[0] not in ("corpora", "tunedModels") or parts[2] != "permissions":
        raise ValueError(
            f"the name of a permission is 'corpora/…/permissions/…' or that of a tuned model; got {name!r}"
        )
    return name
