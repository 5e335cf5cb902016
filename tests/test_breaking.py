"""`protos/breaking.sh`: the comparison of the API with the last release."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from google.protobuf import descriptor_pb2

ROOT = Path(__file__).parents[1]
BUF = Path(sys.executable).with_name("buf")
CITATION = "google/ai/generativelanguage/v1beta/citation.proto"

pytestmark = pytest.mark.skipif(not BUF.exists(), reason="buf is not installed: make check installs it")


def git(folder: Path, *arguments: str) -> None:
    """Run git with an author of its own, independent of the machine's configuration."""
    author = ("-c", "user.name=Author", "-c", "user.email=author@example.com")
    subprocess.run(["git", "-C", folder, *author, *arguments], check=True, capture_output=True)  # noqa: S607 -- the git on the PATH


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A git repository with our descriptor set and buf's configuration committed."""
    (tmp_path / "generated").mkdir()
    for name in ("buf.yaml", "generated/descriptors.binpb"):
        shutil.copy(ROOT / name, tmp_path / name)
    git(tmp_path, "init")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--message", "First")
    return tmp_path


def change(repository: Path, *, number: int = 0, added: str = "") -> None:
    """Renumber the first field of CitationSource, or add a field to it."""
    path = repository / "generated" / "descriptors.binpb"
    files = descriptor_pb2.FileDescriptorSet.FromString(path.read_bytes())
    [source] = [
        message
        for file in files.file
        for message in file.message_type
        if file.name == CITATION and message.name == "CitationSource"
    ]
    if number:
        source.field[0].number = number
    if added:
        kind = descriptor_pb2.FieldDescriptorProto
        source.field.add(name=added, json_name=added, number=1000, type=kind.TYPE_STRING, label=kind.LABEL_OPTIONAL)
    path.write_bytes(files.SerializeToString())


def breaking(repository: Path) -> tuple[int, str]:
    """Run the check; return its exit code and output."""
    completed = subprocess.run(
        [ROOT / "protos" / "breaking.sh"],
        check=False,
        cwd=repository,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "BUF": str(BUF)},
    )
    return completed.returncode, completed.stdout


def test_without_a_release(repository: Path) -> None:
    """Without a release tag the check is skipped with a message."""
    change(repository, number=1000)
    assert breaking(repository) == (0, "  breaking: skipped, there is no release tag to compare with\n")


def test_changed_number(repository: Path) -> None:
    """A field with another number than in the last release fails the check, which names the field and the message."""
    git(repository, "tag", "v0.1.0")
    change(repository, number=1000)

    code, output = breaking(repository)

    assert code == 1
    assert 'field "1" with name "start_index" on message "CitationSource" was deleted' in output
    assert "This breaks programs written for v0.1.0." in output


def test_added_field(repository: Path) -> None:
    """An added field passes the check."""
    git(repository, "tag", "v0.1.0")
    change(repository, added="added")
    assert breaking(repository) == (0, "")
