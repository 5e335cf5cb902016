from __future__ import annotations

import traceback
from types import SimpleNamespace
from typing import Any

import pytest

import genai_grpc as genai
from genai_grpc import errors
from genai_grpc._rpc.call import Call, identity
from genai_grpc._rpc.options import CallOptions
from genai_grpc._rpc.retry_policy import NO_RETRY, RetryPolicy
from genai_grpc._services.generative_language import COUNT_TOKENS, GENERATE_CONTENT
from genai_grpc._transport import config
from genai_grpc._transport.config import ClientOptions, client_arguments, resolve
from genai_grpc._transport.endpoint import Endpoint
from genai_grpc._transport.tls import TLS
from genai_grpc.protos import CountTokensRequest, GenerateContentRequest

KEY = "AIzaSyNotARealKey"
LOCAL = "http://127.0.0.1:50051"
GOOGLE = "generativelanguage.googleapis.com"


def resolved(**arguments: Any) -> ClientOptions:
    """The config of these arguments, in an environment that holds nothing unless it is given."""
    environment = arguments.pop("environment", {})
    return resolve(ClientOptions(**arguments), environment)


@pytest.mark.parametrize(
    ("key", "environment", "expected"),
    [
        pytest.param("given", {"GEMINI_API_KEY": "a", "GOOGLE_API_KEY": "b"}, "given", id="argument"),
        pytest.param(None, {"GEMINI_API_KEY": "a", "GOOGLE_API_KEY": "b"}, "a", id="GEMINI_API_KEY"),
        pytest.param(None, {"GOOGLE_API_KEY": "b"}, "b", id="GOOGLE_API_KEY"),
        pytest.param(None, {"GEMINI_API_KEY": "", "GOOGLE_API_KEY": "b"}, "b", id="an empty variable is none"),
    ],
)
def test_key(key: str | None, environment: dict[str, str], expected: str) -> None:
    """A key is taken from the argument, else GEMINI_API_KEY, else GOOGLE_API_KEY."""
    made = resolved(api_key=key, environment=environment)
    assert made.api_key == expected


def test_no_key() -> None:
    """An empty key is none, whatever the environment holds."""
    made = resolved(api_key="", endpoint=LOCAL, environment={"GEMINI_API_KEY": KEY})
    assert made.api_key is None


@pytest.mark.parametrize(
    ("endpoint", "environment", "expected"),
    [
        pytest.param("https://a", {"GENAI_GRPC_ENDPOINT": "https://b"}, "a:443", id="argument"),
        pytest.param(None, {"GENAI_GRPC_ENDPOINT": "https://b:1"}, "b:1", id="GENAI_GRPC_ENDPOINT"),
        pytest.param(None, {"GENAI_GRPC_ENDPOINT": ""}, f"{GOOGLE}:443", id="an empty variable is none"),
        pytest.param(None, {}, f"{GOOGLE}:443", id="Google's"),
    ],
)
def test_endpoint(endpoint: str | None, environment: dict[str, str], expected: str) -> None:
    """An endpoint is taken from the argument, else GENAI_GRPC_ENDPOINT, else it is Google's."""
    assert resolved(api_key=KEY, endpoint=endpoint, environment=environment).target.address == expected


