"""The options of a client, completed from the environment.

The environment is read here, and only when a client is built; GRPC_VERBOSITY in `load_grpc`, before its first call.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final, NamedTuple, NoReturn

from genai_grpc._rpc.call import AnyCall
from genai_grpc._rpc.options import Limits, Metadata, check_value, to_metadata, to_timeout
from genai_grpc._rpc.retry_policy import RetryPolicy
from genai_grpc._rpc.secret import Secret, hide
from genai_grpc._services.api_versions import API_VERSIONS
from genai_grpc._services.dialects import GEMINI_API, Dialect
from genai_grpc._transport.api_keys import API_KEY_VARIABLES, environment_key, to_key
from genai_grpc._transport.endpoint import Endpoint, parse_base_url, parse_endpoint
from genai_grpc._version import __version__
from genai_grpc.errors import ConfigurationError

if TYPE_CHECKING:
    # These define dataclasses, whose import takes 10 ms; a client with the defaults does without.
    from genai_grpc._rpc.adaptive_limit import AdaptiveLimit
    from genai_grpc._rpc.rate_limiter import RateLimit
    from genai_grpc._rpc.shared_rate_limiter import SharedRateLimiter
    from genai_grpc._services.vertex import Vertex
    from genai_grpc._transport.tls import TLS

__all__ = [
    "ClientOptions",
    "check",
    "client_arguments",
    "enable_log",
    "has_credentials",
    "has_default_credentials",
    "missing_credentials",
    "plaintext_problem",
    "resolve",
    "vertex_of",
    "with_environment_proxy",
    "with_key",
]

TRANSPORTS: Final = ("grpc", "rest")
HOST: Final = "generativelanguage.googleapis.com"
ENDPOINT_VARIABLE: Final = "GENAI_GRPC_ENDPOINT"
# The first that is set decides.
VERTEX_VARIABLES: Final = ("GOOGLE_GENAI_USE_ENTERPRISE", "GOOGLE_GENAI_USE_VERTEXAI")
VERTEX_HOST: Final = "aiplatform.googleapis.com"
HTTP_ENDPOINT_VARIABLE: Final = "GENAI_GRPC_HTTP_ENDPOINT"
LOG_VARIABLE: Final = "GENAI_GRPC_LOG"
USER_AGENT: Final = f"genai-grpc/{__version__}"
# Channel arguments that name a proxy, or let gRPC read one from the environment
# (https://github.com/grpc/grpc/blob/master/include/grpc/impl/channel_arg_names.h).
PROXY_ARGUMENT: Final = "grpc.http_proxy"
PROXY_ARGUMENTS: Final = frozenset({"grpc.enable_http_proxy", "grpc.address_http_proxy"})
# Metadata that authenticates the caller.
CREDENTIAL_HEADERS: Final = frozenset({"authorization", "x-goog-api-key"})
QUOTA_PROJECT: Final = "x-goog-user-project"
MISSING_CREDENTIALS: Final = (
    f"no API key for {HOST}. Give one as configure(api_key=...) or Client(api_key=...), or set "
    f"{' or '.join(API_KEY_VARIABLES)}; or use a local server, which needs none: run `genai-grpc serve` and set "
    f"{ENDPOINT_VARIABLE}=http://127.0.0.1:50051 (or pass it as endpoint=...); or log in with `gcloud auth "
    "application-default login` (with pip install 'genai-grpc[auth]')"
)
# Seconds. Between two chunks a model may think for minutes; the same holds for the first chunk.
IDLE_TIMEOUT: Final = 300.0
DEFAULT_RETRY: Final = RetryPolicy()
# Of resolved options, whose endpoint has no secret.
_parse_resolved: Final = lru_cache(maxsize=32)(parse_endpoint)


class ClientOptions(NamedTuple):
    """The options of a `Client`, which documents them; None stands for the default.

    `resolve` checks and completes them. Before it, each that may have a secret is a `Secret`, or a plain value. After
    it, `api_key` (a str, or a function that returns one), `credentials`, `proxy` (a URL) and `metadata` (pairs) are a
    `Secret`, or None for none; `endpoint` is a URL, and `credentials` is "default" where the application default
    credentials are to be used.

    Attributes:
        vertex: A `Vertex` that has all of its fields, or None for the Gemini API.
        http_endpoint: A URL, or None for the host of the endpoint.
        base_path: The path of the endpoint, before those of methods, with transport "rest".
        proxy_from_environment: Whether the proxy is the one of the environment, if any.
    """

    api_key: Any = None
    credentials: Any = None
    endpoint: Any = None
    tls: TLS | None = None
    proxy: Any = None
    timeout: float | None = None
    idle_timeout: float | None = None
    retry: RetryPolicy | None = None
    max_in_flight: int | AdaptiveLimit | None = None
    rate_limit: RateLimit | SharedRateLimiter | None = None
    metadata: Any = None
    interceptors: tuple[Any, ...] = ()
    channel_options: Any = ()
    user_agent: str | None = None
    pickle_secrets: bool = False
    proxy_from_environment: bool = False
    api_version: str = API_VERSIONS[0]
    http_endpoint: Any = None
    transport: str = "grpc"
    base_path: str = ""
    vertex: Any = None

    def __reduce__(self) -> NoReturn:
        raise TypeError("the options of a client have secrets and are not pickled; pickle the Client")

    @property
    def dialect(self) -> Dialect:
        """The API, of resolved options."""
        return GEMINI_API if self.vertex is None else self.vertex.dialect

    @property
    def target(self) -> Endpoint:
        """The endpoint, parsed."""
        return _parse_resolved(self.endpoint or HOST)

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


def resolve(options: ClientOptions, environment: Mapping[str, str] | None = None) -> ClientOptions:
    """Complete a client's options from the environment, and check them.

    Args:
        options: As the program gave them.
        environment: In place of `os.environ`.

    Raises:
        ConfigurationError: There are no credentials for an endpoint that needs them; a key or token would go over
            plaintext to another machine or a proxy; an address cannot be parsed; two options contradict each other.
        TypeError: An option is of the wrong type.
        ValueError: A number is out of range; gRPC cannot carry the metadata.
    """
    variables = Secret(os.environ if environment is None else environment)
    if options.credentials is not None and options.api_key is not None:
        raise ConfigurationError("api_key and credentials exclude each other; give one of them")
    api_key, credentials = _resolve_key(hide(options.api_key)), _resolve_credentials(hide(options.credentials))
    if options.transport not in TRANSPORTS:
        raise ConfigurationError(f"transport is {' or '.join(map(repr, TRANSPORTS))}; got {options.transport!r}")
    vertex = vertex_of(options.vertex, api_key, credentials, variables)
    host = HOST if vertex is None else vertex.host
    target, base_path = _resolve_endpoint(hide(options.endpoint), variables, options.transport, host)
    http_endpoint = options.http_endpoint or variables.reveal().get(HTTP_ENDPOINT_VARIABLE) or None
    # The callers of a project are those of the application default credentials.
    if options.api_key is None and credentials is None and (vertex is None or vertex.project is None):
        api_key = environment_key(variables, vertex)
    enable_log(variables)
    metadata = _resolve_metadata(hide(options.metadata))
    if target.host == host and api_key is None and credentials is None and not has_credentials(metadata):
        if not has_default_credentials(target):
            raise ConfigurationError(missing_credentials(vertex))
        credentials = "default"
    user_agent = options.user_agent
    if user_agent is not None:
        check_value(user_agent, "the user_agent")
    proxy, channel_options = _resolve_proxy(hide(options.proxy), hide(options.channel_options))
    resolved = options._replace(
        api_key=api_key,
        credentials=credentials,
        endpoint=target.url,
        http_endpoint=http_endpoint and hide(http_endpoint).apply(parse_endpoint).url,
        metadata=metadata,
        timeout=to_timeout(options.timeout),
        idle_timeout=to_timeout(options.idle_timeout),
        max_in_flight=_check_max_in_flight(options.max_in_flight),
        rate_limit=_check_rate_limit(options.rate_limit),
        proxy=proxy or None,
        proxy_from_environment=proxy is None,
        channel_options=channel_options,
        user_agent=f"{user_agent} {USER_AGENT}" if user_agent else USER_AGENT,
        base_path=base_path,
        vertex=vertex,
    )
    if proxy is None:
        resolved = with_environment_proxy(resolved, variables)
    check(resolved)
    return resolved


def vertex_of(given: object, api_key: object, credentials: object, variables: Secret) -> Vertex | None:
    """The project and location at Vertex AI that a program or the environment names; None for the Gemini API.

    Raises:
        ConfigurationError, TypeError: As `resolve_vertex`.
    """
    if given is False or (given is None and variables.reveal().keys().isdisjoint(VERTEX_VARIABLES)):
        return None
    from genai_grpc._transport.vertex import resolve_vertex  # few programs call Vertex AI

    return resolve_vertex(given, api_key, credentials, variables)


def missing_credentials(vertex: Vertex | None) -> str:
    """What an error says of the credentials that an endpoint of Google needs."""
    if vertex is None:
        return MISSING_CREDENTIALS
    from genai_grpc._transport.vertex import MISSING_VERTEX_CREDENTIALS  # as above

    return MISSING_VERTEX_CREDENTIALS


def enable_log(variables: Secret) -> None:
    """Enable the request log if the environment says so; raises as `_rpc.log.enable`."""
    if level := variables.reveal().get(LOG_VARIABLE):
        from genai_grpc._rpc.log import enable  # with logging, 3 ms, which the import of the package shall not take

        enable(level)


def _resolve_key(key: Secret | None) -> Secret | None:
    if key is None or callable(key.reveal()):
        return key
    return Secret(key.apply(to_key)) or None


def _resolve_credentials(credentials: Secret | None) -> Secret | str | None:
    if credentials is not None and isinstance(given := credentials.reveal(), (str, bytes, Mapping)):
        given = type(given).__name__
        raise TypeError(f"credentials are an object of google-auth, such as google.auth.default()[0]; got {given}")
    return credentials


def _resolve_endpoint(given: Secret | None, variables: Secret, transport: str, host: str) -> tuple[Endpoint, str]:
    """The endpoint, and the path of it; by default the host."""
    if given is None or given.reveal() == "":
        given = Secret(variables.reveal().get(ENDPOINT_VARIABLE, "").strip() or host)
    if transport == "rest":
        return given.apply(parse_base_url)
    return given.apply(parse_endpoint), ""


def _resolve_metadata(metadata: Secret | None) -> Secret | None:
    return None if metadata is None else Secret(metadata.apply(to_metadata)) or None


def _resolve_proxy(proxy: Secret | None, channel_options: Secret) -> tuple[Secret | None, tuple[tuple[str, Any], ...]]:
    """The proxy, None to look in the environment, and the channel arguments, which may name a proxy too."""
    from genai_grpc._transport.proxy import parse_proxy  # not to import the package, but to build a client

    options: dict[str, Any] = channel_options.apply(dict)
    if PROXY_ARGUMENT in options:
        proxy = Secret(options.pop(PROXY_ARGUMENT))
    return (proxy and Secret(proxy.apply(parse_proxy))), tuple(options.items())


def with_environment_proxy(options: ClientOptions, variables: Secret) -> ClientOptions:
    """Resolved options with the proxy that these environment variables name, if any.

    Raises:
        ConfigurationError: gRPC cannot use it.
    """
    from genai_grpc._transport.proxy import environment_proxy  # as above

    target = options.target
    return options._replace(proxy=hide(variables.apply(lambda given: environment_proxy(target, given.get))))


def with_key(options: ClientOptions, key: Secret) -> ClientOptions:
    """Resolved options with another API key.

    Raises:
        ConfigurationError: It is empty or cannot be sent, or it would go over plaintext to another machine or a proxy.
        TypeError: It is not a str.
    """
    key = Secret(key.apply(to_key))
    if not key:
        raise ConfigurationError("the API key is empty")
    options = options._replace(api_key=key, credentials=None)
    check(options)
    return options


def has_default_credentials(endpoint: Endpoint) -> bool:
    """Whether an endpoint takes the application default credentials, and they can be looked up at the first call."""
    host = endpoint.host or ""
    if host != HOST and not host.endswith(VERTEX_HOST):
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


def _check_rate_limit(rate_limit: RateLimit | SharedRateLimiter | None) -> RateLimit | SharedRateLimiter | None:
    if rate_limit is None or callable(getattr(rate_limit, "reserve", None)):
        return rate_limit
    from genai_grpc._rpc.rate_limiter import RateLimit  # as above

    if not isinstance(rate_limit, RateLimit):
        raise TypeError(
            "rate_limit is a RateLimit, or a SharedRateLimiter: an object with a method `reserve(tokens, max_wait)`; "
            f"got {type(rate_limit).__name__}"
        )
    return rate_limit


def check(options: ClientOptions) -> None:
    """Check that resolved options do not contradict each other.

    Raises:
        ConfigurationError: They do.
    """
    target = options.target
    if options.tls is not None and not target.tls:
        raise ConfigurationError(f"tls is given, and {target.url} is plaintext; use https://")
    if options.vertex is not None and options.api_version != API_VERSIONS[0]:
        raise ConfigurationError(f"api_version={options.api_version!r} is of the Gemini API; Vertex AI has one version")
    if options.api_version not in API_VERSIONS:
        raise ConfigurationError(f"api_version is {' or '.join(map(repr, API_VERSIONS))}; got {options.api_version!r}")
    if options.proxy is not None and target.host is None:
        raise ConfigurationError(f"gRPC cannot reach {target.url} through a proxy; pass one host, or proxy=''")
    if options.api_key is not None or options.credentials is not None or has_credentials(options.metadata):
        problem = plaintext_problem(options)
        if problem is not None:
            raise ConfigurationError(problem)


def has_credentials(metadata: Secret | None) -> bool:
    """Whether metadata has a key or token."""
    return metadata is not None and any(name in CREDENTIAL_HEADERS for name, _ in metadata.reveal())


def plaintext_problem(options: ClientOptions) -> str | None:
    """Why a key or token must not be sent to the endpoint of resolved options; None if it may."""
    target = options.target
    if target.tls:
        return None
    if not target.loopback:
        return (
            f"refusing to send an API key or token over plaintext to {target.address}. Use https:// for TLS, "
            'a loopback address for a local server, or api_key="" to send no key'
        )
    if options.proxy is not None or any(value for name, value in options.channel_options if name in PROXY_ARGUMENTS):
        return (
            f"refusing to send an API key or token over plaintext to {target.address} through a proxy, which would "
            'read it. Pass no proxy, use https:// for TLS, or api_key="" to send no key'
        )
    return None


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
        TypeError: The metadata or an option cannot be read.
    """
    api_key, credentials, client_options = hide(api_key), hide(credentials), hide(client_options)
    metadata = hide(default_metadata)
    options: dict[str, Secret] = {} if client_options is None else client_options.apply(_read_options)
    if api_key is not None and "api_key" in options:
        raise ConfigurationError("the API key is given twice; pass either api_key or client_options['api_key']")
    pairs: Metadata = () if metadata is None else metadata.apply(to_metadata)
    if "quota_project_id" in options:
        pairs = (*pairs, *options["quota_project_id"].apply(lambda project: to_metadata([(QUOTA_PROJECT, project)])))
    return {
        "api_key": options.get("api_key") if api_key is None else api_key,
        "credentials": credentials,
        "endpoint": options.get("api_endpoint"),
        "metadata": Secret(pairs),
        "user_agent": getattr(client_info, "user_agent", None),
    }


def _read_options(client_options: Any) -> dict[str, Secret]:
    """The options that are set, by name."""
    if not isinstance(client_options, Mapping) and not hasattr(client_options, "__dict__"):
        raise TypeError(f"client_options is a dict or an object; got {type(client_options).__name__}")
    given = client_options if isinstance(client_options, Mapping) else vars(client_options)
    options = {name.lstrip("_"): Secret(value) for name, value in given.items() if value is not None}
    known = {"api_endpoint", "api_key", "quota_project_id"}
    if unknown := options.keys() - known:
        raise ConfigurationError(f"client_options has {', '.join(sorted(known))}; got {', '.join(sorted(unknown))}")
    return options
