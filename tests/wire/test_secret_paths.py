"""Every way a secret enters a client, against every way it could show."""

from __future__ import annotations

import copy
import functools
import json
import logging
import pickle
import traceback
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import grpc
import pytest

import genai_grpc as genai
from genai_grpc import errors, types
from genai_grpc._rpc.secret import Secret, SecretText
from genai_grpc._transport.config import ClientOptions, resolve
from genai_grpc.generativeai import client as old_client
from genai_grpc_protos.rpc import BadRequest, DebugInfo, ErrorInfo, Status
from tests.conftest import Api
from tests.raw_server import RawServer, raw_server

# The keys of Google, in its older and in its newer form.
KEYS = {"AIza": "AIzaSyA-not_a_real-key_0123456789abcdef", "AQ": "AQ.Ab8RN6J-not_a_real-key_0123456789"}
KEY = KEYS["AIza"]
PART = "not_a_real"
PLAINTEXT = "http://192.0.2.1"
ELSEWHERE = "https://example.com"
PROXY = f"http://me:{KEY}@proxy.example.com:3128"


def frames_of(error: BaseException) -> str:
    """A traceback with the local variables of all frames but those of this module, as error trackers record it."""
    found = traceback.TracebackException.from_exception(error, capture_locals=True)
    pending: list[traceback.TracebackException | None] = [found]
    while pending:
        if (each := pending.pop()) is not None:
            each.stack = traceback.StackSummary.from_list([frame for frame in each.stack if frame.filename != __file__])
            pending += [each.__cause__, each.__context__]
    return "".join(found.format())


def check_error(error: BaseException, secret: str = PART) -> None:
    """Check that neither an error nor those before it show the secret, in any way."""
    assert secret not in frames_of(error)
    seen: list[BaseException] = []
    pending: list[BaseException | None] = [error]
    while pending:
        each = pending.pop()
        if each is None or each in seen:
            continue
        seen.append(each)
        pending += [each.__cause__, each.__context__]
        shown = [str(each), repr(each), repr(each.args), repr(vars(each)), "".join(traceback.format_exception(each))]
        if isinstance(each, errors.APIError):
            shown += [each.message, str(each.details), str(each.metadata), repr(pickle.dumps(each))]
        for text in shown:
            assert secret not in text


def configured(**arguments: Any) -> None:
    """Use a default client with these arguments."""
    genai.configure(**arguments)
    genai.get_model("gemini-pro")


def updated(key: Any, endpoint: str = ELSEWHERE, proxy: str | None = None) -> None:
    """Give a client another key."""
    genai.Client("", endpoint=endpoint, proxy=proxy).update_api_key(key)


def called(key: Any) -> None:
    """Make a call with a key function that returns this."""
    client = genai.Client(Secret(key).reveal, endpoint="localhost:1")
    del key  # a local variable of this frame
    genai.get_model("gemini-pro", client=client)


def called_with(credentials: Any) -> None:
    """Make a call with these credentials."""
    pytest.importorskip("google.auth")
    client = genai.Client(credentials=credentials, endpoint="localhost:1")
    genai.get_model("gemini-pro", client=client)


class Unreadable:
    """A mapping of options that fails half-way."""

    def __iter__(self) -> Iterator[Any]:
        yield ("authorization", KEY)
        raise ValueError("half-way")


