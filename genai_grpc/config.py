"""Where a client connects and as whom: arguments and environment to one frozen `Config`.

The environment is read here and nowhere else, and only when a client is made.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from genai_grpc._coerce.settings import to_timeout
from genai_grpc._retry import RetryPolicy
from genai_grpc._version import __version__
from genai_grpc.errors import ConfigurationError

if TYPE_CHECKING:
    from genai_grpc._call import Call, Metadata

__all__ = ["Config", "Secret", "Target", "client_arguments", "resolve"]

HOST: Final = "generativelanguage.googleapis.com"
KEYS: Final = ("GEMINI_API_KEY", "GOOGLE_API_KEY")
USER_AGENT: Final = f"genai-grpc/{__version__}"
ENDPOINT: Final = "GENAI_GRPC_ENDPOINT"
# The metadata that says who calls.
SECRETS: Final = frozenset({"authorization", "x-goog-api-key"})


class Secret(str):
    """A str that shows only that it is there: where locals are printed with a traceback, grpc's own included."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"


@dataclass(frozen=True, slots=True)
class Target:
    """An address, and whether to speak TLS to it."""

    host: str
    port: int
    tls: bool

    @property
    def address(self) -> str:
        """`host:port`, as a channel takes it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def loopback(self) -> bool:
        """Whether it is this machine, by an address that never leaves it."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


@dataclass(frozen=True, slots=True)
class Config:
    """All that a client is made of.

    Attributes:
        target: Where to connect.
        api_key: Sent as metadata with every call; None to send none.
        metadata: Further pairs for every call, whose values may be secrets too.
        timeout: Seconds for a call that names none; None for the method's own default.
        retry: The policy for calls that name none.
        user_agent: What the channel says it is.
    """

    target: Target
    api_key: Secret | None = None
    metadata: Metadata = ()
    timeout: float | None = None
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    user_agent: str = USER_AGENT

    def call_metadata(self) -> Metadata:
        """The metadata of every call: the key as a plain pair, which costs nothing, unlike a credentials plugin."""
        return self.metadata if self.api_key is None else (*self.metadata, ("x-goog-api-key", self.api_key))

    def metadata_of(self, call: Call[Any, Any, Any]) -> Metadata:
        """The metadata of one call that brings pairs of its own.

        Raises:
            ConfigurationError: They hold a key or token, which would go over plaintext to another machine.
        """
        metadata = self.call_metadata() + tuple((key, Secret(value)) for key, value in call.options.metadata)
        _check_plaintext(self.target, metadata)
        return metadata

    def limits(self, call: Call[Any, Any, Any]) -> tuple[float, RetryPolicy]:
        """The deadline in seconds and the retry policy of a call: its own, else the client's, else the method's."""
        timeout = call.options.timeout
        if timeout is None:
            timeout = call.method.timeout if self.timeout is None else self.timeout
        return timeout, self.retry if call.options.retry is None else call.options.retry


def resolve(
    *,
    api_key: str | None = None,
    endpoint: str | None = None,
    metadata: Iterable[tuple[str, str]] = (),
    timeout: float | None = None,
    retry: RetryPolicy | None = None,
    user_agent: str | None = None,
    environment: Mapping[str, str] | None = None,
) -> Config:
    """The config of these arguments, completed from the environment.

    Args:
        api_key: None to take GEMINI_API_KEY, else GOOGLE_API_KEY; "" to use none.
        endpoint: `host[:port]` or `https://host[:port]` for TLS, `http://host[:port]` for plaintext; None to take
            GENAI_GRPC_ENDPOINT, else Google's endpoint.
        metadata: Pairs for every call.
        timeout: Seconds for a call that names none.
        retry: The policy for calls that name none.
        user_agent: Put before our own.
        environment: In place of `os.environ`.

    Raises:
        ConfigurationError: There is no key for an endpoint that needs one; a key would go over plaintext to another
            machine; the endpoint cannot be read.
    """
    environment = os.environ if environment is None else environment
    if not isinstance(api_key, (str, type(None))):
        raise TypeError(f"an API key is a str; got {type(api_key).__name__}")
    target = to_target(endpoint or environment.get(ENDPOINT) or HOST)
    if api_key is None:
        api_key = next((environment[name] for name in KEYS if environment.get(name)), None)
    config = Config(
        target=target,
        api_key=Secret(api_key) if api_key else None,
        metadata=tuple((key.lower(), Secret(value)) for key, value in metadata),
        timeout=to_timeout(timeout),
        retry=RetryPolicy() if retry is None else retry,
        user_agent=f"{user_agent} {USER_AGENT}" if user_agent else USER_AGENT,
    )
    _check(config)
    return config


