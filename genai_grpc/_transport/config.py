"""The options of a client, completed from the environment.

The environment is read here and nowhere else, and only when a client is built.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from genai_grpc._rpc.call import AnyCall
from genai_grpc._rpc.options import Limits, Metadata, to_metadata, to_timeout
from genai_grpc._rpc.retry_policy import RetryPolicy
from genai_grpc._transport.endpoint import Endpoint, parse_endpoint, parse_proxy
from genai_grpc._version import __version__
from genai_grpc.errors import ConfigurationError

if TYPE_CHECKING:
    # These define dataclasses, whose import takes 10 ms; a client with the defaults does without.
    from genai_grpc._rpc.adaptive_limit import AdaptiveLimit
    from genai_grpc._rpc.rate_limiter import RateLimit
    from genai_grpc._transport.tls import TLS

__all__ = [
    "MISSING_CREDENTIALS",
    "ClientOptions",
    "Secret",
    "api_key_metadata",
    "check",
    "check_plaintext",
    "client_arguments",
    "environment_key",
    "has_default_credentials",
    "hide",
    "resolve",
]

HOST: Final = "generativelanguage.googleapis.com"
API_KEY_VARIABLES: Final = ("GEMINI_API_KEY", "GOOGLE_API_KEY")
ENDPOINT_VARIABLE: Final = "GENAI_GRPC_ENDPOINT"
USER_AGENT: Final = f"genai-grpc/{__version__}"
# Metadata that authenticates the caller.
CREDENTIAL_HEADERS: Final = frozenset({"authorization", "x-goog-api-key"})
MISSING_CREDENTIALS: Final = (
    f"no API key for {HOST}. Give one as configure(api_key=...) or Client(api_key=...), or set "
    f"{' or '.join(API_KEY_VARIABLES)}; or use a local server, which needs none: run `genai-grpc serve` and set "
    f"{ENDPOINT_VARIABLE}=http://127.0.0.1:50051 (or pass it as endpoint=...); or log in with `gcloud auth "
    "application-default login` (with pip install 'genai-grpc[auth]')"
)
# Seconds. Between two chunks a model may think for minutes; the same holds for the first chunk.
IDLE_TIMEOUT: Final = 300.0
DEFAULT_RETRY: Final = RetryPolicy()


class Secret(str):
    """A str whose repr hides its value, where a traceback shows local variables; grpc prints some of its own."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"


class ClientOptions(NamedTuple):
    """The options of a `Client`, which documents them; None stands for the default.

    `resolve` completes them from the environment. After it, `endpoint` is a URL, `api_key` is None for no key, and
    `credentials` is "default" where the application default credentials are to be used.
    """

    api_key: str | Callable[[], str] | None = None
    credentials: Any = None
    endpoint: str | None = None
    tls: TLS | None = None
    proxy: str | None = None
    timeout: float | None = None
    idle_timeout: float | None = None
    retry: RetryPolicy | None = None
    max_in_flight: int | AdaptiveLimit | None = None
    rate_limit: RateLimit | None = None
    metadata: Metadata = ()
    interceptors: tuple[Any, ...] = ()
    channel_options: tuple[tuple[str, Any], ...] = ()
    user_agent: str | None = None
    pickle_secrets: bool = False

    @property
    def target(self) -> Endpoint:
        """The endpoint, parsed."""
        return parse_endpoint(self.endpoint or HOST)

    def limits(self, call: AnyCall) -> Limits:
        """The timeouts and the retry policy of a call: its own, else the client's, else the default."""
        own = call.options
        timeout = self.timeout if own.timeout is None else own.timeout
        idle_timeout = self.idle_timeout if own.idle_timeout is None else own.idle_timeout
        return Limits(
            call.method.timeout if timeout is None else timeout,
            IDLE_TIMEOUT if idle_timeout is None else idle_timeout,
            own.retry or self.retry or DEFAULT_RETRY,
        )


def api_key_metadata(key: str) -> Metadata:
    """An API key as metadata.

    Raises:
        ConfigurationError: It holds characters that metadata cannot carry.
    """
    if not (key.isascii() and key.isprintable()):
        raise ConfigurationError("the API key holds characters that metadata cannot carry; was it copied whole?")
    return (("x-goog-api-key", Secret(key)),)