# What fails, with the variables of the environment.
FAULTS: dict[str, tuple[Callable[[], Any], dict[str, str]]] = {
    "key over plaintext": (lambda: genai.Client(KEY, endpoint=PLAINTEXT), {}),
    "key through a proxy": (lambda: genai.Client(KEY, endpoint="localhost:1", proxy="http://p:1"), {}),
    "key cut": (lambda: genai.Client(f"{KEY}\n{KEY}"), {}),
    "key as bytes": (lambda: genai.Client(KEY.encode()), {}),  # type: ignore[arg-type] # the fault
    "key in a list": (lambda: genai.Client([KEY]), {}),  # type: ignore[arg-type] # the fault
    "partial over plaintext": (lambda: genai.Client(functools.partial(str, KEY), endpoint=PLAINTEXT), {}),
    "key and another fault": (lambda: genai.Client(KEY, timeout=-1), {}),
    "key and interceptors": (lambda: genai.Client(KEY, interceptors=5), {}),  # type: ignore[arg-type] # the fault
    "key and credentials": (lambda: genai.Client(KEY, credentials={"private_key": KEY}), {}),
    "credentials": (lambda: genai.Client(credentials=SimpleNamespace(token=KEY), endpoint=PLAINTEXT), {}),
    "credentials that are a key": (lambda: genai.Client(credentials=KEY), {}),
    "credentials that are an account": (lambda: genai.Client(credentials={"private_key": KEY}), {}),
    "credentials of another kind": (lambda: called_with([KEY]), {}),
    "key of the environment": (lambda: genai.Client(endpoint=PLAINTEXT), {"GEMINI_API_KEY": KEY}),
    "key of the environment cut": (lambda: genai.Client(), {"GOOGLE_API_KEY": f"{KEY}\n{KEY}"}),
    "endpoint with a password": (lambda: genai.Client("k", endpoint=f"https://me:{KEY}@x"), {}),
    "endpoint with a port": (lambda: genai.Client("k", endpoint=f"https://x:{KEY}"), {}),
    "endpoint with a query": (lambda: genai.Client("k", endpoint=f"x?key={KEY}"), {}),
    "endpoint that is a key": (lambda: genai.Client("k", endpoint=KEY), {}),
    "list of endpoints": (lambda: genai.Client("k", endpoint=["10.0.0.1:1", f"10.0.0.1:{KEY}"]), {}),
    "endpoint of the environment": (lambda: genai.Client("k"), {"GENAI_GRPC_ENDPOINT": f"https://x:{KEY}"}),
    "proxy": (lambda: genai.Client("k", proxy=f"http://me:{KEY}@p:x"), {}),
    "proxy without @": (lambda: genai.Client("k", proxy=f"http://me:{KEY}"), {}),
    "proxy that is a key": (lambda: genai.Client("k", proxy=[KEY]), {}),  # type: ignore[arg-type] # the fault
    "proxy and plaintext": (lambda: genai.Client("k", proxy=PROXY, endpoint="localhost:1"), {}),
    "proxy of the environment": (lambda: genai.Client("k"), {"HTTPS_PROXY": f"socks5://me:{KEY}@p:1"}),
    "proxy in channel options": (lambda: genai.Client("k", channel_options=[("grpc.http_proxy", f"x:{KEY}")]), {}),
    "channel options": (lambda: genai.Client("k", channel_options=[KEY]), {}),  # type: ignore[list-item] # the fault
    "token over plaintext": (lambda: genai.Client(endpoint=PLAINTEXT, metadata=[("Authorization", KEY)]), {}),
    "token cut": (lambda: genai.Client("k", metadata=[("authorization", f"{KEY}\n")]), {}),
    "token and a bad name": (lambda: genai.Client("k", metadata=[("x-a", KEY), ("x y", "1")]), {}),
    "token without a name": (lambda: genai.Client("k", metadata=[KEY]), {}),  # type: ignore[list-item] # the fault
    "token as bytes": (lambda: genai.Client("k", metadata=[("x-token", KEY.encode())]), {}),
    "metadata half-way": (lambda: genai.Client("k", metadata=Unreadable()), {}),
    "metadata that is a token": (lambda: genai.Client("k", metadata=KEY), {}),  # type: ignore[arg-type] # the fault
    "token of a view": (lambda: genai.Client("k").with_options(metadata=[("authorization", f"{KEY}\n")]), {}),
    "token of a view over plaintext": (
        lambda: genai.Client("", endpoint=PLAINTEXT).with_options(metadata=[("authorization", KEY)]),
        {},
    ),
    "token of a model": (lambda: genai.GenerativeModel().with_options(metadata=[("x-a", KEY), ("x y", "1")]), {}),
    "configure": (lambda: configured(api_key=KEY, client_options={"api_endpoint": PLAINTEXT}), {}),
    "configure, other transport": (lambda: configured(api_key=KEY, transport="smoke"), {}),
    "client_options": (lambda: configured(client_options={"api_key": KEY, "scopes": [KEY]}), {}),
    "client_options object": (lambda: configured(client_options=SimpleNamespace(api_key=KEY, scopes=[KEY])), {}),
    "client_options twice": (lambda: configured(api_key=KEY, client_options={"api_key": KEY}), {}),
    "client_options over plaintext": (
        lambda: configured(client_options={"api_key": KEY, "api_endpoint": PLAINTEXT}),
        {},
    ),
    "client_options that is a key": (lambda: configured(client_options=KEY), {}),
    "default_metadata": (lambda: configured(default_metadata=[("authorization", f"{KEY}\n")]), {}),
    "quota project": (lambda: configured(client_options={"quota_project_id": f"{KEY}\n"}), {}),
    "old manager": (lambda: old_client._ClientManager().configure(api_key=KEY, client_options={"api_key": KEY}), {}),
    "old default manager": (lambda: old_client._client_manager.configure(api_key=KEY, transport="smoke"), {}),
    "new key over plaintext": (lambda: updated(KEY, PLAINTEXT), {}),
    "new key through a proxy": (lambda: updated(KEY, "localhost:1", "http://p:1"), {}),
    "new key cut": (lambda: updated(f"{KEY}\n{KEY}"), {}),
    "new key as bytes": (lambda: updated(KEY.encode()), {}),
    "key function, cut": (lambda: called(f"{KEY}\n{KEY}"), {}),
    "key function, bytes": (lambda: called(KEY.encode()), {}),
    "options of a call": (lambda: types.RequestOptions(metadata=[("x", KEY)])["nothing"], {}),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults(fault: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """An error of the configuration shows no secret: not in its text, its frames, or the errors before it."""
    caplog.set_level(logging.DEBUG)
    for name, value in FAULTS[fault][1].items():
        monkeypatch.setenv(name, value)
    with pytest.raises((errors.ConfigurationError, TypeError, ValueError, LookupError, AttributeError)) as caught:
        FAULTS[fault][0]()
    check_error(caught.value)
    assert PART not in caplog.text


@pytest.mark.parametrize("key", [None, b"key", 5, lambda: "key"], ids=["None", "bytes", "int", "function"])
def test_new_key_of_wrong_type(key: Any) -> None:
    """`update_api_key` takes a str only."""
    with pytest.raises(TypeError, match="an API key is a str"):
        updated(key)


@pytest.mark.parametrize("key", ["", " \n"], ids=["empty", "blank"])
def test_empty_new_key(key: str) -> None:
    """`update_api_key` takes no empty key, which a failed look-up may have returned."""
    with pytest.raises(errors.ConfigurationError, match="the API key is empty"):
        updated(key)


CLIENTS: dict[str, dict[str, Any]] = {
    "key": {"api_key": KEY},
    "partial": {"api_key": functools.partial(str, KEY)},
    "credentials": {"credentials": SimpleNamespace(token=KEY)},
    "metadata": {"metadata": [("x-token", KEY)]},
    "proxy": {"proxy": PROXY},
    "proxy in channel options": {"channel_options": [("grpc.http_proxy", PROXY)]},
    "private key": {"tls": types.TLS(certificate_chain=b"chain", private_key=KEY.encode())},
    "private key as text": {"tls": types.TLS(certificate_chain=b"chain", private_key=f"-----BEGIN {KEY}")},
}


@pytest.mark.parametrize("entry", CLIENTS)
def test_configured_client(entry: str) -> None:
    """A client and its options show no secret as text or JSON, nor in a pickle, and their secrets cannot be pickled."""
    client = genai.Client(**CLIENTS[entry], endpoint=ELSEWHERE)
    options: Any = client._options
    for shown in (repr, str, format, vars, lambda value: json.dumps(value, default=str)):
        for value in (client, options, list(options), options._asdict(), copy.deepcopy(tuple(options))):
            if shown is not vars or value is client:
                assert PART not in str(shown(value))
    if entry != "partial":
        assert PART.encode() not in pickle.dumps(client)
    with pytest.raises(TypeError, match="options of a client .* not pickled"):
        pickle.dumps(options)
    for value in options:
        if isinstance(value, Secret):
            with pytest.raises(TypeError, match="not JSON serializable"):
                json.dumps(value)
            with pytest.raises(TypeError, match="a secret is not pickled"):
                pickle.dumps(value)


def test_secret_text() -> None:
    """What gRPC gets is a str whose repr hides it, and which cannot be pickled."""
    text = SecretText(KEY)
    assert text == KEY
    assert PART not in repr([text])
    with pytest.raises(TypeError, match="a secret is not pickled"):
        pickle.dumps(text)


def test_unpickled_client_hides(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that is loaded with its secrets, or takes its key from the environment, hides them as before."""
    arguments: dict[str, Any] = {"api_key": KEY, "metadata": [("x-token", KEY)], "proxy": PROXY}
    loaded = pickle.loads(pickle.dumps(genai.Client(**arguments, endpoint=ELSEWHERE, pickle_secrets=True)))
    assert loaded._options == genai.Client(**arguments, endpoint=ELSEWHERE, pickle_secrets=True)._options
    assert PART not in repr(loaded._options)
    monkeypatch.setenv("GEMINI_API_KEY", f" {KEY}\n")
    loaded = pickle.loads(pickle.dumps(genai.Client("another", endpoint=ELSEWHERE)))
    assert loaded._options.api_key.reveal() == KEY
    assert PART not in repr(loaded._options)


def test_environment_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment, which other programs' secrets are in, is no local variable of a frame that fails."""
    monkeypatch.setenv("OTHER_SECRET", KEY)
    with pytest.raises(errors.ConfigurationError) as caught:
        resolve(ClientOptions(endpoint="https://x:y"))
    check_error(caught.value)


def echo(context: grpc.ServicerContext, metadata: dict[str, Any]) -> None:
    """End a call with a status that repeats its metadata everywhere."""
    text = ", ".join(f"{name}={value}" for name, value in metadata.items())
    status = Status(code=3, message=text)
    status.details.add().Pack(ErrorInfo(reason="API_KEY_INVALID", domain="googleapis.com", metadata={"given": text}))
    status.details.add().Pack(DebugInfo(stack_entries=[text], detail=text))
    violation = BadRequest.FieldViolation(field="key", description=text)
    status.details.add().Pack(BadRequest(field_violations=[violation]))
    status.details.add(type_url="type.googleapis.com/google.unknown.Detail", value=text.encode())
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()), ("x-echo", text)))
    context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"bad request: {text}")


