"""Views of clients: the same client with other defaults for the calls made with the view."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any, SupportsIndex

from genai_grpc._coerce.settings import to_options
from genai_grpc._rpc.options import CallOptions, Metadata, to_metadata
from genai_grpc._rpc.secret import Secret
from genai_grpc._transport.config import has_credentials, plaintext_problem
from genai_grpc.client import Client
from genai_grpc.errors import ConfigurationError

if TYPE_CHECKING:
    from genai_grpc._rpc.client_stats import ClientStats
    from genai_grpc._transport.transports import Transports  # which imports grpc

__all__ = ["ClientView", "view_of"]


class ClientView(Client):
    """A client that shares all with another one but the default options of calls; `Client.with_options` builds it.

    Args:
        client: The client that it shares, which may be a view itself.
        options: The options of calls that do not set them.
        missing: What a pickle did not have.
    """

    def __init__(self, client: Client, options: CallOptions, missing: frozenset[str] = frozenset()) -> None:
        self._client = client
        self._own = options
        self._options = client._options
        self._defaults = options.over(client._defaults)
        self._missing = missing
        self._views: weakref.WeakSet[ClientView] = weakref.WeakSet()
        self._start()
        if isinstance(client, ClientView):
            client._views.add(self)

    @property
    def closed(self) -> bool:
        """Whether the view or its client is closed, and refuses calls."""
        return self._closed or self._client.closed

    def ready(self) -> bool:
        """As `Client.ready`."""
        return not self.closed and self._client.ready()

    def stats(self) -> ClientStats:
        """The state of the client, which its views share."""
        return self._client.stats()

    def update_api_key(self, api_key: str) -> None:
        """Change the key of the client, and so of all its views."""
        self._client.update_api_key(api_key)

    def __repr__(self) -> str:
        return f"{self._client!r}.with_options({self._own.arguments()})"

    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:
        own, missing = self._own, self._missing
        # Values of metadata refuse to be pickled as they are.
        pairs = tuple((name, str(value) if isinstance(value, str) else value) for name, value in own.metadata)
        if pairs and not self._options.pickle_secrets:
            pairs, missing = (), missing | {"metadata"}
        return _restored, (self._client, own._replace(metadata=()), pairs, missing)

    def _connect(self) -> Transports:
        self._check_usable()
        transports = self._client._connect().with_defaults(self._defaults)
        with self._lock:
            self._check_open()
            self._transports = transports
        return transports

    def _close(self, grace: float | None) -> None:
        # The connections, and the calls in flight, are those of the client.
        with self._lock:
            super()._close(grace)
            self._transports = None
        for view in list(self._views):
            view._close(grace)


def view_of(client: Client, options: Secret) -> ClientView:
    """A view of a client, with options as `request_options` has them.

    Raises:
        ConfigurationError: A key or token in the metadata would go over plaintext to another machine or a proxy.
        TypeError: An option is of the wrong type.
        ValueError: An option is out of range.
    """
    coerced = options.apply(to_options)
    problem = plaintext_problem(client._options)
    if problem is not None and has_credentials(Secret(coerced.metadata)):
        raise ConfigurationError(problem)
    return ClientView(client, coerced)


def _restored(client: Client, options: CallOptions, pairs: Metadata, missing: frozenset[str]) -> ClientView:
    return ClientView(client, options._replace(metadata=to_metadata(pairs)), missing)
