from __future__ import annotations

import copy
import functools
import pickle
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import genai_grpc as genai
from genai_grpc import errors, types
from genai_grpc._rpc.secret import Secret
from genai_grpc._transport import config
from genai_grpc._transport.api_keys import API_KEY_VARIABLES
from genai_grpc._transport.config import ClientOptions, resolve
from genai_grpc._transport.pickling import pickled, unpickled

KEY = "AIzaSy-a-very-secret-key"
LOCAL = "http://127.0.0.1:50051"
ELSEWHERE = "https://example.com"


def current_key() -> str:
    """A key function that is pickled by its name."""
    return KEY


class Interceptor(types.Interceptor):
    """An interceptor that can be pickled."""


class Vault:
    """An object that holds a key."""

    def __init__(self, key: str) -> None:
        self.key = key

    def read(self) -> str:
        return self.key


@pytest.fixture(autouse=True)
def no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment has no key, and google-auth is not installed."""
    for name in API_KEY_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(config, "find_spec", lambda _: None)


def reloaded(client: genai.Client) -> genai.Client:
    """The client that a pickle has."""
    loaded: genai.Client = pickle.loads(pickle.dumps(client))
    return loaded


SECRETS: dict[str, dict[str, Any]] = {
    "api_key": {"api_key": KEY},
    "credentials": {"credentials": SimpleNamespace(token=KEY)},
    "metadata": {"metadata": [("x-token", KEY)]},
    "proxy": {"proxy": f"http://me:{KEY}@proxy.example.com:3128"},
    "tls": {"tls": types.TLS(certificate_chain=b"chain", private_key=KEY.encode())},
}


@pytest.mark.parametrize("name", SECRETS)
def test_secret_left_out(name: str) -> None:
    """A secret is not in the pickle; the client that is loaded says at its first call that it is missing."""
    client = genai.Client(**SECRETS[name], endpoint=ELSEWHERE)
    assert KEY.encode() not in pickle.dumps(client)
    loaded = reloaded(reloaded(client))
    assert loaded.endpoint == client.endpoint
    with pytest.raises(errors.ConfigurationError, match=f"unpickled without {name}, since .* pickle_secrets=True"):
        genai.get_model("gemini-pro", client=loaded)


@pytest.mark.parametrize("name", SECRETS)
def test_secret_asked_for(name: str) -> None:
    """With `pickle_secrets` all options are in the pickle, and the repr says so."""
    client = genai.Client(**SECRETS[name], endpoint=ELSEWHERE, pickle_secrets=True)
    assert KEY.encode() in pickle.dumps(client)
    loaded = reloaded(client)
    assert loaded._options == client._options
    assert repr(loaded) == "Client('example.com:443', tls=True, pickle_secrets=True)"
    if name != "credentials":
        assert KEY not in repr(loaded._options)


def test_other_options() -> None:
    """Options that are not secret are in the pickle: the whole client is as before."""
    client = genai.Client(
        current_key,
        endpoint=ELSEWHERE,
        tls=types.TLS(b"roots", Path("chain.pem"), "key.pem"),
        proxy="http://proxy.example.com:3128",
        timeout=5,
        idle_timeout=6,
        retry=types.RetryPolicy(max_attempts=2, predicate=callable),
        max_in_flight=types.AdaptiveLimit(initial_limit=3),
        rate_limit=types.RateLimit(requests_per_minute=60),
        interceptors=[Interceptor],
        channel_options=[("grpc.lb_policy_name", "round_robin")],
        user_agent="app/1",
    )
    assert reloaded(client)._options == client._options
    assert reloaded(client)._missing == set()


@pytest.mark.parametrize("name", ["GEMINI_API_KEY", "GOOGLE_API_KEY"])
@pytest.mark.parametrize("secret", [SECRETS["api_key"], SECRETS["credentials"]], ids=["key", "credentials"])
def test_key_of_environment(monkeypatch: pytest.MonkeyPatch, name: str, secret: dict[str, Any]) -> None:
    """The key of a client that is loaded is that of the environment then."""
    data = pickle.dumps(genai.Client(**secret, endpoint=ELSEWHERE))
    monkeypatch.setenv(name, "another-key")
    options = pickle.loads(data)._options
    assert (options.api_key.reveal(), options.credentials) == ("another-key", None)
    assert "another-key" not in repr(options)


def test_no_key_stays_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that has no key gets none when it is loaded, whatever the environment has: no server sees it unasked."""
    data = pickle.dumps(genai.Client(endpoint=ELSEWHERE))
    monkeypatch.setenv("GEMINI_API_KEY", KEY)
    assert pickle.loads(data)._options.api_key is None


def test_default_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a key in the environment, a client of Google's endpoint uses the default credentials of then."""
    data = pickle.dumps(genai.Client(KEY))
    monkeypatch.setattr(config, "find_spec", lambda _: object())
    assert pickle.loads(data)._options.credentials == "default"
    assert reloaded(genai.Client())._options.credentials == "default"