@pytest.fixture(scope="module")
def echo_server() -> Iterator[RawServer]:
    """A server that repeats what it is sent in the status of every call."""
    with raw_server(answer=echo) as server:
        yield server


def new_key(client: genai.Client, key: str) -> genai.Client:
    """The client, with that key."""
    client.update_api_key(key)
    return client


def loaded_client(endpoint: str) -> genai.Client:
    """A client that was pickled with its key."""
    client: genai.Client = pickle.loads(pickle.dumps(genai.Client(KEY, endpoint=endpoint, pickle_secrets=True)))
    return client


# What each client sends as its secret, and a call's own metadata.
SENT: dict[str, tuple[Callable[[str], genai.Client], Callable[[], Any]]] = {
    "key": (lambda endpoint: genai.Client(KEY, endpoint=endpoint), lambda: None),
    "new form": (lambda endpoint: genai.Client(KEYS["AQ"], endpoint=endpoint), lambda: None),
    "with white space": (lambda endpoint: genai.Client(f" {KEY}\r\n", endpoint=endpoint), lambda: None),
    "function": (lambda endpoint: genai.Client(lambda: f"{KEY}\n", endpoint=endpoint), lambda: None),
    "new key": (lambda endpoint: new_key(genai.Client("old", endpoint=endpoint), f"{KEY}\n"), lambda: None),
    "pickle": (loaded_client, lambda: None),
    "token": (
        lambda endpoint: genai.Client(endpoint=endpoint, metadata=[("authorization", f"Bearer {KEY}")]),
        lambda: None,
    ),
    "another header": (lambda endpoint: genai.Client(endpoint=endpoint, metadata=[("X-Token", KEY)]), lambda: None),
    "token of the call": (
        lambda endpoint: genai.Client(endpoint=endpoint),
        lambda: types.RequestOptions(metadata=[("authorization", f"Bearer {KEY}")]),
    ),
}


