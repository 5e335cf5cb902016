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
from genai_grpc._rpc.secret import Secret
from genai_grpc._services.generative_language import COUNT_TOKENS, GENERATE_CONTENT
from genai_grpc._transport import config
from genai_grpc._transport.config import ClientOptions, client_arguments, resolve
from genai_grpc._transport.endpoint import parse_endpoint
from genai_grpc._transport.tls import TLS
from genai_grpc.protos import CountTokensRequest, GenerateContentRequest

KEY = "AIzaSyNotARealKey"
NEW_KEY = "AQ.Ab8RN6J-not_a_real-key_0123456789"
LOCAL = "http://127.0.0.1:50051"
GOOGLE = "generativelanguage.googleapis.com"


def resolved(**arguments: Any) -> ClientOptions:
    """The resolved options of these arguments, by default in an empty environment."""
    environment = arguments.pop("environment", {})
    return resolve(ClientOptions(**arguments), environment)


@pytest.mark.parametrize(
    ("key", "environment", "expected"),
    [
        pytest.param("given", {"GEMINI_API_KEY": "a", "GOOGLE_API_KEY": "b"}, "given", id="argument"),
        pytest.param(None, {"GEMINI_API_KEY": "a", "GOOGLE_API_KEY": "b"}, "a", id="GEMINI_API_KEY"),
        pytest.param(None, {"GOOGLE_API_KEY": "b"}, "b", id="GOOGLE_API_KEY"),
        pytest.param(None, {"GEMINI_API_KEY": "", "GOOGLE_API_KEY": "b"}, "b", id="empty variable"),
        pytest.param(None, {"GEMINI_API_KEY": " \n", "GOOGLE_API_KEY": "b"}, "b", id="blank variable"),
        pytest.param(f" {KEY}\n", {}, KEY, id="argument with white space"),
        pytest.param(None, {"GEMINI_API_KEY": f"\t{KEY}\r\n"}, KEY, id="variable with white space"),
        pytest.param(NEW_KEY, {}, NEW_KEY, id="new form"),
        pytest.param(None, {"GEMINI_API_KEY": NEW_KEY}, NEW_KEY, id="new form in the environment"),
    ],
)
def test_key(key: str | None, environment: dict[str, str], expected: str) -> None:
    """The key is the argument, else GEMINI_API_KEY, else GOOGLE_API_KEY."""
    assert resolved(api_key=key, environment=environment).api_key.reveal() == expected


def test_empty_key() -> None:
    """An empty key means no key, whatever the environment has."""
    options = resolved(api_key="", endpoint=LOCAL, environment={"GEMINI_API_KEY": KEY})
    assert options.api_key is None


@pytest.mark.parametrize(
    ("endpoint", "environment", "expected"),
    [
        pytest.param("https://a", {"GENAI_GRPC_ENDPOINT": "https://b"}, "a:443", id="argument"),
        pytest.param(None, {"GENAI_GRPC_ENDPOINT": "https://b:1"}, "b:1", id="GENAI_GRPC_ENDPOINT"),
        pytest.param(None, {"GENAI_GRPC_ENDPOINT": ""}, f"{GOOGLE}:443", id="empty variable"),
        pytest.param(None, {}, f"{GOOGLE}:443", id="Google's"),
    ],
)
def test_endpoint(endpoint: str | None, environment: dict[str, str], expected: str) -> None:
    """The endpoint is the argument, else GENAI_GRPC_ENDPOINT, else Google's."""
    assert resolved(api_key=KEY, endpoint=endpoint, environment=environment).target.address == expected


def test_os_environ(monkeypatch: pytest.MonkeyPatch) -> None:
    """The default environment is that of the process at the time of the call."""
    monkeypatch.setenv("GEMINI_API_KEY", KEY)
    assert resolve(ClientOptions()).api_key.reveal() == KEY


def http(host: str) -> str:
    """The URL of a plaintext endpoint."""
    return f"http://[{host}]:1" if ":" in host else f"http://{host}:1"


LOOPBACK = ("localhost", "127.0.0.1", "127.1.2.3", "::1")
REMOTE = ("localhost.example.com", "example.com", "10.0.0.1", "0.0.0.0", "128.0.0.1", "127.0.0.1.example.com", "::2")  # noqa: S104 -- an address that is refused


