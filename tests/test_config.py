from __future__ import annotations

import traceback
from types import SimpleNamespace
from typing import Any

import pytest

import genai_grpc as genai
from genai_grpc import config, errors
from genai_grpc._call import COUNT_TOKENS, GENERATE_CONTENT, Call, Options
from genai_grpc._retry import NEVER, RetryPolicy
from genai_grpc.config import Config, Target, client_arguments, resolve, to_target
from genai_grpc.protos import CountTokensRequest, GenerateContentRequest

KEY = "AIzaSyNotARealKey"
LOCAL = "http://127.0.0.1:50051"
GOOGLE = "generativelanguage.googleapis.com"


def resolved(**arguments: Any) -> Config:
    """The config of these arguments, in an environment that holds nothing unless it is given."""
    return resolve(**{"environment": {}, **arguments})


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
    assert ("x-goog-api-key", expected) in made.call_metadata()


def test_no_key() -> None:
    """An empty key is none, whatever the environment holds, and none is sent."""
    made = resolved(api_key="", endpoint=LOCAL, environment={"GEMINI_API_KEY": KEY})
    assert made.api_key is None
    assert made.call_metadata() == ()


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
    assert resolve().api_key == KEY


@pytest.mark.parametrize(
    ("endpoint", "target", "address"),
    [
        ("example.com", Target("example.com", 443, tls=True), "example.com:443"),
        ("example.com:8443", Target("example.com", 8443, tls=True), "example.com:8443"),
        ("localhost:50051", Target("localhost", 50051, tls=True), "localhost:50051"),
        ("https://example.com", Target("example.com", 443, tls=True), "example.com:443"),
        ("https://Example.COM:1/", Target("example.com", 1, tls=True), "example.com:1"),
        ("http://example.com", Target("example.com", 80, tls=False), "example.com:80"),
        ("http://127.0.0.1:50051", Target("127.0.0.1", 50051, tls=False), "127.0.0.1:50051"),
        ("http://[::1]:50051", Target("::1", 50051, tls=False), "[::1]:50051"),
        ("[::1]", Target("::1", 443, tls=True), "[::1]:443"),
    ],
)
def test_target(endpoint: str, target: Target, address: str) -> None:
    """An endpoint is a host with or without a port, TLS unless it begins with http://."""
    assert to_target(endpoint) == target
    assert target.address == address


@pytest.mark.parametrize(
    "endpoint",
    [
        "",
        "http://",
        ":50051",
        "::1",
        "ftp://example.com",
        "unix:///tmp/socket",
        "http://host:port",
        "http://host:99999",
        "https://host/v1beta",
        "https://host?alt=json",
        "https://host#top",
        "https://user@host",
        "https://@host",
        "http://[::1",
    ],
)
def test_unreadable_endpoints(endpoint: str) -> None:
    """What is no endpoint is refused with the forms there are."""
    with pytest.raises(errors.ConfigurationError, match=r"cannot read the endpoint .*; pass host\[:port\] or https://"):
        to_target(endpoint)


@pytest.mark.parametrize("endpoint", [f"https://user:{KEY}@host", f"https://:{KEY}@host", f"https://host?key={KEY}"])
def test_secrets_in_endpoints(endpoint: str) -> None:
    """A secret in an endpoint is refused without being shown."""
    with pytest.raises(errors.ConfigurationError, match="cannot read the endpoint") as caught:
        to_target(endpoint)
    assert KEY not in str(caught.value)


LOOPBACK = ("localhost", "127.0.0.1", "127.1.2.3", "::1")
ELSEWHERE = ("localhost.example.com", "example.com", "10.0.0.1", "0.0.0.0", "128.0.0.1", "127.0.0.1.example.com", "::2")  # noqa: S104 -- an address to be refused


@pytest.mark.parametrize("host", LOOPBACK)
def test_loopback(host: str) -> None:
    """A key may go in plaintext to an address that never leaves this machine."""
    target = Target(host, 1, tls=False)
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
    target = Target(host, 1, tls=False)
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
    assert resolved(api_key=KEY, endpoint=f"https://{Target(host, 1, tls=True).address}").api_key == KEY


@pytest.mark.parametrize("endpoint", [None, GOOGLE, f"https://{GOOGLE}:443", f"https://{GOOGLE.upper()}"])
def test_missing_key(endpoint: str | None) -> None:
    """Google's endpoint needs a key, and the error names each way to give one, and the way without."""
    with pytest.raises(errors.ConfigurationError, match="no API key") as caught:
        resolved(endpoint=endpoint)
    for way in (
        "configure(api_key=...)",
        "Client(api_key=...)",
        "GEMINI_API_KEY",
        "GOOGLE_API_KEY",
        "genai-grpc serve",
    ):
        assert way in str(caught.value)