def test_os_environ(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an environment of its own, it is that of the process, as it is then."""
    monkeypatch.setenv("GEMINI_API_KEY", KEY)
    assert resolve(ClientOptions()).api_key == KEY


LOOPBACK = ("localhost", "127.0.0.1", "127.1.2.3", "::1")
ELSEWHERE = ("localhost.example.com", "example.com", "10.0.0.1", "0.0.0.0", "128.0.0.1", "127.0.0.1.example.com", "::2")  # noqa: S104 -- an address to be refused


@pytest.mark.parametrize("host", LOOPBACK)
def test_loopback(host: str) -> None:
    """A key may go in plaintext to an address that never leaves this machine."""
    target = Endpoint(host, 1, tls=False)
    assert target.loopback
    assert resolved(api_key=KEY, endpoint=f"http://{target.address}").api_key == KEY


@pytest.mark.parametrize("host", ELSEWHERE)
@pytest.mark.parametrize(
    "secret",
    [
        pytest.param({"api_key": KEY}, id="key"),
        pytest.param({"environment": {"GOOGLE_API_KEY": KEY}}, id="key of the environment"),
        pytest.param({"metadata": [("Authorization", f"Bearer {KEY}")]}, id="token"),
        pytest.param({"metadata": [("x-goog-api-key", KEY)]}, id="key as metadata"),
    ],
)
def test_no_secret_in_plaintext(host: str, secret: dict[str, Any]) -> None:
    """Neither key nor token goes in plaintext to another machine; the error says what to do, not the secret."""
    target = Endpoint(host, 1, tls=False)
    assert not target.loopback
    with pytest.raises(errors.ConfigurationError, match=r"refusing to send .* over plaintext .*Use https://") as caught:
        resolved(endpoint=f"http://{target.address}", **secret)
    assert target.address in str(caught.value)
    assert KEY not in "".join(traceback.format_exception(caught.value))


def test_plaintext_without_a_secret() -> None:
    """Without a key, plaintext may go anywhere."""
    assert not resolved(endpoint="http://example.com:1").target.tls


@pytest.mark.parametrize("host", [*LOOPBACK, *ELSEWHERE])
def test_tls_with_a_key(host: str) -> None:
    """A key goes over TLS to wherever the program says."""
    assert resolved(api_key=KEY, endpoint=f"https://{Endpoint(host, 1, tls=True).address}").api_key == KEY


@pytest.mark.parametrize("endpoint", [None, GOOGLE, f"https://{GOOGLE}:443", f"https://{GOOGLE.upper()}"])
def test_missing_key(endpoint: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Google's endpoint needs a key, and the error names each way to give one, and the ways without."""
    monkeypatch.setattr(config, "find_spec", lambda _: None)  # google-auth is not installed
    with pytest.raises(errors.ConfigurationError, match="no API key") as caught:
        resolved(endpoint=endpoint)
    for way in (
        "configure(api_key=...)",
        "Client(api_key=...)",
        "GEMINI_API_KEY",
        "GOOGLE_API_KEY",
        "genai-grpc serve",
        "genai-grpc[auth]",
    ):
        assert way in str(caught.value)


def test_token_for_a_key() -> None:
    """A token among the metadata stands for a key."""
    made = resolved(metadata=[("authorization", "Bearer x")])
    assert (made.api_key, made.credentials, made.metadata) == (None, None, (("authorization", "Bearer x"),))


@pytest.mark.parametrize("key", [f"{KEY}\n", f"{KEY}é", f"{KEY}\x00"], ids=["line end", "no ASCII", "null"])
def test_key_that_metadata_cannot_carry(key: str) -> None:
    """A key that was not copied whole is refused without being shown."""
    with pytest.raises(errors.ConfigurationError, match="was it copied whole") as caught:
        resolved(api_key=key)
    assert KEY not in str(caught.value)


def test_no_secret_in_a_repr() -> None:
    """Neither a config nor a client shows its key or metadata."""
    arguments: dict[str, Any] = {"api_key": KEY, "metadata": [("authorization", f"Bearer {KEY}")]}
    for shown in (repr(resolved(**arguments)), repr(genai.Client(**arguments)), str(resolved(**arguments))):
        assert KEY not in shown
    assert repr(genai.Client(KEY)) == f"Client('{GOOGLE}:443', tls=True)"


def test_metadata_and_user_agent() -> None:
    """Metadata has lower-case keys; the user agent names us last."""
    made = resolved(api_key=KEY, metadata=[("X-Goog-User-Project", "P")], user_agent="app/1")
    assert made.metadata == (("x-goog-user-project", "P"),)
    assert made.user_agent == f"app/1 {config.USER_AGENT}"
    assert resolved(api_key=KEY).user_agent == f"genai-grpc/{genai.__version__}"


POLICY = RetryPolicy(max_attempts=2)
COUNT, GENERATE = (COUNT_TOKENS, CountTokensRequest()), (GENERATE_CONTENT, GenerateContentRequest())


@pytest.mark.parametrize(
    ("arguments", "options", "method", "expected"),
    [
        pytest.param({}, CallOptions(), COUNT, (60.0, RetryPolicy()), id="the method's"),
        pytest.param({}, CallOptions(), GENERATE, (600.0, RetryPolicy()), id="generation's"),
        pytest.param({"timeout": 5, "retry": POLICY}, CallOptions(), GENERATE, (5, POLICY), id="the client's"),
        pytest.param(
            {"timeout": 5, "retry": POLICY}, CallOptions(timeout=7), GENERATE, (7, POLICY), id="a timeout of its own"
        ),
        pytest.param(
            {"timeout": 5, "retry": POLICY},
            CallOptions(retry=NO_RETRY),
            GENERATE,
            (5, NO_RETRY),
            id="a policy of its own",
        ),
    ],
)
def test_limits(arguments: Any, options: CallOptions, method: Any, expected: tuple[float, RetryPolicy]) -> None:
    """A call's deadline and policy are its own, else the client's, else the method's."""
    call = Call(method[0], method[1], lambda response: response, options)
    limits = resolved(api_key=KEY, **arguments).limits(call)
    assert (limits.timeout, limits.retry) == expected


def test_idle_limits() -> None:
    """A stream's patience between two chunks is its own, else the client's, else 300 seconds."""
    call = Call(GENERATE[0], GENERATE[1], identity)
    assert resolved(api_key=KEY).limits(call).idle_timeout == 300
    assert resolved(api_key=KEY, idle_timeout=9).limits(call).idle_timeout == 9
    call = Call(GENERATE[0], GENERATE[1], identity, CallOptions(idle_timeout=0.5))
    assert resolved(api_key=KEY, idle_timeout=9).limits(call).idle_timeout == 0.5


@pytest.mark.parametrize(("timeout", "error"), [(0, ValueError), (-1, ValueError), ("5", TypeError), (True, TypeError)])
def test_a_wrong_timeout(timeout: Any, error: type[Exception]) -> None:
    """A client's timeout is a number of seconds above 0."""
    with pytest.raises(error, match="timeout"):
        resolved(api_key=KEY, timeout=timeout)


def test_a_key_of_another_type() -> None:
    """A key is a str; the error does not show what came."""
    with pytest.raises(TypeError, match="an API key is a str, or a function that returns one; got bytes"):
        resolved(api_key=KEY.encode())


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"api_endpoint": LOCAL, "quota_project_id": "p", "api_key": None}, id="dict"),
        pytest.param(SimpleNamespace(api_endpoint=LOCAL, quota_project_id="p", api_key=None), id="object"),
    ],
)
def test_client_options(options: Any) -> None:
    """The options of `configure` are a dict or an object, as the old package takes them."""
    assert client_arguments(KEY, None, options, SimpleNamespace(user_agent="app/1"), [("x-a", "1")]) == {
        "api_key": KEY,
        "credentials": None,
        "endpoint": LOCAL,
        "metadata": [("x-a", "1"), ("x-goog-user-project", "p")],
        "user_agent": "app/1",
    }


