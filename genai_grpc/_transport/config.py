"""Where a client connects and as whom: arguments and environment to one frozen `Config`.

The environment is read here and nowhere else, and only when a client is made.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from genai_grpc._coerce.settings import to_timeout
from genai_grpc._rpc.call import Limits
from genai_grpc._rpc.retry_policy import RetryPolicy
from genai_grpc._transport.endpoint import Endpoint, parse_endpoint, parse_proxy
from genai_grpc._version import __version__
from genai_grpc.errors import ConfigurationError

if TYPE_CHECKING:
    from genai_grpc._rpc.adaptive_limit import AdaptiveLimit
    from genai_grpc._rpc.call import Call, Metadata
    from genai_grpc._rpc.rate_limiter import RateLimit
    from genai_grpc._transport.tls import TLS

__all__ = [
    "MISSING_CREDENTIALS",
    "Config",
    "Secret",
    "api_key_metadata",
    "check",
    "check_plaintext",
    "client_arguments",
    "resolve",
]

HOST: Final = "generativelanguage.googleapis.com"
KEYS: Final = ("GEMINI_API_KEY", "GOOGLE_API_KEY")
USER_AGENT: Final = f"genai-grpc/{__version__}"
ENDPOINT: Final = "GENAI_GRPC_ENDPOINT"
# The metadata that says who calls.
CREDENTIAL_HEADERS: Final = frozenset({"authorization", "x-goog-api-key"})
MISSING_CREDENTIALS: Final = (
    f"no API key for {HOST}. Give one as configure(api_key=...) or Client(api_key=...), or set {' or '.join(KEYS)}; or "
    "use a local server, which needs none: run `genai-grpc serve` and set "
    f"{ENDPOINT}=http://127.0.0.1:50051 (or pass it as endpoint=...); or log in with `gcloud auth application-default "
    "login` (with pip install 'genai-grpc[auth]')"
)
# Between two chunks a model may think for minutes. The wait for the first one is bounded alike.
IDLE_TIMEOUT: Final = 300.0
# Some hundred connections.
MAX_IN_FLIGHT: Final = 10_000


class Secret(str):
    """A str that shows only that it is there: where locals are printed with a traceback, grpc's own included."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"


class Config(NamedTuple):
    """All that a client is made of.

    Attributes:
        target: Where to connect.
        api_key: Sent as metadata with every call, or the function that says it; None to send none.
        credentials: Of google-auth; "default" for those of the application; None where there is a key or need be none.
        metadata: Further pairs for every call, whose values may be secrets too.
        timeout: Seconds for a call that names none; None for the method's own default.
        idle_timeout: Seconds to the next chunk of a stream that names none.
        retry: The policy for calls that name none.
        max_in_flight: How many calls may be in flight at once.
        rate_limit: How many requests and tokens a minute; None for any number.
        tls: Whom to trust, where the target speaks TLS; None for those that gRPC trusts by itself.
        proxy: The URL of an HTTP proxy; "" for none; None for that of the environment, as gRPC reads it.
        interceptors: gRPC's own, of either colour, and this package's.
        channel_options: gRPC channel arguments beside, and over, this package's.
        user_agent: What the channel says it is.
    """

    target: Endpoint
    api_key: Secret | Callable[[], str] | None = None
    credentials: Any = None
    metadata: Metadata = ()
    timeout: float | None = None
    idle_timeout: float = IDLE_TIMEOUT
    retry: RetryPolicy = RetryPolicy()
    max_in_flight: int | AdaptiveLimit = MAX_IN_FLIGHT
    rate_limit: RateLimit | None = None
    tls: TLS | None = None
    proxy: Secret | None = None
    interceptors: tuple[Any, ...] = ()
    channel_options: tuple[tuple[str, Any], ...] = ()
    user_agent: str = USER_AGENT

    def limits(self, call: Call[Any, Any, Any]) -> Limits:
        """The deadlines and the retry policy of a call: its own, else the client's, else the method's."""
        options = call.options
        timeout = options.timeout
        if timeout is None:
            timeout = call.method.timeout if self.timeout is None else self.timeout
        return Limits(
            timeout,
            self.idle_timeout if options.idle_timeout is None else options.idle_timeout,
            self.retry if options.retry is None else options.retry,
        )


def api_key_metadata(key: str) -> Metadata:
    """An API key as metadata.

    Raises:
        ConfigurationError: It holds what metadata cannot carry.
    """
    if not (key.isascii() and key.isprintable()):
        raise ConfigurationError("the API key holds characters that metadata cannot carry; was it copied whole?")
    return (("x-goog-api-key", Secret(key)),)


