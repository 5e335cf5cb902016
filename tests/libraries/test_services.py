"""A program for files, embeddings and tuned models prints the same with the predecessor and with this package."""

from __future__ import annotations

import http.server
import json
import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from genai_grpc.local import ScriptEngine, serve
from genai_grpc.testing import CertificateAuthority
from tests.libraries.environments import interpreter_of

pytestmark = [pytest.mark.libraries, pytest.mark.venv, pytest.mark.timeout(600)]

PROGRAM: Final = Path(__file__).with_name("programs") / "services.py"
KEY: Final = "a-key-of-tests"


def discovery(root_url: str) -> dict[str, Any]:
    """The discovery document of uploads, from which the predecessor takes the URL."""
    upload = {"multipart": True}
    protocols = {
        "simple": {**upload, "path": "/upload/v1beta/files"},
        "resumable": {**upload, "path": "/resumable/upload/v1beta/files"},
    }
    method = {
        "id": "generativelanguage.media.upload",
        "path": "v1beta/files",
        "httpMethod": "POST",
        "parameters": {},
        "request": {"$ref": "CreateFileRequest"},
        "response": {"$ref": "CreateFileResponse"},
        "supportsMediaUpload": True,
        "mediaUpload": {"accept": ["*/*"], "protocols": protocols},
    }
    return {
        "name": "generativelanguage",
        "version": "v1beta",
        "rootUrl": f"{root_url}/",
        "servicePath": "",
        "batchPath": "batch",
        "schemas": {
            name: {"id": name, "type": "object", "properties": {"file": {"type": "object"}}}
            for name in ("CreateFileRequest", "CreateFileResponse")
        },
        "resources": {"media": {"methods": {"upload": method}}},
    }


@pytest.fixture
def discovery_urls() -> Iterator[tuple[str, list[str]]]:
    """The URL of a discovery document, and the root URL that it names."""
    roots: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(discovery(roots[-1])).encode())

        def log_message(self, *args: object) -> None:
            """Nothing is logged."""

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/discovery", roots
        server.shutdown()
        thread.join()


@pytest.fixture
def authority() -> CertificateAuthority:
    return CertificateAuthority()


def run(package: str, folder: Path, authority: CertificateAuthority, discovery_urls: tuple[str, list[str]]) -> str:
    """What the program prints with a package, on a server of its own."""
    folder.mkdir()
    (folder / "root.pem").write_bytes(authority.root)
    key, certificate = authority.issue()
    (folder / "cert.pem").write_bytes(certificate)
    (folder / "key.pem").write_bytes(key)
    script = ScriptEngine().reply("A girl named Lily.").reply("4")
    tls = (folder / "cert.pem", folder / "key.pem")
    with serve(script, credentials=authority.server(), http_tls=tls, api_key=KEY) as server:
        url, roots = discovery_urls
        roots.append(str(server.http_endpoint))
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "PACKAGE": package.partition("+")[0],
            "GENAI_GRPC_ENDPOINT": server.endpoint,
            "GOOGLE_API_KEY": KEY,
            "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": str(folder / "root.pem"),
            "HTTPLIB2_CA_CERTS": str(folder / "root.pem"),
            "DISCOVERY_URL": url,
        }
        done = subprocess.run(
            [interpreter_of(package), "-W", "ignore", PROGRAM, folder],
            check=False,
            capture_output=True,
            text=True,
            env=environment,
        )
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def test_same_output(tmp_path: Path, authority: CertificateAuthority, discovery_urls: tuple[str, list[str]]) -> None:
    """Both packages print the same."""
    theirs = run("google-generativeai", tmp_path / "theirs", authority, discovery_urls)
    ours = run("genai_grpc", tmp_path / "ours", authority, discovery_urls)
    assert ours.splitlines() == theirs.splitlines()
    assert len(theirs.splitlines()) > 25