@pytest.mark.parametrize("host", LOOPBACK)
def test_loopback(host: str) -> None:
    """A key may go over plaintext to a loopback address."""
    target = parse_endpoint(http(host))
    assert target.loopback
    assert resolved(api_key=KEY, endpoint=target.url).api_key.reveal() == KEY


@pytest.mark.parametrize("host", REMOTE)
@pytest.mark.parametrize(
    "secret",
    [
        pytest.param({"api_key": KEY}, id="key"),
        pytest.param({"environment": {"GOOGLE_API_KEY": KEY}}, id="key from the environment"),
        pytest.param({"metadata": [("Authorization", f"Bearer {KEY}")]}, id="token"),
        pytest.param({"metadata": [("x-goog-api-key", KEY)]}, id="key in the metadata"),
    ],
)
def test_no_secret_over_plaintext(host: str, secret: dict[str, Any]) -> None:
    """A key or token over plaintext to another machine is refused; the error names the remedy, not the secret."""
    target = parse_endpoint(http(host))
    assert not target.loopback
    with pytest.raises(errors.ConfigurationError, match=r"refusing to send .* over plaintext .*Use https://") as caught:
        resolved(endpoint=target.url, **secret)
    assert target.address in str(caught.value)
    assert KEY not in "".join(traceback.format_exception(caught.value))


def test_plaintext_without_a_secret() -> None:
    """Without a key or token, any plaintext endpoint is accepted."""
    assert not resolved(endpoint="http://example.com:1").target.tls


@pytest.mark.parametrize("host", [*LOOPBACK, *REMOTE])
def test_key_over_tls(host: str) -> None:
    """A key may go over TLS to any host."""
    assert resolved(api_key=KEY, endpoint=http(host).replace("http:", "https:")).api_key.reveal() == KEY