def test_key_set_after_loading() -> None:
    """A client that is loaded without its key can be given one."""
    loaded = reloaded(genai.Client(KEY, endpoint=ELSEWHERE))
    loaded.update_api_key("another-key")
    assert loaded._missing == set()
    assert KEY not in str(loaded._connect())
    loaded.close()


def test_endpoint_of_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The endpoint is that of the client, not of the environment in which it is loaded."""
    monkeypatch.setenv("GENAI_GRPC_ENDPOINT", LOCAL)
    data = pickle.dumps(genai.Client())
    monkeypatch.setenv("GENAI_GRPC_ENDPOINT", ELSEWHERE)
    assert pickle.loads(data).endpoint == LOCAL


CALLABLES = {
    "lambda": lambda: KEY,
    "partial": functools.partial(str, KEY),
    "method": Vault(KEY).read,
}


@pytest.mark.parametrize("function", CALLABLES.values(), ids=CALLABLES)
def test_callable_that_may_hold_the_key(function: Any) -> None:
    """A key function that is not pickled by its name may hold the key, and is refused."""
    with pytest.raises(TypeError, match="the client's api_key cannot be pickled: .* pass a function of a module"):
        pickle.dumps(genai.Client(function, endpoint=ELSEWHERE))


def test_callable_asked_for() -> None:
    """With `pickle_secrets` the key may be in a callable that can be pickled."""
    client = genai.Client(functools.partial(str, KEY), endpoint=ELSEWHERE, pickle_secrets=True)
    assert reloaded(client)._options.api_key.reveal()() == KEY


UNPICKLABLE: dict[str, Any] = {
    "interceptors": [lambda: None],
    "retry": types.RetryPolicy(predicate=lambda error: False),
    "credentials": SimpleNamespace(lock=lambda: None),
}


@pytest.mark.parametrize("name", UNPICKLABLE)
def test_option_that_cannot_be_pickled(name: str) -> None:
    """The error names the option that cannot be pickled, and why it cannot."""
    client = genai.Client(**{name: UNPICKLABLE[name]}, endpoint=ELSEWHERE, pickle_secrets=True)
    with pytest.raises(TypeError, match=f"the client's {name} cannot be pickled: .*lambda.*; define what it uses at"):
        pickle.dumps(client)


def test_pickler_of_another_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where cloudpickle is loaded, which pickles lambdas, whether an option can be pickled is left to the pickler."""
    options = resolve(ClientOptions(endpoint=LOCAL, interceptors=(lambda: None,)), {})
    monkeypatch.setitem(sys.modules, "cloudpickle", SimpleNamespace())
    values, left_out = pickled(options)
    assert unpickled(values, left_out) == (options, frozenset())


class Tenant(genai.Client):
    """A client with an attribute of its own."""

    name = ""


def test_subclass() -> None:
    """A subclass keeps its class and its attributes."""
    client = Tenant(endpoint=LOCAL)
    client.name = "ada"
    loaded = reloaded(client)
    assert isinstance(loaded, Tenant)
    assert loaded.name == "ada"


def test_proxy_of_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The proxy of the environment is not in a pickle: the client that is loaded uses that of its own environment."""
    monkeypatch.setenv("HTTPS_PROXY", f"http://me:{KEY}@here:1")
    client = genai.Client(endpoint=ELSEWHERE)
    data = pickle.dumps(client)
    assert KEY.encode() not in data
    assert reloaded(client)._options == client._options
    monkeypatch.setenv("HTTPS_PROXY", "http://there:1")
    loaded = pickle.loads(data)
    assert (loaded._options.proxy.reveal(), loaded._missing) == ("http://there:1", set())
    monkeypatch.delenv("HTTPS_PROXY")
    assert pickle.loads(data)._options.proxy is None


def test_no_proxy_stays_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client without a proxy has none when it is loaded, whatever the environment has."""
    data = pickle.dumps(genai.Client(endpoint=ELSEWHERE, proxy=""))
    monkeypatch.setenv("https_proxy", "http://there:1")
    assert pickle.loads(data)._options.proxy is None


def test_key_of_environment_for_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that is loaded takes no key that would go through its proxy in plaintext."""
    client = genai.Client(KEY, endpoint="http://localhost:1")
    client._options = client._options._replace(proxy=Secret("http://proxy:1"), proxy_from_environment=False)
    data = pickle.dumps(client)
    monkeypatch.setenv("GEMINI_API_KEY", KEY)
    with pytest.raises(errors.ConfigurationError, match="through a proxy"):
        pickle.loads(data)


def test_default_client() -> None:
    """The default client is loaded as the default client of then."""
    genai.configure(api_key=KEY, client_options={"api_endpoint": LOCAL})
    data = pickle.dumps(genai.GenerativeModel().client)
    assert KEY.encode() not in data
    genai.configure(client_options={"api_endpoint": ELSEWHERE})
    assert pickle.loads(data) is genai.GenerativeModel().client


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_copies(copied: Any) -> None:
    """A copy is the client itself, with its key, connections and limits."""
    client = genai.Client(lambda: KEY, endpoint=ELSEWHERE)
    assert copied(client) is client
    assert copy.deepcopy(genai.GenerativeModel(client=client)).client is client
