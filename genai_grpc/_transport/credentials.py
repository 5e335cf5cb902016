"""As whom calls are made: nobody, a key, a source of keys, or credentials of google-auth; as metadata in each case.

A token is kept and sent as plain metadata: gRPC's own plugin for call credentials starts a thread for every call, which
costs more than the call.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, Final, Protocol

from genai_grpc._rpc.log import LOG
from genai_grpc._transport.config import MISSING_CREDENTIALS, Config, Secret, api_key_metadata
from genai_grpc.errors import ConfigurationError, ServiceUnavailable, Unauthenticated

if TYPE_CHECKING:
    from collections.abc import Callable

    from genai_grpc._rpc.call import Metadata
    from genai_grpc._transport.config import Config

__all__ = ["CallableKey", "Credentials", "OAuthToken", "StaticKey", "credentials_from"]

# The scope that service accounts ask for: https://ai.google.dev/gemini-api/docs/oauth
SCOPES: Final = ("https://www.googleapis.com/auth/cloud-platform",)
# Seconds before its expiry from which on a token is renewed, and from which on it is not sent any more.
REFRESH_MARGIN: Final = 225.0
EXPIRY_MARGIN: Final = 10.0


class Credentials(Protocol):
    """The metadata that says who calls."""

    def pairs(self) -> Metadata | None:
        """The pairs to send, the same object until they change; None if `refresh` must be waited for."""

    def refresh(self) -> None:
        """Fetch what `pairs` needs, on the thread that calls it. Raises APIError."""


class StaticKey:
    """A key that stays, or none."""

    __slots__ = ("_pairs",)

    def __init__(self, key: str | None) -> None:
        self._pairs: Metadata = () if key is None else api_key_metadata(key)

    def pairs(self) -> Metadata:
        return self._pairs

    def refresh(self) -> None:
        return None


class CallableKey:
    """A function that is asked for the key at each call."""

    __slots__ = ("_key", "_pairs", "_source")

    def __init__(self, source: Callable[[], str]) -> None:
        self._source = source
        self._key: str | None = None
        self._pairs: Metadata = ()

    def pairs(self) -> Metadata:
        key = self._source()
        if not key or key != self._key:
            if not isinstance(key, str) or not key:
                raise ConfigurationError(f"api_key was called for a key, a str; it returned {type(key).__name__}")
            self._key, self._pairs = Secret(key), api_key_metadata(key)
        return self._pairs

    def refresh(self) -> None:
        return None


class OAuthToken:
    """A token of google-auth's credentials: kept while it is good, renewed on a thread aside before it is not."""

    def __init__(self, credentials: Any, clock: Callable[[], float] = time.monotonic) -> None:
        self._credentials = credentials
        self._clock = clock
        self._lock = threading.Lock()
        self._renewing = False
        self._pairs: Metadata = ()
        self._stale_at = self._useless_at = float("-inf")
        if credentials.token:
            self._take()

    def pairs(self) -> Metadata | None:
        now = self._clock()
        if now < self._stale_at:
            return self._pairs
        if now >= self._useless_at:
            return None
        if not self._renewing:
            self._renewing = True
            threading.Thread(target=self._renew_aside, name="genai-grpc-token", daemon=True).start()
        return self._pairs

    def refresh(self) -> None:
        with self._lock:
            if self._clock() >= self._useless_at:  # else another thread was faster
                self._renew()

    def _renew_aside(self) -> None:
        try:
            with self._lock:
                self._renew()
        except (ServiceUnavailable, Unauthenticated) as error:
            # The token at hand is good for a while yet; a later call tries again.
            LOG.debug("the token could not be renewed ahead of time: %s", error.status)
        finally:
            self._renewing = False

    def _renew(self) -> None:
        from google.auth.exceptions import GoogleAuthError, TransportError
        from google.auth.transport.requests import Request

        try:
            self._credentials.refresh(Request())
        except GoogleAuthError as error:
            passing = isinstance(error, TransportError) or getattr(error, "retryable", False)
            kind = ServiceUnavailable if passing else Unauthenticated
            raise kind(f"the credentials gave no token: {error}") from error
        self._take()

    def _take(self) -> None:
        from datetime import datetime, timezone

        credentials = self._credentials
        pairs = [("authorization", Secret(f"Bearer {credentials.token}"))]
        if project := getattr(credentials, "quota_project_id", None):
            pairs.append(("x-goog-user-project", Secret(project)))
        self._pairs = tuple(pairs)
        lasts = float("inf")
        if credentials.expiry is not None:  # google-auth's are UTC, without a zone
            lasts = (credentials.expiry.replace(tzinfo=timezone.utc) - datetime.now(timezone.utc)).total_seconds()
        self._useless_at = self._clock() + lasts - EXPIRY_MARGIN
        # A token that lives short is renewed in its last quarter.
        self._stale_at = self._clock() + lasts - min(REFRESH_MARGIN, lasts / 4)


def credentials_from(config: Config) -> Credentials:
    """The identity that a config says.

    Raises:
        ConfigurationError: The application default credentials were to be used, and there are none.
    """
    key = config.api_key
    if config.credentials is None:
        return StaticKey(key) if key is None or isinstance(key, str) else CallableKey(key)
    import google.auth.credentials
    from google.auth.exceptions import DefaultCredentialsError

    if config.credentials == "default":
        try:
            found, _ = google.auth.default(scopes=SCOPES)
        except DefaultCredentialsError as error:
            raise ConfigurationError(f"{MISSING_CREDENTIALS}. The last was tried: {error}") from error
        return OAuthToken(found)
    return OAuthToken(google.auth.credentials.with_scopes_if_required(config.credentials, SCOPES))