def test_token_for_a_key() -> None:
    """A token among the metadata stands for a key."""
    assert resolved(metadata=[("authorization", "Bearer x")]).call_metadata() == (("authorization", "Bearer x"),)


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
    """Metadata is sent with lower-case keys, the key beside it; the user agent names us last."""
    made = resolved(api_key=KEY, metadata=[("X-Goog-User-Project", "P")], user_agent="app/1")
    assert made.call_metadata() == (("x-goog-user-project", "P"), ("x-goog-api-key", KEY))
    assert made.user_agent == f"app/1 {config.USER_AGENT}"
    assert resolved(api_key=KEY).user_agent == f"genai-grpc/{genai.__version__}"


POLICY = RetryPolicy(tries=2)
COUNT, GENERATE = (COUNT_TOKENS, CountTokensRequest()), (GENERATE_CONTENT, GenerateContentRequest())


@pytest.mark.parametrize(
    ("arguments", "options", "method", "expected"),
    [
        pytest.param({}, Options(), COUNT, (60.0, RetryPolicy()), id="the method's"),
        pytest.param({}, Options(), GENERATE, (600.0, RetryPolicy()), id="generation's"),
        pytest.param({"timeout": 5, "retry": POLICY}, Options(), GENERATE, (5, POLICY), id="the client's"),
        pytest.param(
            {"timeout": 5, "retry": POLICY}, Options(timeout=7), GENERATE, (7, POLICY), id="a timeout of its own"
        ),
        pytest.param(
            {"timeout": 5, "retry": POLICY}, Options(retry=NEVER), GENERATE, (5, NEVER), id="a policy of its own"
        ),
    ],
)
def test_limits(arguments: Any, options: Options, method: Any, expected: tuple[float, RetryPolicy]) -> None:
    """A call's deadline and policy are its own, else the client's, else the method's."""
    call = Call(method[0], method[1], lambda response: response, options)
    assert resolved(api_key=KEY, **arguments).limits(call) == expected


@pytest.mark.parametrize(("timeout", "error"), [(0, ValueError), (-1, ValueError), ("5", TypeError), (True, TypeError)])
def test_a_wrong_timeout(timeout: Any, error: type[Exception]) -> None:
    """A client's timeout is a number of seconds above 0."""
    with pytest.raises(error, match="timeout"):
        resolved(api_key=KEY, timeout=timeout)


def test_a_key_of_another_type() -> None:
    """A key is a str; the error does not show what came."""
    with pytest.raises(TypeError, match="an API key is a str; got bytes"):
        resolved(api_key=KEY.encode())


def test_a_calls_metadata() -> None:
    """A call's own pairs come after the client's, and none that tells who calls goes over plaintext."""
    call = Call(COUNT[0], COUNT[1], lambda response: response, Options(metadata=(("authorization", "Bearer t"),)))
    assert resolved(api_key=KEY).metadata_of(call)[-1] == ("authorization", "Bearer t")
    with pytest.raises(errors.ConfigurationError, match="plaintext"):
        resolved(endpoint="http://192.0.2.1").metadata_of(call)


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"api_endpoint": LOCAL, "quota_project_id": "p", "api_key": None}, id="dict"),
        pytest.param(SimpleNamespace(api_endpoint=LOCAL, quota_project_id="p", api_key=None), id="object"),
    ],
)
def test_client_options(options: Any) -> None:
    """The options of `configure` are a dict or an object, as the old package takes them."""
    assert client_arguments(KEY, options, SimpleNamespace(user_agent="app/1"), [("x-a", "1")]) == {
        "api_key": KEY,
        "endpoint": LOCAL,
        "metadata": [("x-a", "1"), ("x-goog-user-project", "p")],
        "user_agent": "app/1",
    }


def test_no_client_options() -> None:
    """Without options everything is left to the environment."""
    assert client_arguments(None, None, None, ()) == {
        "api_key": None,
        "endpoint": None,
        "metadata": [],
        "user_agent": None,
    }


def test_key_among_the_options() -> None:
    """A key may stand among the options; given twice it is refused without being shown."""
    assert client_arguments(None, {"api_key": KEY}, None, ())["api_key"] == KEY
    with pytest.raises(ValueError, match="the API key is given twice") as caught:
        genai.configure(api_key=KEY, client_options={"api_key": KEY})
    assert KEY not in str(caught.value)


def test_options_without_use() -> None:
    """An option that would be ignored is refused by name."""
    with pytest.raises(errors.ConfigurationError, match="has api_endpoint, api_key, quota_project_id; got scopes"):
        client_arguments(None, {"scopes": ["x"], "api_endpoint": LOCAL}, None, ())


@pytest.mark.parametrize("transport", ["rest", "http"])
def test_other_transports(transport: str) -> None:
    """This client speaks gRPC, and says so to who asks for another transport."""
    with pytest.raises(errors.ConfigurationError, match=f"speaks gRPC only; .*not '{transport}'"):
        genai.configure(transport=transport)