def _check(config: Config) -> None:
    target = config.target
    metadata = config.call_metadata()
    if not _holds_secret(metadata) and target.host == HOST:
        raise ConfigurationError(
            f"no API key for {HOST}. Give one as configure(api_key=...) or Client(api_key=...), "
            f"or set {' or '.join(KEYS)}; "
            "or use a local server, which needs none: run `genai-grpc serve` and set "
            f"{ENDPOINT}=http://127.0.0.1:50051 (or pass it as endpoint=...)"
        )
    _check_plaintext(target, metadata)
    if config.api_key is not None and not (config.api_key.isascii() and config.api_key.isprintable()):
        raise ConfigurationError("the API key holds characters that metadata cannot carry; was it copied whole?")


def _holds_secret(metadata: Metadata) -> bool:
    return any(name in SECRETS for name, _ in metadata)


def _check_plaintext(target: Target, metadata: Metadata) -> None:
    if _holds_secret(metadata) and not target.tls and not target.loopback:
        raise ConfigurationError(
            f"refusing to send an API key or token over plaintext to {target.address}. Use https:// for TLS, "
            'a loopback address for a local server, or api_key="" to send no key'
        )


def to_target(endpoint: str) -> Target:
    """Where an endpoint points.

    Raises:
        ConfigurationError: It is no `host[:port]`, `https://` or `http://` address.

    >>> to_target("http://localhost:50051"), to_target("example.com").address
    (Target(host='localhost', port=50051, tls=False), 'example.com:443')
    """
    # Whatever stands before an "@" or after a "?" may be a secret.
    shown = endpoint.rpartition("@")[2].partition("?")[0]
    wanted = "pass host[:port] or https://host[:port] for TLS, http://host:port for plaintext"
    try:
        parts = urlsplit(endpoint if "://" in endpoint else f"https://{endpoint}")
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise ConfigurationError(f"cannot read the endpoint {shown!r}: {error}; {wanted}") from None
    more = parts.path.strip("/") or parts.query or parts.fragment or "@" in parts.netloc
    if parts.scheme not in ("http", "https") or not host or more:
        raise ConfigurationError(f"cannot read the endpoint {shown!r}; {wanted}")
    tls = parts.scheme == "https"
    return Target(host, (443 if tls else 80) if port is None else port, tls)


def client_arguments(
    api_key: str | None,
    client_options: Any,
    client_info: Any,
    default_metadata: Iterable[tuple[str, str]],
) -> dict[str, Any]:
    """The arguments of a `Client` for those of `configure`, whose `client_options` is a dict or an object.

    Raises:
        ConfigurationError: The key is given twice; an option is set that gRPC to this service has no use for.
    """
    given = client_options if isinstance(client_options, Mapping) else vars(client_options or _Nothing())
    options = {name.lstrip("_"): value for name, value in given.items() if value is not None}
    known = {"api_endpoint", "api_key", "quota_project_id"}
    if unknown := options.keys() - known:
        raise ConfigurationError(f"client_options has {', '.join(sorted(known))}; got {', '.join(sorted(unknown))}")
    if api_key is not None and "api_key" in options:
        raise ConfigurationError("the API key is given twice; pass either api_key or client_options['api_key']")
    pairs = list(default_metadata)
    if "quota_project_id" in options:
        pairs.append(("x-goog-user-project", options["quota_project_id"]))
    return {
        "api_key": options.get("api_key") if api_key is None else api_key,
        "endpoint": options.get("api_endpoint"),
        "metadata": pairs,
        "user_agent": getattr(client_info, "user_agent", None),
    }


class _Nothing:
    """An object without options."""
