"""`protos/breaking.sh`, which holds the API to what the last release promised."""

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

pytestmark = pytest.mark.skipif(not BUF.exists(), reason="buf is not here: make check installs it")


def git(folder: Path, *arguments: str) -> None:
    """Run git as somebody, whatever the machine's configuration."""
    identity = ("-c", "user.name=Somebody", "-c", "user.email=somebody@example.com")
    subprocess.run(["git", "-C", folder, *identity, *arguments], check=True, capture_output=True)  # noqa: S607 -- git of this machine


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository of our descriptor set and buf's configuration, committed."""
    (tmp_path / "generated").mkdir()
    for name in ("buf.yaml", "generated/descriptors.binpb"):
        shutil.copy(ROOT / name, tmp_path / name)
    git(tmp_path, "init")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--message", "All of it")
    return tmp_path


def change(repository: Path, *, number: int = 0, added: str = "") -> None:
    """Give the first field of CitationSource another number, or add a field to it."""
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
    """The exit code of the check, and all that it says."""
    done = subprocess.run(
        [ROOT / "protos" / "breaking.sh"],
        check=False,
        cwd=repository,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "BUF": str(BUF)},
    )
    return done.returncode, done.stdout


def test_without_a_release(repository: Path) -> None:
    """Without a release tag the check says so, and passes."""
    change(repository, number=1000)
    assert breaking(repository) == (0, "  breaking: there is no release tag here to compare with\n")


def test_a_changed_number(repository: Path) -> None:
    """A field whose number is not that of the last release fails the check, which names the field and the message."""
    git(repository, "tag", "v0.1.0")
    change(repository, number=1000)

    code, said = breaking(repository)

    assert code == 1
    assert 'field "1" with name "start_index" on message "CitationSource" was deleted' in said
    assert "This breaks programs of v0.1.0." in said


def test_an_added_field(repository: Path) -> None:
    """What is added breaks nothing."""
    git(repository, "tag", "v0.1.0")
    change(repository, added="added")
    assert breaking(repository) == (0, "")
