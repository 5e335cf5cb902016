"""The options of a client in a pickle: without secrets, unless the program asks for them."""

from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Callable, Mapping
from typing import Any, Final

from genai_grpc._rpc.options import to_metadata
from genai_grpc._rpc.secret import Secret
from genai_grpc._transport.api_keys import environment_key
from genai_grpc._transport.config import (
    ClientOptions,
    check,
    enable_log,
    has_default_credentials,
    with_environment_proxy,
)
from genai_grpc._transport.tls import is_pem

__all__ = ["pickled", "unpickled"]

# Whether the value of an option is a secret, or has one.
_SECRET: Final[Mapping[str, Callable[[Any], bool]]] = {
    "api_key": lambda key: not callable(key),
    "credentials": lambda credentials: credentials != "default",
    "metadata": bool,
    "proxy": lambda proxy: "@" in proxy,
    "tls": lambda tls: is_pem(tls.private_key),
}
# The options that are read from the environment if they were left out.
_FROM_ENVIRONMENT: Final = frozenset({"api_key", "credentials"})


def pickled(options: ClientOptions) -> tuple[dict[str, Any], frozenset[str]]:
    """The resolved options to pickle, by name, and the names of those that are left out as secrets.

    Raises:
        TypeError: An option cannot be pickled; the message names it.
    """
    defaults = ClientOptions._field_defaults
    values = {name: _revealed(value) for name, value in options._asdict().items() if value != defaults[name]}
    left_out = frozenset[str]()
    if options.proxy_from_environment:
        values.pop("proxy", None)
    if not options.pickle_secrets:
        left_out |= {name for name, is_secret in _SECRET.items() if name in values and is_secret(values[name])}
        key = values.get("api_key")
        if callable(key) and not _is_in_module(key):
            raise TypeError(
                "the client's api_key cannot be pickled: it is a callable that may hold the key; pass a function of a "
                "module, which is pickled by its name, or Client(..., pickle_secrets=True)"
            )
    values = {name: value for name, value in values.items() if name not in left_out}
    if "cloudpickle" not in sys.modules:  # it pickles more, and may be what pickles now
        for name, value in values.items():
            _check_picklable(name, value)
    return values, left_out


def unpickled(
    values: Mapping[str, Any], left_out: frozenset[str], environment: Mapping[str, str] | None = None
) -> tuple[ClientOptions, frozenset[str]]:
    """The options that `pickled` returned, with the environment's key or credentials in place of those left out.

    Args:
        values: The options by name.
        left_out: The names of those that are left out.
        environment: In place of `os.environ`.

    Returns:
        The options, and the names of those that are missing still.

    Raises:
        ConfigurationError: The environment's key cannot be used.
    """
    options = ClientOptions(**{name: _hidden(name, value) for name, value in values.items()})
    variables = Secret(os.environ if environment is None else environment)
    enable_log(variables)
    if options.proxy_from_environment:
        options = with_environment_proxy(options, variables)
    if left_out & _FROM_ENVIRONMENT:
        key = environment_key(variables, options.vertex)
        credentials = "default" if key is None and has_default_credentials(options.target) else None
        if key is not None or credentials is not None:
            options, left_out = options._replace(api_key=key, credentials=credentials), left_out - _FROM_ENVIRONMENT
    check(options)
    return options, left_out


def _revealed(value: Any) -> Any:
    """The value of a secret; other values as they are."""
    if not isinstance(value, Secret):
        return value
    value = value.reveal()
    if isinstance(value, tuple):  # metadata, whose values are not pickled as they are
        return tuple((name, str(item) if isinstance(item, str) else item) for name, item in value)
    return value


def _hidden(name: str, value: Any) -> Any:
    """The value of an option in a client, for that in a pickle."""
    match name:
        case "metadata":
            return Secret(to_metadata(value))
        case "api_key" | "credentials" | "proxy":
            return value if value == "default" else Secret(value)
        case _:
            return value


def _is_in_module(function: Any) -> bool:
    """Whether a callable is pickled as the name of a module's function."""
    found: Any = sys.modules.get(getattr(function, "__module__", ""))
    for name in getattr(function, "__qualname__", "").split("."):
        found = getattr(found, name, None)
    return found is function


def _check_picklable(name: str, value: Any) -> None:
    try:
        pickle.dumps(value)
    except Exception as error:
        raise TypeError(
            f"the client's {name} cannot be pickled: {error}; define what it uses at the top of a module, or build the "
            "client where it is used"
        ) from error