def resolve(options: ClientOptions, environment: Mapping[str, str] | None = None) -> ClientOptions:
    """Complete a client's options from the environment, and check them.

    Args:
        options: As the program gave them.
        environment: In place of `os.environ`.

    Raises:
        ConfigurationError: There are no credentials for an endpoint that needs them; a key or token would go over
            plaintext to another machine; an address cannot be parsed; two options contradict each other.
        TypeError: An option is of the wrong type.
        ValueError: A number is out of range; gRPC cannot carry the metadata.
    """
    environment = os.environ if environment is None else environment
    api_key, credentials = options.api_key, options.credentials
    if not isinstance(api_key, (str, type(None))) and not callable(api_key):
        raise TypeError(f"an API key is a str, or a function that returns one; got {type(api_key).__name__}")
    if credentials is not None and api_key is not None:
        raise ConfigurationError("api_key and credentials exclude each other; give one of them")
    endpoint = parse_endpoint(options.endpoint or environment.get(ENDPOINT_VARIABLE) or HOST)
    if api_key is None and credentials is None:
        api_key = environment_key(environment)
    if isinstance(api_key, str):
        api_key = Secret(api_key) if api_key else None
    metadata = hide(to_metadata(options.metadata))
    if endpoint.host == HOST and api_key is None and credentials is None and not _has_credentials(metadata):
        if not has_default_credentials(endpoint):
            raise ConfigurationError(MISSING_CREDENTIALS)
        credentials = "default"
    proxy, user_agent = options.proxy, options.user_agent
    resolved = options._replace(
        api_key=api_key,
        credentials=credentials,
        endpoint=endpoint.url,
        metadata=metadata,
        timeout=to_timeout(options.timeout),
        idle_timeout=to_timeout(options.idle_timeout),
        max_in_flight=_check_max_in_flight(options.max_in_flight),
        proxy=None if proxy is None else Secret(proxy and parse_proxy(proxy)),
        user_agent=f"{user_agent} {USER_AGENT}" if user_agent else USER_AGENT,
    )
    check(resolved)
    return resolved


def environment_key(environment: Mapping[str, str]) -> Secret | None:
    """The API key of the environment; None if it has none."""
    return next((Secret(environment[name]) for name in API_KEY_VARIABLES if environment.get(name)), None)


def has_default_credentials(endpoint: Endpoint) -> bool:
    """Whether an endpoint takes the application default credentials, and they can be looked up at the first call."""
    if endpoint.host != HOST:
        return False
    try:
        return find_spec("google.auth") is not None
    except ModuleNotFoundError:
        return False


def _check_max_in_flight(max_in_flight: int | AdaptiveLimit | None) -> int | AdaptiveLimit | None:
    if max_in_flight is None:
        return None
    if isinstance(max_in_flight, int) and not isinstance(max_in_flight, bool):
        if max_in_flight < 1:
            raise ValueError(f"max_in_flight is 1 or more; got {max_in_flight}")
        return max_in_flight
    from genai_grpc._rpc.adaptive_limit import AdaptiveLimit  # a dataclass: 10 ms, see above

    if not isinstance(max_in_flight, AdaptiveLimit):
        raise TypeError(f"max_in_flight is an int or an AdaptiveLimit; got {type(max_in_flight).__name__}")
    return max_in_flight


def check(options: ClientOptions) -> None:
    """Check that resolved options do not contradict each other.

    Raises:
        ConfigurationError: They do.
    """
    target = options.target
    if options.tls is not None and not target.tls:
        raise ConfigurationError(f"tls is given, and http://{target.address} is plaintext; use https://")
    if isinstance(options.api_key, str):
        api_key_metadata(options.api_key)
    if options.api_key is not None or options.credentials is not None or _has_credentials(options.metadata):
        _refuse_plaintext(target)


def hide(metadata: Metadata) -> Metadata:
    """Metadata whose values a repr does not show."""
    return tuple((name, Secret(value) if isinstance(value, str) else value) for name, value in metadata)


def check_plaintext(target: Endpoint, metadata: Metadata) -> None:
    """Check that metadata holds no key or token that would go over plaintext to another machine.

    Raises:
        ConfigurationError: It does.
    """
    if _has_credentials(metadata):
        _refuse_plaintext(target)


def _has_credentials(metadata: Metadata) -> bool:
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
    default_metadata: Iterable[tuple[str, str | bytes]],
) -> dict[str, Any]:
    """The arguments of a `Client` for those of `configure`, whose `client_options` is a dict or an object.

    Raises:
        ConfigurationError: The key is given twice, or an option is set that has no meaning for this service.
    """
    given = client_options if isinstance(client_options, Mapping) else vars(client_options or _NoOptions())
    options = {name.lstrip("_"): value for name, value in given.items() if value is not None}
    known = {"api_endpoint", "api_key", "quota_project_id"}
    if unknown := options.keys() - known:
        raise ConfigurationError(f"client_options has {', '.join(sorted(known))}; got {', '.join(sorted(unknown))}")
    if api_key is not None and "api_key" in options:
        raise ConfigurationError("the API key is given twice; pass either api_key or client_options['api_key']")
    metadata = list(default_metadata)
    if "quota_project_id" in options:
        metadata.append(("x-goog-user-project", options["quota_project_id"]))
    return {
        "api_key": options.get("api_key") if api_key is None else api_key,
        "credentials": credentials,
        "endpoint": options.get("api_endpoint"),
        "metadata": metadata,
        "user_agent": getattr(client_info, "user_agent", None),
    }


class _NoOptions:
    """An object without options."""
