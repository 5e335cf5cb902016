"""Endpoints over real gRPC: loopback without a scheme, Unix domain sockets, lists and gRPC's name resolvers."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import genai_grpc as genai
from genai_grpc import errors, types
from genai_grpc.testing import CertificateAuthority
from tests.conftest import Api
from tests.raw_server import RawServer, raw_server

KEY = "AIzaSy-a-very-secret-key"


@pytest.fixture(scope="module")
def authority() -> CertificateAuthority:
    """Issues the certificates of the servers."""
    pytest.importorskip("trustme")
    return CertificateAuthority()


@pytest.fixture
def plaintext() -> Iterator[RawServer]:
    """A server without TLS, on loopback."""
    with raw_server() as server:
        yield server


def ask(api: Api, endpoint: Any, key: str | None = KEY, **arguments: Any) -> str:
    """The reply to one call with a key; the client's endpoint parses to the same."""
    client = genai.Client(key, endpoint=endpoint, **arguments)
    again = genai.Client(key, endpoint=client.endpoint, **arguments)
    assert (again.endpoint, repr(again)) == (client.endpoint, repr(client))
    text: str = api.generate(genai.GenerativeModel(client=client), "Hi").text
    api.close_client(client)
    return text


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "http://localhost", "dns:///localhost"])
def test_loopback_without_a_scheme(api: Api, host: str, plaintext: RawServer) -> None:
    """A loopback endpoint without a scheme is plaintext, and takes the key."""
    assert ask(api, f"{host}:{plaintext.port}") == "Hello"
    assert plaintext.calls[0]["x-goog-api-key"] == KEY