@pytest.mark.parametrize("endpoint", [None, GOOGLE, f"https://{GOOGLE}:443", f"https://{GOOGLE.upper()}"])
def test_missing_key(endpoint: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Google's endpoint needs a key; the error names each way to give one, and the alternatives."""
    monkeypatch.setattr(config, "find_spec", lambda _: None)  # google-auth is not installed
    with pytest.raises(errors.ConfigurationError, match="no API key") as caught:
        resolved(endpoint=endpoint)
    for remedy in (
        "configure(api_key=...)",
        "Client(api_key=...)",
        "GEMINI_API_KEY",
        "GOOGLE_API_KEY",
        "genai-grpc serve",
        "genai-grpc[auth]",
    ):
        assert remedy in str(caught.value)


def test_token_in_metadata() -> None:
    """A token in the metadata is enough for Google's endpoint."""
    options = resolved(metadata=[("authorization", "Bearer x")])
    assert (options.api_key, options.credentials) == (None, None)
    assert options.metadata.reveal() == (("authorization", "Bearer x"),)


@pytest.mark.parametrize("key", [f"{KEY[:9]}\n{KEY}", f"{KEY}é", f"{KEY}\x00"], ids=["line feed", "not ASCII", "null"])
def test_key_that_metadata_cannot_carry(key: str) -> None:
    """A key with characters that metadata cannot carry is refused, and the error does not show it."""
    with pytest.raises(errors.ConfigurationError, match="was it copied whole") as caught:
        resolved(api_key=key)
    assert KEY not in str(caught.value)


def test_no_secret_in_repr() -> None:
    """The repr of options and of a client shows neither key nor metadata."""
    arguments: dict[str, Any] = {"api_key": KEY, "metadata": [("authorization", f"Bearer {KEY}")]}
    for shown in (repr(resolved(**arguments)), repr(genai.Client(**arguments)), str(resolved(**arguments))):
        assert KEY not in shown
    assert repr(genai.Client(KEY)) == f"Client('{GOOGLE}:443', tls=True)"


def test_metadata_and_user_agent() -> None:
    """Metadata keys become lower-case; the user agent ends with this package's."""
    options = resolved(api_key=KEY, metadata=[("X-Goog-User-Project", "P")], user_agent="app/1")
    assert options.metadata.reveal() == (("x-goog-user-project", "P"),)
    assert options.user_agent == f"app/1 {config.USER_AGENT}"
    assert resolved(api_key=KEY).user_agent == f"genai-grpc/{genai.__version__}"


POLICY = RetryPolicy(max_attempts=2)
COUNT, GENERATE = (COUNT_TOKENS, CountTokensRequest()), (GENERATE_CONTENT, GenerateContentRequest())


@pytest.mark.parametrize(
    ("arguments", "options", "method", "expected"),
    [
        pytest.param({}, CallOptions(), COUNT, (60.0, RetryPolicy()), id="default of the method"),
        pytest.param({}, CallOptions(), GENERATE, (600.0, RetryPolicy()), id="default of generation"),
        pytest.param({"timeout": 5, "retry": POLICY}, CallOptions(), GENERATE, (5, POLICY), id="of the client"),
        pytest.param(
            {"timeout": 5, "retry": POLICY}, CallOptions(timeout=7), GENERATE, (7, POLICY), id="timeout of the call"
        ),
        pytest.param(
            {"timeout": 5, "retry": POLICY},
            CallOptions(retry=NO_RETRY),
            GENERATE,
            (5, NO_RETRY),
            id="policy of the call",
        ),
    ],
)
def test_limits(arguments: Any, options: CallOptions, method: Any, expected: tuple[float, RetryPolicy]) -> None:
    """A call's timeout and retry policy are its own, else the client's, else the default."""
    call = Call(method[0], method[1], identity, options)
    limits = resolved(api_key=KEY, **arguments).limits(call)
    assert (limits.timeout, limits.retry) == expected


def test_idle_timeout() -> None:
    """A call's idle timeout is its own, else the client's, else 300 seconds."""
    call = Call(GENERATE[0], GENERATE[1], identity)
    assert resolved(api_key=KEY).limits(call).idle_timeout == 300
    assert resolved(api_key=KEY, idle_timeout=9).limits(call).idle_timeout == 9
    call = Call(GENERATE[0], GENERATE[1], identity, CallOptions(idle_timeout=0.5))
    assert resolved(api_key=KEY, idle_timeout=9).limits(call).idle_timeout == 0.5


@pytest.mark.parametrize(("timeout", "error"), [(0, ValueError), (-1, ValueError), ("5", TypeError), (True, TypeError)])
def test_invalid_timeout(timeout: Any, error: type[Exception]) -> None:
    """A timeout is a number of seconds above 0."""
    with pytest.raises(error, match="timeout"):
        resolved(api_key=KEY, timeout=timeout)


def test_key_of_wrong_type() -> None:
    """A key that is not a str is refused, and the error names its type only."""
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
    """The `client_options` of `configure` are a dict or an object, as in google-generativeai."""
    assert client_arguments(KEY, None, options, SimpleNamespace(user_agent="app/1"), [("x-a", "1")]) == {
        "api_key": Secret(KEY),
        "credentials": None,
        "endpoint": Secret(LOCAL),
        "metadata": Secret((("x-a", "1"), ("x-goog-user-project", "p"))),
        "user_agent": "app/1",
    }


def test_no_client_options() -> None:
    """Without options, every argument of the client has its default."""
    assert client_arguments(None, None, None, None, ()) == {
        "api_key": None,
        "credentials": None,
        "endpoint": None,
        "metadata": Secret(()),
        "user_agent": None,
    }


def test_key_in_client_options() -> None:
    """A key may be one of the options; a key given twice is refused, and the error does not show it."""
    assert client_arguments(None, None, {"api_key": KEY}, None, ())["api_key"] == Secret(KEY)
    with pytest.raises(ValueError, match="the API key is given twice") as caught:
        genai.configure(api_key=KEY, client_options={"api_key": KEY})
    assert KEY not in str(caught.value)


def test_unknown_client_option() -> None:
    """An option that would be ignored is refused by name."""
    with pytest.raises(errors.ConfigurationError, match="has api_endpoint, api_key, quota_project_id; got scopes"):
        client_arguments(None, None, {"scopes": ["x"], "api_endpoint": LOCAL}, None, ())


def test_other_transports() -> None:
    """A transport that does not exist is refused."""
    with pytest.raises(errors.ConfigurationError, match="transport is 'grpc' or 'rest'; got 'smoke'"):
        genai.configure(transport="smoke")
    with pytest.raises(errors.ConfigurationError, match="transport is 'grpc' or 'rest'; got 'smoke'"):
        resolved(transport="smoke")


@pytest.mark.parametrize(
    ("endpoint", "url", "path"),
    [
        ("https://example.com", "https://example.com:443", ""),
        ("http://127.0.0.1:8080/", "http://127.0.0.1:8080", ""),
        ("https://gateway.example.com/google/gemini/", "https://gateway.example.com:443", "/google/gemini"),
        ("localhost:8080", "http://localhost:8080", ""),
    ],
)
def test_base_url(endpoint: str, url: str, path: str) -> None:
    """With REST, an endpoint may have a path, such as that of a gateway."""
    options = resolved(endpoint=endpoint, transport="rest", api_key="a-key")
    assert (options.endpoint, options.base_path) == (url, path)


@pytest.mark.parametrize(
    "endpoint", ["unix:/socket", "https://a?b=c", "https://a/b?c", "https://a/ b", "10.0.0.1,10.0.0.2", "https:///a"]
)
def test_wrong_base_url(endpoint: str) -> None:
    """What is no URL of one host is refused."""
    with pytest.raises(errors.ConfigurationError):
        resolved(endpoint=endpoint, transport="rest")


def test_path_needs_rest() -> None:
    """With gRPC, an endpoint has no path."""
    with pytest.raises(errors.ConfigurationError, match="cannot parse the endpoint"):
        resolved(endpoint="https://example.com/gemini")


def test_default_credentials() -> None:
    """Without a key, Google's endpoint uses the application default credentials if google-auth is installed."""
    pytest.importorskip("google.auth")
    assert resolved().credentials == "default"
    assert resolved(endpoint="https://example.com").credentials is None


@pytest.mark.parametrize("credentials", [KEY, KEY.encode(), {"private_key": KEY}])
def test_credentials_of_wrong_type(credentials: Any) -> None:
    """A key, or the content of a service account's file, is not an object of google-auth."""
    with pytest.raises(TypeError, match="credentials are an object of google-auth, .*; got (str|bytes|dict)"):
        resolved(credentials=credentials, endpoint="https://example.com")


def test_key_and_credentials() -> None:
    """A key and credentials exclude each other."""
    with pytest.raises(errors.ConfigurationError, match="api_key and credentials exclude each other"):
        resolved(api_key=KEY, credentials=object())


def test_no_credentials_over_plaintext() -> None:
    """Credentials and a key function are refused for plaintext to another machine, and accepted for loopback."""
    for credentials in ({"credentials": object()}, {"api_key": lambda: KEY}):
        with pytest.raises(errors.ConfigurationError, match="refusing to send an API key or token over plaintext"):
            resolved(endpoint="http://192.0.2.1", **credentials)
        resolved(endpoint=LOCAL, **credentials)


def test_tls_for_plaintext_endpoint() -> None:
    """TLS settings for a plaintext endpoint are refused, not ignored."""
    with pytest.raises(errors.ConfigurationError, match="tls is given, and http://127.0.0.1:50051 is plaintext"):
        resolved(endpoint=LOCAL, tls=TLS(root_certificates=b"x"))


@pytest.mark.parametrize(
    ("max_in_flight", "error"),
    [(0, ValueError), (-1, ValueError), ("5", TypeError), (True, TypeError), (2.0, TypeError)],
)
def test_invalid_max_in_flight(max_in_flight: Any, error: type[Exception]) -> None:
    """The limit on calls in flight is an int from 1, or an AdaptiveLimit."""
    with pytest.raises(error, match="max_in_flight is"):
        resolved(api_key=KEY, max_in_flight=max_in_flight)


def test_proxy_password_not_in_repr() -> None:
    """The URL of a proxy may have a password, which the repr of the options does not show."""
    options = resolved(api_key=KEY, proxy="http://me:hunter2@proxy.example.com:3128")
    assert options.proxy.reveal() == "http://me:hunter2@proxy.example.com:3128"
    assert "hunter2" not in repr(options)
