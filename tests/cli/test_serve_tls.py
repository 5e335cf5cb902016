"""`genai-grpc serve --tls-cert CERT --tls-key KEY`."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from genai_grpc import testing
from tests.cli.command import read_usage, run, started

pytest.importorskip("trustme")


def _write(folder: Path, key: bytes, certificate: bytes) -> list[str]:
    """The options for a key and a certificate."""
    (folder / "key.pem").write_bytes(key)
    (folder / "cert.pem").write_bytes(certificate)
    return ["--tls-cert", str(folder / "cert.pem"), "--tls-key", str(folder / "key.pem")]


def _ask(usage: str, replacements: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run the first command of a printed usage, `genai-grpc generate`."""
    [line] = [line for line in usage.splitlines() if " generate " in line]
    for old, new in replacements.items():
        line = line.replace(old, new)
    words = shlex.split(line)
    start = words.index("genai-grpc")
    environment = dict(word.split("=", 1) for word in words[:start])
    command = [sys.executable, "-m", "genai_grpc", *words[start + 1 :]]
    return subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=60, check=False
    )


REPLIES = """
        async def generate(self, request):
            self.reply("Hello over TLS.")
            async for chunk in super().generate(request):
                yield chunk
"""


@pytest.mark.parametrize("names", [[], ["localhost"]], ids=["loopback", "localhost"])
def test_printed_usage(tmp_path: Path, names: list[str]) -> None:
    """The printed endpoint is https, under a name of the certificate, and the printed command works with the root."""
    authority = testing.CertificateAuthority()
    root = tmp_path / "root.pem"
    root.write_bytes(authority.root)
    options = _write(tmp_path, *authority.issue(*names))
    with started("serve", "--port", "0", *options, methods=REPLIES, GENAI_GRPC_SERVER_KEY="right-key") as process:
        _, address, usage = read_usage(process)
        answer = _ask(usage, {"ROOT.pem": shlex.quote(str(root)), "GEMINI_API_KEY=...": "GEMINI_API_KEY=right-key"})
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)

    assert address.startswith("localhost:" if names else "127.0.0.1:")
    assert f"https://{address}" in usage
    assert (answer.returncode, answer.stdout) == (0, "Hello over TLS.\n"), answer.stderr
    assert f"Clients need the root certificate of {options[1]}, below called ROOT.pem.\n" in usage
    assert errors == ""


def test_self_signed(tmp_path: Path) -> None:
    """With a self-signed certificate, the printed command works as it is: the certificate is the root."""
    command = (
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost"
    )
    folder = tmp_path / "with space"
    folder.mkdir()
    key, certificate = folder / "key.pem", folder / "cert.pem"
    try:
        subprocess.run([*command.split(), "-keyout", key, "-out", certificate], check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("openssl is not installed")
    options = ["--tls-cert", str(certificate), "--tls-key", str(key)]
    with started("serve", "--port", "0", *options, methods=REPLIES) as process:
        _, _, usage = read_usage(process)
        answer = _ask(usage, {})

    assert (answer.returncode, answer.stdout) == (0, "Hello over TLS.\n"), answer.stderr


def test_certificate_of_another_host(tmp_path: Path) -> None:
    """A certificate for none of this machine's names prints a warning."""
    options = _write(tmp_path, *testing.CertificateAuthority().issue("gateway.example.com"))
    with started("serve", "--port", "0", *options) as process:
        _, address, _ = read_usage(process)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)

    assert address.startswith("127.0.0.1:")
    assert errors.startswith("Warning: the certificate is for none of 127.0.0.1, localhost")


def test_open_network(tmp_path: Path) -> None:
    """On an open network, TLS without a key prints a warning; with one, it prints none."""
    options = _write(tmp_path, *testing.CertificateAuthority().issue())
    for key, warning in (("", "0.0.0.0 is open to the network: anyone who can reach it can use it."), ("key", "")):
        with started("serve", "--host", "0.0.0.0", "--port", "0", *options, GENAI_GRPC_SERVER_KEY=key) as process:  # noqa: S104
            read_usage(process)
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=60)
        assert errors == (f"Warning: {warning}\n" if warning else "")


def test_one_without_the_other(tmp_path: Path) -> None:
    """A certificate without its key is a usage error."""
    options = _write(tmp_path, *testing.CertificateAuthority().issue())
    code, _, errors = run("serve", "--port", "0", *options[:2])

    assert code == 2
    assert "--tls-cert and --tls-key go together" in errors


@pytest.mark.parametrize("case", ["no PEM", "other key", "encrypted key"])
def test_unusable_files(tmp_path: Path, case: str) -> None:
    """Files that are no certificate and key are one line on stderr that names them, without a prompt."""
    key, certificate = testing.CertificateAuthority().issue()
    if case == "no PEM":
        key = certificate = b"nothing"
    elif case == "other key":
        key, _ = testing.CertificateAuthority().issue()
    else:
        from cryptography.hazmat.primitives import serialization

        pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
        loaded = serialization.load_pem_private_key(key, None)
        key = loaded.private_bytes(pem, form, serialization.BestAvailableEncryption(b"secret"))
    options = _write(tmp_path, key, certificate)
    code, _, errors = run("serve", "--port", "0", *options)

    assert code == 1
    assert errors.startswith(f"Error: cannot use the certificate {options[1]} with the key {options[3]}: ")
    assert errors.count("\n") == 1