def resolve(
    *,
    api_key: str | Callable[[], str] | None = None,
    credentials: Any = None,
    endpoint: str | None = None,
    tls: TLS | None = None,
    proxy: str | None = None,
    timeout: float | None = None,
    idle_timeout: float | None = None,
    retry: RetryPolicy | None = None,
    max_in_flight: int | AdaptiveLimit | None = None,
    rate_limit: RateLimit | None = None,
    metadata: Iterable[tuple[str, str]] = (),
    interceptors: Iterable[Any] = (),
    channel_options: Iterable[tuple[str, Any]] = (),
    user_agent: str | None = None,
    environment: Mapping[str, str] | None = None,
) -> Config:
    """The config of a client's arguments, which are described there, completed from the environment.

    Args:
        api_key: None to take GEMINI_API_KEY, else GOOGLE_API_KEY; "" to use none.
        credentials: In place of a key.
        endpoint: None to take GENAI_GRPC_ENDPOINT, else Google's endpoint.
        tls: As in `Config`, as are all that follow.
        proxy: None for that of the environment.
        timeout: None for the methods' own.
        idle_timeout: None for 300.
        retry: None for the default policy.
        max_in_flight: None for 10,000.
        rate_limit: None for none.
        metadata: Pairs for every call.
        interceptors: In the order in which they see a call.
        channel_options: Pairs of gRPC's.
        user_agent: Put before our own.
        environment: In place of `os.environ`.

    Raises:
        ConfigurationError: There is nothing to say who calls, for an endpoint that asks; a key or token would go over
            plaintext to another machine; an address cannot be read; two arguments contradict each other.
    """
    environment = os.environ if environment is None else environment
    if not isinstance(api_key, (str, type(None))) and not callable(api_key):
        raise TypeError(f"an API key is a str, or a function that returns one; got {type(api_key).__name__}")
    if credentials is not None and api_key is not None:
        raise ConfigurationError("api_key and credentials both say who calls; give one of them")
    target = parse_endpoint(endpoint or environment.get(ENDPOINT) or HOST)
    if api_key is None and credentials is None:
        api_key = next((environment[name] for name in KEYS if environment.get(name)), None)
    pairs = tuple((key.lower(), Secret(value)) for key, value in metadata)
    if isinstance(api_key, str):
        api_key = Secret(api_key) if api_key else None
    if target.host == HOST and api_key is None and credentials is None and not _holds_secret(pairs):
        credentials = _default_credentials()
    config = Config(
        target=target,
        api_key=api_key,
        credentials=credentials,
        metadata=pairs,
        timeout=to_timeout(timeout),
        idle_timeout=to_timeout(idle_timeout) or IDLE_TIMEOUT,
        retry=RetryPolicy() if retry is None else retry,
        max_in_flight=MAX_IN_FLIGHT if max_in_flight is None else _to_bound(max_in_flight),
        rate_limit=rate_limit,
        tls=tls,
        proxy=None if proxy is None else Secret(proxy and parse_proxy(proxy)),
        interceptors=tuple(interceptors),
        channel_options=tuple(channel_options),
        user_agent=f"{user_agent} {USER_AGENT}" if user_agent else USER_AGENT,
    )
    check(config)
    return config


def _default_credentials() -> Literal["default"]:
    """That the application's own credentials are to be looked for, at the first call, where google-auth can."""
    try:
        there = find_spec("google.auth") is not None
    except ModuleNotFoundError:
        there = False
    if not there:
        raise ConfigurationError(MISSING_CREDENTIALS)
    return "default"


def _to_bound(max_in_flight: int | AdaptiveLimit) -> int | AdaptiveLimit:
    if isinstance(max_in_flight, int) and not isinstance(max_in_flight, bool):
        if max_in_flight < 1:
            raise ValueError(f"max_in_flight is 1 or more; got {max_in_flight}")
        return max_in_flight
    from genai_grpc._rpc.adaptive_limit import AdaptiveLimit

    if not isinstance(max_in_flight, AdaptiveLimit):
        raise TypeError(f"max_in_flight is an int or an AdaptiveLimit; got {type(max_in_flight).__name__}")
    return max_in_flight


def check(config: Config) -> None:
    """Check that a config holds nothing that contradicts itself.

    Raises:
        ConfigurationError: It does.
    """
    if config.tls is not None and not config.target.tls:
        raise ConfigurationError(f"tls is given, and http://{config.target.address} is plaintext; use https://")
    if isinstance(config.api_key, str):
        api_key_metadata(config.api_key)
    secret = config.api_key is not None or config.credentials is not None or _holds_secret(config.metadata)
    if secret:
        _refuse_plaintext(config.target)


def check_plaintext(target: Endpoint, metadata: Metadata) -> None:
    """Check that metadata holds no key or token that would go over plaintext to another machine.

    Raises:
        ConfigurationError: It does.
    """
    if _holds_secret(metadata):
        _refuse_plaintext(target)


def _holds_secret(metadata: Metadata) -> bool:
    return any(name in CREDENTIAL_HEADERS for name, _ in metadata)


def _refuse_plaintext(target: Endpoint) -> None:
    if not target.tls and not target.loopback:
        raise ConfigurationError(
            f"refusing to send an API key or token over plaintext to {target.address}. Use https:// for TLS, "
            'a loopback address for a local server, or api_key="" to send no key'
        )


def client_arguments(
    api_key: str | Callable[[], str] | None,
    credentials: Any,
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
        "credentials": credentials,
        "endpoint": options.get("api_endpoint"),
        "metadata": pairs,
        "user_agent": getattr(client_info, "user_agent", None),
    }


class _Nothing:
    """An object without options."""