@pytest.mark.parametrize("sent", SENT)
@pytest.mark.parametrize("stream", [False, True], ids=["unary", "stream"])
def test_repeated_by_the_server(
    api: Api, sent: str, stream: bool, echo_server: RawServer, caplog: pytest.LogCaptureFixture
) -> None:
    """A key or token that the server repeats in its status, details or metadata is masked in the error."""
    caplog.set_level(logging.DEBUG)
    echo_server.calls.clear()
    client = SENT[sent][0](f"localhost:{echo_server.port}")
    model = genai.GenerativeModel(client=client)
    with pytest.raises(errors.InvalidArgument) as caught:
        api.generate(model, "Hi", stream=stream, request_options=SENT[sent][1]())
    api.close_client(client)
    assert PART in str(echo_server.calls)
    assert all(value == value.strip() for call in echo_server.calls for value in call.values())
    error = caught.value
    assert "***" in error.message
    assert error.reason == "API_KEY_INVALID"
    assert [type(detail).__name__ for detail in error.details] == ["ErrorInfo", "DebugInfo", "BadRequest", "Any"]
    check_error(error)
    assert PART not in caplog.text


@pytest.mark.parametrize("sent", ["key", "token of the call"])
def test_repeated_in_the_middle_of_a_stream(api: Api, sent: str, echo_server: RawServer) -> None:
    """A key that the server repeats when it ends a stream after a chunk is masked, too."""
    client = SENT[sent][0](f"localhost:{echo_server.port}")
    echo_server.answer_late = True
    try:
        response = api.generate(
            genai.GenerativeModel(client=client), "Hi", stream=True, request_options=SENT[sent][1]()
        )
        with pytest.raises(errors.InvalidArgument, match=r"\*\*\*") as caught:
            api.resolve(response)
    finally:
        echo_server.answer_late = False
    api.close_client(client)
    check_error(caught.value)


