"""Permissions on corpora and tuned models."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from genai_grpc import protos
from genai_grpc._coerce.enums import to_grantee_type, to_role
from genai_grpc._coerce.settings import to_options
from genai_grpc._coerce.update_mask import to_update
from genai_grpc._rpc.call import Call
from genai_grpc._rpc.operation import Operation
from genai_grpc._rpc.pager import list_pages
from genai_grpc._self import Self
from genai_grpc._services.generative_language import method
from genai_grpc.client import Client, async_transport, default_client, sync_transport
from genai_grpc.types._calls import RequestOptionsType

__all__ = ["Permission", "Permissions"]

_GROUPS: Final = "googlegroups.com"


@dataclass
class Permission:
    """The role of one grantee on a corpus or a tuned model.

    Attributes:
        name: The resource name, `corpora/…/permissions/…` or `tunedModels/…/permissions/…`.
        role: OWNER, WRITER or READER: a member of `protos.Permission.Role`, or its name or number.
        grantee_type: USER, GROUP or EVERYONE.
        email_address: The address of the user or group.

    >>> Permission("corpora/tales/permissions/1", "reader", "everyone").role.name
    'READER'
    """

    name: str
    role: Any = None
    grantee_type: Any = None
    email_address: str | None = None
    _client: Client | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        self.role = None if self.role is None else to_role(self.role)
        self.grantee_type = None if self.grantee_type is None else to_grantee_type(self.grantee_type)

    @classmethod
    def from_proto(cls, proto: protos.Permission, *, client: Client | None = None) -> Self:
        """The permission of a message."""
        return cls(proto.name, proto.role, proto.grantee_type, proto.email_address or None, client)

    def to_dict(self) -> dict[str, Any]:
        """The attributes."""
        names = ("name", "role", "grantee_type", "email_address")
        return {name: getattr(self, name) for name in names}

    @classmethod
    def get(
        cls,
        name: str,
        client: Client | None = None,
        request_options: RequestOptionsType | None = None,
    ) -> Self:
        """Get a permission by its name.

        Raises:
            NotFound: There is none of that name.
            APIError: The call failed otherwise.
        """
        return sync_transport(client or default_client()).call(cls._get_call(name, client, request_options))

    @classmethod
    async def get_async(
        cls,
        name: str,
        client: Client | None = None,
        request_options: RequestOptionsType | None = None,
    ) -> Self:
        """The async twin of `get`."""
        return await async_transport(client or default_client()).call(cls._get_call(name, client, request_options))

    def delete(
        self,
        client: Client | None = None,
        request_options: RequestOptionsType | None = None,
    ) -> None:
        """Revoke it.

        Raises:
            NotFound: It was revoked before.
            APIError: The call failed otherwise.
        """
        sync_transport(self._owner(client)).call(self._delete_call(request_options))

    async def delete_async(
        self,
        client: Client | None = None,
        request_options: RequestOptionsType | None = None,
    ) -> None:
        """The async twin of `delete`."""
        await async_transport(self._owner(client)).call(self._delete_call(request_options))

    def update(
        self,
        updates: Mapping[str, Any],
        client: Client | None = None,
        request_options: RequestOptionsType | None = None,
    ) -> Permission:
        """Change its role; the object has the new one then.

        Args:
            updates: `{"role": ...}`: nothing else can be changed.
            client: By default the one that it came from.
            request_options: Timeouts, retry policy and metadata of the call.

        Raises:
            ValueError: Another field is to be changed.
            APIError: The call failed.
        """
        return sync_transport(self._owner(client)).call(self._update_call(updates, request_options))

    async def update_async(
        self,
        updates: Mapping[str, Any],
        client: Client | None = None,
        request_options: RequestOptionsType | None = None,
    ) -> Permission:
        """The async twin of `update`."""
        return await async_transport(self._owner(client)).call(self._update_call(updates, request_options))

    def _owner(self, client: Client | None) -> Client:
        return client or self._client or default_client()

    @classmethod
    def _get_call(cls, name: str, client: Client | None, request_options: Any) -> Call[Any, Any, Self]:
        return Call(
            method("PermissionService.GetPermission"),
            protos.GetPermissionRequest(name=name),
            lambda reply: cls.from_proto(reply[0], client=client),
            to_options(request_options),
        )

    def _delete_call(self, request_options: Any) -> Call[Any, Any, None]:
        request = protos.DeletePermissionRequest(name=self.name)
        return Call(method("PermissionService.DeletePermission"), request, lambda _: None, to_options(request_options))

    def _update_call(self, updates: Mapping[str, Any], request_options: Any) -> Call[Any, Any, Permission]:
        if set(updates) != {"role"}:
            raise ValueError(f"only the role of a permission can be changed; got {', '.join(map(repr, updates))}")
        message, mask = to_update(protos.Permission, self.name, {"role": to_role(updates["role"])})
        request = protos.UpdatePermissionRequest(permission=message, update_mask=mask)

        def parse(reply: Any) -> Permission:
            self.role = to_role(reply[0].role)
            return self

        return Call(method("PermissionService.UpdatePermission"), request, parse, to_options(request_options))


class Permissions:
    """The permissions on one corpus or tuned model. Iterating it lists them.

    Args:
        parent: The resource, or its name.
        client: The one that makes the calls; by default the one that `configure` sets.

    >>> import genai_grpc as genai
    >>> corpus = genai.retriever.create_corpus("tales")
    >>> permission = corpus.permissions.create("reader", email_address="ada@example.com")
    >>> [(each.role.name, each.email_address) for each in corpus.permissions]
    [('OWNER', None), ('READER', 'ada@example.com')]
    >>> genai.retriever.delete_corpus("tales")
    """

    def __init__(self, parent: Any, *, client: Client | None = None) -> None:
        self._parent: str = parent if isinstance(parent, str) else parent.name
        self._client = client

    @property
    def parent(self) -> str:
        """The name of the resource."""
        return self._parent

    def create(
        self,
        role: Any,
        grantee_type: Any = None,
        email_address: str | None = None,
        client: Client | None = None,
        request_options: RequestOptionsType | None = None,
    ) -> Permission:
        """Grant a role.

        Args:
            role: WRITER or READER: a member of `protos.Permission.Role`, or its name or number.
            grantee_type: USER, GROUP or EVERYONE; by default that of the address.
            email_address: The address of the user or group; None for EVERYONE.
            client: By default the one that the resource came from.
            request_options: Timeouts, retry policy and metadata of the call.

        Raises:
            ValueError: An address for EVERYONE, or none for another grantee.
            AlreadyExists: The grantee has a permission; update that.
            APIError: The call failed otherwise.
        """
        return sync_transport(self._owner(client)).call(
            self._create_call(role, grantee_type, email_address, client, request_options)
        )

    async def create_async(
        self,
        role: Any,
        grantee_type: Any = None,
        email_address: str | None = None,
        client: Client | None = None,
        request_options: RequestOptionsType | None = None,
    ) -> Permission:
        """The async twin of `create`."""
        return await async_transport(self._owner(client)).call(
            self._create_call(role, grantee_type, email_address, client, request_options)
        )

    def list(
        self,
        page_size: int | None = None,
        client: Client | None = None,
        request_options: RequestOptionsType | None = None,
    ) -> Iterator[Permission]:
        """List the permissions; a page is fetched when its permissions are needed.

        Raises:
            APIError: A call failed, when its page is needed.
        """
        return sync_transport(self._owner(client)).iterate(self._list(page_size, client, request_options))

    def list_async(
        self,
        page_size: int | None = None,
        client: Client | None = None,
        request_options: RequestOptionsType | None = None,
    ) -> AsyncIterator[Permission]:
        """The async twin of `list`; read it with `async for`."""
        return async_transport(self._owner(client)).iterate(self._list(page_size, client, request_options))

    def __iter__(self) -> Iterator[Permission]:
        return self.list()

    def __aiter__(self) -> AsyncIterator[Permission]:
        return self.list_async()

    def get(
        self,
        name: str,
        client: Client | None = None,
        request_options: RequestOptionsType | None = None,
    ) -> Permission:
        """Get one of the permissions, by its name or the last part of it.

        Raises:
            NotFound: There is none of that name.
            APIError: The call failed otherwise.
        """
        return sync_transport(self._owner(client)).call(
            Permission._get_call(self._full(name), self._owner(client), request_options)
        )

    async def get_async(
        self,
        name: str,
        client: Client | None = None,
        request_options: RequestOptionsType | None = None,
    ) -> Permission:
        """The async twin of `get`."""
        return await async_transport(self._owner(client)).call(
            Permission._get_call(self._full(name), self._owner(client), request_options)
        )

    def transfer_ownership(
        self,
        email_address: str,
        client: Client | None = None,
        request_options: RequestOptionsType | None = None,
    ) -> None:
        """Make a user the owner of a tuned model; the present owner becomes a writer.

        Raises:
            ValueError: The resource is a corpus.
            APIError: The call failed.
        """
        sync_transport(self._owner(client)).call(self._transfer_call(email_address, request_options))

    async def transfer_ownership_async(
        self,
        email_address: str,
        client: Client | None = None,
        request_options: RequestOptionsType | None = None,
    ) -> None:
        """The async twin of `transfer_ownership`."""
        await async_transport(self._owner(client)).call(self._transfer_call(email_address, request_options))

    def _owner(self, client: Client | None) -> Client:
        return client or self._client or default_client()

    def _full(self, name: str) -> str:
        return name if "/" in name else f"{self._parent}/permissions/{name}"

    def _create_call(
        self, role: Any, grantee_type: Any, email_address: str | None, client: Client | None, request_options: Any
    ) -> Call[Any, Any, Permission]:
        grantee = None if grantee_type is None else to_grantee_type(grantee_type)
        everyone = protos.Permission.GranteeType.EVERYONE
        if email_address and grantee == everyone:
            raise ValueError(f"a permission for EVERYONE has no email_address; got {email_address!r}")
        if not email_address and grantee != everyone:
            raise ValueError("a permission has an email_address, or the grantee_type EVERYONE")
        if grantee is None:
            group = str(email_address).endswith(_GROUPS)
            grantee = protos.Permission.GranteeType.GROUP if group else protos.Permission.GranteeType.USER
        permission = protos.Permission(role=to_role(role), grantee_type=grantee)
        if email_address:
            permission.email_address = email_address
        return Call(
            method("PermissionService.CreatePermission"),
            protos.CreatePermissionRequest(parent=self._parent, permission=permission),
            lambda reply: Permission.from_proto(reply[0], client=self._owner(client)),
            to_options(request_options),
        )

    def _list(self, page_size: int | None, client: Client | None, request_options: Any) -> Operation[None]:
        def permissions_of(page: protos.ListPermissionsResponse) -> Iterator[Permission]:
            return (Permission.from_proto(each, client=self._owner(client)) for each in page.permissions)

        options = to_options(request_options)
        return list_pages(
            method("PermissionService.ListPermissions"), page_size, permissions_of, options, parent=self._parent
        )

    def _transfer_call(self, email_address: str, request_options: Any) -> Call[Any, Any, None]:
        if not self._parent.startswith("tunedModels/"):
            raise ValueError(f"the ownership of a tuned model can be transferred; this is {self._parent!r}")
        request = protos.TransferOwnershipRequest(name=self._parent, email_address=email_address)
        return Call(method("PermissionService.TransferOwnership"), request, lambda _: None, to_options(request_options))