def test_endpoint_of_environment(api: Api, plaintext: RawServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """GENAI_GRPC_ENDPOINT takes the same forms, with white space around."""
    monkeypatch.setenv("GENAI_GRPC_ENDPOINT", f" localhost:{plaintext.port},localhost:1\n")
    client = genai.Client(KEY)
    assert client.endpoint == f"http://localhost:{plaintext.port},http://localhost:1"
    assert api.generate(genai.GenerativeModel(client=client), "Hi").text == "Hello"
    api.close_client(client)


def test_tls_on_loopback(api: Api, authority: CertificateAuthority) -> None:
    """A loopback endpoint with https:// uses TLS."""
    with raw_server(credentials=authority.server()) as server:
        tls = types.TLS(root_certificates=authority.root)
        assert ask(api, f"https://localhost:{server.port}", tls=tls) == "Hello"
        with pytest.raises(errors.ConfigurationError, match="tls is given, and http://localhost:.* is plaintext"):
            genai.Client(endpoint=f"localhost:{server.port}", tls=tls)


def test_root_certificate_as_text(api: Api, authority: CertificateAuthority) -> None:
    """The certificates and keys of TLS settings may be PEM text, too."""
    key, chain = (pem.decode() for pem in authority.issue())
    tls = types.TLS(root_certificates=authority.root.decode(), certificate_chain=chain, private_key=key)
    with raw_server(credentials=authority.server(mutual=True)) as server:
        assert ask(api, f"https://localhost:{server.port}", tls=tls) == "Hello"


@pytest.mark.parametrize("form", ["unix:{path}", "unix://{path}", "unix:{relative}"])
def test_unix(api: Api, form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Unix domain socket is plaintext, and takes the key."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "genai.sock"
    with raw_server(f"unix:{path}") as server:
        assert ask(api, form.format(path=path, relative="genai.sock")) == "Hello"
        assert server.calls[0]["x-goog-api-key"] == KEY


@pytest.mark.skipif(sys.platform != "linux", reason="abstract sockets are Linux's")
def test_abstract_socket(api: Api) -> None:
    """An abstract socket of Linux is like a Unix domain socket."""
    name = f"genai-grpc-test-{os.getpid()}"
    with raw_server(f"unix-abstract:{name}"):
        assert ask(api, f"unix-abstract:{name}") == "Hello"


@pytest.mark.parametrize("form", ["list", "text", "ipv4:"])
def test_list_with_a_server_down(api: Api, form: str) -> None:
    """Of a list of addresses, calls reach the one that is up, and another one when that goes down."""
    with raw_server() as second:
        with raw_server() as first:
            addresses = [f"127.0.0.1:{server.port}" for server in (first, second)]
            endpoint: Any = addresses if form == "list" else ",".join(addresses)
            if form == "ipv4:":
                endpoint = f"ipv4:{endpoint}"
            client = genai.Client(KEY, endpoint=endpoint)
            model = genai.GenerativeModel(client=client)
            assert api.generate(model, "Hi").text == "Hello"
            assert (len(first.calls), len(second.calls)) == (1, 0)
        assert api.generate(model, "Hi").text == "Hello"
        assert len(second.calls) == 1
        api.close_client(client)
        assert client.endpoint == ",".join(f"http://{address}" for address in addresses)
        assert ask(api, endpoint) == "Hello"  # which has never met the first


def test_list_with_round_robin(api: Api) -> None:
    """With gRPC's policy round_robin, calls go to all addresses of a list."""
    with raw_server() as first, raw_server() as second:
        endpoint = [f"localhost:{first.port}", f"localhost:{second.port}"]
        client = genai.Client(KEY, endpoint=endpoint, channel_options=[("grpc.lb_policy_name", "round_robin")])
        for _ in range(20):
            api.generate(genai.GenerativeModel(client=client), "Hi")
        api.close_client(client)
        assert first.calls
        assert second.calls


def test_list_with_tls(api: Api, authority: CertificateAuthority) -> None:
    """Every server of a list with TLS needs a certificate of the first address, or of the authority that is set."""
    tls = types.TLS(root_certificates=authority.root)
    with raw_server(credentials=authority.server("127.0.0.1")) as server:
        endpoint = ["https://127.0.0.1:1", f"https://127.0.0.1:{server.port}"]
        assert ask(api, endpoint, tls=tls) == "Hello"
    with raw_server(credentials=authority.server("gemini.example.com")) as server:
        endpoint = ["https://127.0.0.1:1", f"https://127.0.0.1:{server.port}"]
        with pytest.raises(errors.ServiceUnavailable):
            ask(api, endpoint, tls=tls, retry=types.RetryPolicy(max_attempts=1))
        options = [("grpc.default_authority", "gemini.example.com")]
        assert ask(api, endpoint, tls=tls, channel_options=options) == "Hello"


def test_no_key_to_a_list(plaintext: RawServer) -> None:
    """A key is refused for a plaintext list that has another machine."""
    endpoint = [f"http://127.0.0.1:{plaintext.port}", "http://192.0.2.1:1"]
    with pytest.raises(errors.ConfigurationError, match="over plaintext"):
        genai.Client(KEY, endpoint=endpoint)
    assert genai.Client(endpoint=endpoint).endpoint == ",".join([*endpoint[:1], "http://192.0.2.1:1"])


def test_xds(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """An xDS name is gRPC's to resolve: without a bootstrap file, the error says what gRPC needs."""
    for name in ("GRPC_XDS_BOOTSTRAP", "GRPC_XDS_BOOTSTRAP_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    client = genai.Client(KEY, endpoint="xds:///gemini", retry=types.RetryPolicy(max_attempts=1))
    assert (client.endpoint, repr(client)) == ("xds:///gemini", "Client('xds:///gemini', tls=True)")
    with pytest.raises(errors.ServiceUnavailable, match="GRPC_XDS_BOOTSTRAP"):
        api.generate(genai.GenerativeModel(client=client), "Hi")
    api.close_client(client)


@pytest.mark.parametrize("endpoint", ["unix:/run/genai.sock", ["127.0.0.1:1", "127.0.0.1:2"], "dns:///localhost:1"])
def test_pickled(endpoint: Any) -> None:
    """The endpoint of a client is the same in a pickle."""
    client = genai.Client(endpoint=endpoint)
    loaded = pickle.loads(pickle.dumps(client))
    assert (loaded.endpoint, repr(loaded)) == (client.endpoint, repr(client))


PROGRAM = """
import os, sys
{before}
import genai_grpc as genai
from genai_grpc import errors, types

tls = types.TLS(root_certificates=sys.argv[2]) if sys.argv[2] else None
model = genai.GenerativeModel(
    client=genai.Client("k", endpoint=sys.argv[1], tls=tls, retry=types.RetryPolicy(max_attempts=2))
)
try:
    model.generate_content("Hi", request_options={{"timeout": 20}})
except errors.ServiceUnavailable as error:
    print(error)
print("GRPC_VERBOSITY" in os.environ)
"""


def run(endpoint: str, root: object = "", before: str = "", **environment: str) -> tuple[str, str]:
    """What a program prints whose call of an endpoint fails, on stdout and stderr."""
    path = os.pathsep.join(filter(None, [str(Path.cwd()), *sys.path]))
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("GRPC_")}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(before=before), endpoint, str(root)],
        env={**inherited, "PYTHONPATH": path, **environment},
        capture_output=True,
        timeout=60,
        text=True,
    )
    return done.stdout, done.stderr


def test_nothing_on_stderr(plaintext: RawServer, authority: CertificateAuthority, tmp_path: Path) -> None:
    """A handshake or connection that fails prints nothing: neither plaintext, nor a certificate, nor a refusal."""
    (tmp_path / "root.pem").write_bytes(CertificateAuthority().root)
    with raw_server(credentials=authority.server()) as server:
        for endpoint, root, expected in (
            (f"https://127.0.0.1:{plaintext.port}", "", "WRONG_VERSION_NUMBER"),
            (f"https://127.0.0.1:{server.port}", tmp_path / "root.pem", "CERTIFICATE_VERIFY_FAILED"),
            (f"http://127.0.0.1:{server.port}", "", "503"),
            ("https://127.0.0.1:1", "", "refused"),
            ("http://127.0.0.1:1", "", "refused"),
        ):
            printed, errors_printed = run(endpoint, root)
            assert expected in printed
            assert printed.endswith("False\n")  # nothing is left in the environment
            assert errors_printed == ""


@pytest.mark.parametrize(
    ("before", "environment"),
    [("", {"GRPC_VERBOSITY": "INFO"}), ("import grpc; grpc.insecure_channel('x').close()", {})],
    ids=["variable", "grpc in use"],
)
def test_output_asked_for(plaintext: RawServer, before: str, environment: dict[str, str]) -> None:
    """GRPC prints as before if the program says what it prints, or has used it before."""
    _, errors_printed = run(f"https://127.0.0.1:{plaintext.port}", before=before, **environment)
    assert "Handshake failed" in errors_printed