def test_no_client_options() -> None:
    """Without options everything is left to the environment."""
    assert client_arguments(None, None, None, None, ()) == {
        "api_key": None,
        "credentials": None,
        "endpoint": None,
        "metadata": [],
        "user_agent": None,
    }


def test_key_among_the_options() -> None:
    """A key may stand among the options; given twice it is refused without being shown."""
    assert client_arguments(None, None, {"api_key": KEY}, None, ())["api_key"] == KEY
    with pytest.raises(ValueError, match="the API key is given twice") as caught:
        genai.configure(api_key=KEY, client_options={"api_key": KEY})
    assert KEY not in str(caught.value)


def test_options_without_use() -> None:
    """An option that would be ignored is refused by name."""
    with pytest.raises(errors.ConfigurationError, match="has api_endpoint, api_key, quota_project_id; got scopes"):
        client_arguments(None, None, {"scopes": ["x"], "api_endpoint": LOCAL}, None, ())


@pytest.mark.parametrize("transport", ["rest", "http"])
def test_other_transports(transport: str) -> None:
    """This client speaks gRPC, and says so to who asks for another transport."""
    with pytest.raises(errors.ConfigurationError, match=f"speaks gRPC only; .*not '{transport}'"):
        genai.configure(transport=transport)


def test_default_credentials() -> None:
    """Where there is no key and google-auth is installed, the application's own credentials are to be used."""
    pytest.importorskip("google.auth")
    assert resolved().credentials == "default"
    assert resolved(endpoint="https://example.com").credentials is None


def test_a_key_and_credentials() -> None:
    """A call is made as one, not as two."""
    with pytest.raises(errors.ConfigurationError, match="api_key and credentials exclude each other"):
        resolved(api_key=KEY, credentials=object())


def test_credentials_in_plaintext() -> None:
    """The token of credentials does not go in plaintext to another machine, nor does the key of a function."""
    for who in ({"credentials": object()}, {"api_key": lambda: KEY}):
        with pytest.raises(errors.ConfigurationError, match="refusing to send an API key or token over plaintext"):
            resolved(endpoint="http://192.0.2.1", **who)
        resolved(endpoint=LOCAL, **who)


def test_tls_to_a_plaintext_endpoint() -> None:
    """Settings of TLS for an endpoint that does not speak it are a mistake, not ignored."""
    with pytest.raises(errors.ConfigurationError, match="tls is given, and http://127.0.0.1:50051 is plaintext"):
        resolved(endpoint=LOCAL, tls=TLS(root_certificates=b"x"))


@pytest.mark.parametrize(
    ("bound", "error"), [(0, ValueError), (-1, ValueError), ("5", TypeError), (True, TypeError), (2.0, TypeError)]
)
def test_a_wrong_bound(bound: Any, error: type[Exception]) -> None:
    """The calls in flight are bounded by a whole number from 1 on, or an AdaptiveLimit."""
    with pytest.raises(error, match="max_in_flight is"):
        resolved(api_key=KEY, max_in_flight=bound)


def test_a_proxys_password() -> None:
    """The URL of a proxy may hold a password, which a config does not show."""
    made = resolved(api_key=KEY, proxy="http://me:hunter2@proxy.example.com:3128")
    assert made.proxy == "http://me:hunter2@proxy.example.com:3128"
    assert "hunter2" not in repr(made)
