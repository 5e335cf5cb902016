"""Credentials as request metadata: none, an API key, a callable returning one, or google-auth credentials.

An OAuth token is cached and sent as plain metadata: gRPC's plugin for call credentials starts a thread for every call,
which costs more than the call itself.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any, Final, Protocol

from genai_grpc._rpc.log import LOG
from genai_grpc._rpc.options import Metadata, to_metadata
from genai_grpc._rpc.secret import Secret, SecretText, mask, without_frames
from genai_grpc._transport.api_keys import to_key
from genai_grpc._transport.config import QUOTA_PROJECT, ClientOptions, missing_credentials
from genai_grpc.errors import ConfigurationError, ServiceUnavailable, Unauthenticated

__all__ = ["CallableKey", "Credentials", "OAuthToken", "StaticKey", "credentials_from"]

# The scope that service accounts request: https://ai.google.dev/gemini-api/docs/oauth
SCOPES: Final = ("https://www.googleapis.com/auth/cloud-platform",)
# Seconds before its expiry at which a token is refreshed in the background, and at which it is no longer sent.
REFRESH_MARGIN: Final = 225.0
EXPIRY_MARGIN: Final = 10.0
# The attributes of google-auth's credentials that are secrets.
_OWN_SECRETS: Final = ("token", "refresh_token", "client_secret")


class Credentials(Protocol):
    """The metadata that authenticates the caller."""

    def metadata(self) -> Metadata | None:
        """The pairs to send, the same object until they change; None if `refresh` must be called first."""

    def refresh(self) -> None:
        """Fetch what `metadata` needs; blocks. Raises APIError."""


class StaticKey:
    """An API key that never changes, or none."""

    __slots__ = ("_metadata",)

    def __init__(self, key: Secret | None) -> None:
        self._metadata: Metadata = () if key is None else key.apply(_key_metadata)

    def metadata(self) -> Metadata:
        return self._metadata

    def refresh(self) -> None:
        return None


class CallableKey:
    """A function that returns the API key, called for each attempt."""

    __slots__ = ("_function", "_latest")

    def __init__(self, function: Callable[[], str]) -> None:
        self._function = function
        # A key and its metadata, replaced at once: another thread may get another key at the same time.
        self._latest: tuple[Any, Metadata] = None, ()

    def metadata(self) -> Metadata:
        key: Any = self._function()
        if key and key == self._latest[0]:
            return self._latest[1]
        key = Secret(key)  # before anything can raise: a traceback may show local variables
        metadata: Metadata = key.apply(_key_metadata)
        self._latest = key.reveal(), metadata
        return metadata

    def refresh(self) -> None:
        return None


class OAuthToken:
    """The token of google-auth credentials: cached, and refreshed in the background before it expires."""

    def __init__(self, credentials: Any, clock: Callable[[], float] = time.monotonic) -> None:
        self._credentials = credentials
        self._clock = clock
        self._lock = threading.Lock()
        self._refreshing = False
        self._metadata: Metadata = ()
        self._refresh_at = self._expires_at = float("-inf")
        if credentials.token:
            self._store()

    def metadata(self) -> Metadata | None:
        now = self._clock()
        if now < self._refresh_at:
            return self._metadata
        if now >= self._expires_at:
            return None
        metadata = self._metadata  # that of `now`: the thread may replace it before this returns
        if not self._refreshing:
            self._refreshing = True
            threading.Thread(target=self._refresh_in_background, name="genai-grpc-token", daemon=True).start()
        return metadata

    def refresh(self) -> None:
        with self._lock:
            if self._clock() >= self._expires_at:  # else another thread has refreshed it
                self._fetch()

    def _refresh_in_background(self) -> None:
        try:
            with self._lock:
                self._fetch()
        except (ServiceUnavailable, Unauthenticated) as error:
            # The present token is still valid for a while; a later call starts another refresh.
            LOG.debug("the background refresh of the token failed: %s", error.status)
        finally:
            self._refreshing = False

    def _fetch(self) -> None:
        # google-auth is an optional dependency, and its import takes 50 ms.
        from google.auth.exceptions import GoogleAuthError, TransportError
        from google.auth.transport.requests import Request

        try:
            self._credentials.refresh(Request())
        except GoogleAuthError as error:
            transient = isinstance(error, TransportError) or getattr(error, "retryable", False)
            error_type = ServiceUnavailable if transient else Unauthenticated
            text = self._masked(str(error))
            # google-auth's frames have the secrets among their local variables.
            cause = without_frames(error) if text == str(error) else None
            failure = error_type(f"the credentials gave no token: {text}")
        else:
            try:
                self._store()
            except (TypeError, ValueError) as error:  # they name the pair, and do not show its value
                raise Unauthenticated(f"the credentials gave a token that cannot be sent: {error}") from None
            return
        raise failure from cause

    def _masked(self, text: str) -> str:
        """A text without the secrets of the credentials."""
        found = (getattr(self._credentials, name, None) for name in _OWN_SECRETS)
        return mask(text, [each for each in found if isinstance(each, str) and each])

    def _store(self) -> None:
        credentials = self._credentials
        pairs = [("authorization", SecretText(f"Bearer {credentials.token}"))]
        if project := getattr(credentials, "quota_project_id", None):
            pairs.append((QUOTA_PROJECT, SecretText(project)))
        self._metadata = to_metadata(pairs)
        lifetime = float("inf")
        if credentials.expiry is not None:  # a naive datetime in UTC
            lifetime = (credentials.expiry.replace(tzinfo=timezone.utc) - datetime.now(timezone.utc)).total_seconds()
        self._expires_at = self._clock() + lifetime - EXPIRY_MARGIN
        # A short-lived token is refreshed in the last quarter of its lifetime.
        self._refresh_at = self._clock() + lifetime - min(REFRESH_MARGIN, lifetime / 4)


def credentials_from(options: ClientOptions) -> Credentials:
    """The credentials that resolved options name.

    Raises:
        ConfigurationError: The application default credentials are needed, and there are none.
    """
    key = options.api_key
    if options.credentials is None:
        return CallableKey(key.reveal()) if key is not None and callable(key.reveal()) else StaticKey(key)
    import google.auth.credentials  # as in _fetch
    from google.auth.exceptions import DefaultCredentialsError

    if options.credentials == "default":
        try:
            found, _ = google.auth.default(scopes=SCOPES)
        except DefaultCredentialsError as error:
            cause = without_frames(error)  # as in _fetch
        else:
            return OAuthToken(found)
        missing = missing_credentials(options.vertex)
        raise ConfigurationError(f"{missing}. The last attempt failed: {cause}") from cause
    scope: Any = google.auth.credentials.with_scopes_if_required
    token: OAuthToken = options.credentials.apply(lambda given: OAuthToken(scope(given, SCOPES)))
    return token


def _key_metadata(key: Any) -> Metadata:
    """The metadata of an API key, which a function of the program may have returned."""
    if not isinstance(key, str) or not (text := to_key(key)):
        got = "an empty str" if isinstance(key, str) else type(key).__name__
        raise ConfigurationError(f"the api_key function must return a key, a str; got {got}")
    return (("x-goog-api-key", SecretText(text)),)