def test_repeated_token_of_credentials(api: Api, echo_server: RawServer) -> None:
    """An OAuth token that the server repeats is masked, too."""
    pytest.importorskip("google.auth")
    from google.oauth2.credentials import Credentials

    client = genai.Client(credentials=Credentials(KEY), endpoint=f"localhost:{echo_server.port}")  # type: ignore[no-untyped-call] # untyped
    with pytest.raises(errors.InvalidArgument, match=r"authorization=Bearer \*\*\*") as caught:
        api.generate(genai.GenerativeModel(client=client), "Hi")
    api.close_client(client)
    check_error(caught.value)


def test_repeated_by_the_token_server(api: Api) -> None:
    """A refresh token that the token server repeats, or that google-auth's frames have, is not in the error."""
    exceptions = pytest.importorskip("google.auth.exceptions")

    class Refused:
        token, refresh_token, client_secret, expiry = None, KEY, "short", None

        def refresh(self, request: object) -> None:
            refresh_token = self.refresh_token
            raise exceptions.RefreshError(f"no token for {refresh_token}", {"refresh_token": refresh_token})

    client = genai.Client(credentials=Refused(), endpoint="localhost:1")
    with pytest.raises(errors.Unauthenticated, match=r"the credentials gave no token: .*\*\*\*") as caught:
        api.generate(genai.GenerativeModel(client=client), "Hi")
    check_error(caught.value)


@pytest.mark.parametrize("transport", ["grpc"])
def test_cause_kept(api: Api, client: genai.Client) -> None:
    """An error whose status repeats no secret keeps gRPC's error as its cause."""
    with pytest.raises(errors.NotFound) as caught:
        api.get_model("no-such-model", client=client)
    assert isinstance(caught.value.__cause__, grpc.RpcError)


def test_short_key_not_masked(api: Api) -> None:
    """A key of a test, which may be a common word, is not masked."""
    with raw_server(answer=echo) as server:
        client = genai.Client("key", endpoint=f"localhost:{server.port}")
        with pytest.raises(errors.InvalidArgument, match="x-goog-api-key=key"):
            api.generate(genai.GenerativeModel(client=client), "Hi")
        api.close_client(client)
