"""`make release`: what it refuses, and that it builds the same bytes twice."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import re
import subprocess
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from tests.installed.conftest import MakeVenv

ROOT: Final = Path(__file__).parents[2]
_spec = importlib.util.spec_from_file_location("release", ROOT / "release" / "release.py")
assert _spec is not None
assert _spec.loader is not None
release: Any = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(release)


def git(folder: Path, *arguments: str) -> None:
    """Run git with an author of its own, independent of the machine's configuration."""
    author = ("-c", "user.name=Author", "-c", "user.email=author@example.com")
    subprocess.run(["git", "-C", folder, *author, *arguments], check=True, capture_output=True)  # noqa: S607 -- the git on the PATH


def commit(folder: Path, version: str, changelog: str) -> None:
    """Commit a version and a changelog."""
    (folder / "genai_grpc").mkdir(exist_ok=True)
    (folder / release.VERSION_FILE).write_text(f'__version__ = "{version}"\n')
    (folder / "CHANGELOG.md").write_text(changelog)
    git(folder, "add", ".")
    git(folder, "commit", "--message", version)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A git repository that is ready for the tag v0.2.0."""
    git(tmp_path, "init")
    commit(tmp_path, "0.2.0", "## [Unreleased]\n\n## [0.2.0] - 2027-01-31\n")
    return tmp_path


def test_ready(repository: Path) -> None:
    """A commit whose changelog has the version may be tagged, once, and built again afterwards."""
    assert release.check_versions(tagging=True, folder=repository) == "0.2.0"
    git(repository, "tag", "v0.2.0")
    assert release.check_versions(tagging=False, folder=repository) == "0.2.0"
    with pytest.raises(release.ReleaseError, match=r"v0\.2\.0 tags the last commit already"):
        release.check_versions(tagging=True, folder=repository)


def test_other_tag(repository: Path) -> None:
    """A tag of another version on the commit is refused."""
    git(repository, "tag", "v0.3.0")
    with pytest.raises(release.ReleaseError, match=r"tagged v0\.3\.0, but genai_grpc/_version\.py says 0\.2\.0"):
        release.check_versions(tagging=False, folder=repository)


def test_version_of_another_commit(repository: Path) -> None:
    """A version that is released already is refused."""
    git(repository, "tag", "v0.2.0")
    commit(repository, "0.2.0", "## [Unreleased]\n\nMore.\n\n## [0.2.0] - 2027-01-31\n")
    with pytest.raises(release.ReleaseError, match=r"v0\.2\.0 tags another commit; raise the version"):
        release.check_versions(tagging=False, folder=repository)


def test_changelog_without_the_version(repository: Path) -> None:
    """Before the changelog has the version, it can be built, and not tagged."""
    commit(repository, "0.3.0", "## [Unreleased]\n\n## [0.2.0] - 2027-01-31\n")
    assert release.check_versions(tagging=False, folder=repository) == "0.3.0"
    with pytest.raises(release.ReleaseError, match=r"no heading '## \[0\.3\.0\] - YYYY-MM-DD'"):
        release.check_versions(tagging=True, folder=repository)


def test_changes_that_are_not_committed(repository: Path) -> None:
    """A tree with changes is not tagged: they would not be in the release."""
    (repository / "new.py").write_text("")
    with pytest.raises(release.ReleaseError, match=r"has changes; commit them first:\n\?\? new\.py"):
        release.check_versions(tagging=True, folder=repository)


@pytest.mark.parametrize("link", ["docs/clients.md", "../LICENSE", "docs/demo.svg"])
def test_relative_link(tmp_path: Path, link: str) -> None:
    """A description with a link that only the repository can follow is refused."""
    wheel = tmp_path / "a-1-py3-none-any.whl"
    for target, expected in ((link, True), ("https://example.com/a", False), ("#install", False)):
        with zipfile.ZipFile(wheel, "w") as archive:
            archive.writestr("a-1.dist-info/METADATA", f"Name: a\n\n[text]({target})\n")
        if expected:
            with pytest.raises(release.ReleaseError, match=f"relative links: {link}"):
                release.check_readme(wheel)
        else:
            release.check_readme(wheel)


def test_names(tmp_path: Path) -> None:
    """A wheel that would install a package of another name is refused."""
    wheel = tmp_path / "a-1-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name in ("genai_grpc/a.py", "google/a.py", "a-1.dist-info/METADATA"):
            archive.writestr(name, "")
    with pytest.raises(release.ReleaseError, match="would install google"):
        release.check_names(wheel)


def test_addresses() -> None:
    """The site and the substitutions of the README name the repository of pyproject.toml."""
    project = (ROOT / "pyproject.toml").read_text()
    [source] = re.findall(r'^Source = "(.*)"$', project, re.MULTILINE)
    [homepage] = re.findall(r'^Homepage = "(.*)"$', project, re.MULTILINE)
    site = (ROOT / "mkdocs.yml").read_text()
    assert f"\nrepo_url: {source} " in site
    assert f"\nsite_url: {homepage}\n" in site
    path = source.removeprefix("https://github.com/")
    assert len(re.findall(r"^replacement = .*" + re.escape(f".com/{path}/"), project, re.MULTILINE)) == 2


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="a release is built from a commit")
@pytest.mark.venv
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_release(make_venv: MakeVenv, tmp_path: Path) -> None:
    """Two runs of make's command write the same archives, with absolute links, an SBOM and checksums."""
    venv = make_venv("-r", str(ROOT / "release" / "requirements.txt"))
    output = tmp_path / "dist"
    venv.run(str(ROOT / "release" / "release.py"), "--output", str(output))
    [wheel] = output.glob("*.whl")
    [sbom] = output.glob("*.cdx.json")
    metadata = release.read_metadata(wheel)
    assert "](https://github.com/genai-grpc/genai-grpc/blob/v" in metadata
    assert "](https://raw.githubusercontent.com/genai-grpc/genai-grpc/v" in metadata
    assert {"grpcio", "protobuf"} <= {each["name"] for each in json.loads(sbom.read_text())["components"]}
    lines = (output / "SHA256SUMS").read_text().splitlines()
    sums = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    assert {
        file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in output.iterdir() if file.name in sums
    } == sums
    assert len(sums) == 3
    venv.run(str(ROOT / "release" / "release.py"), "--output", str(tmp_path / "again"))
    for file in (wheel, *output.glob("*.tar.gz")):
        assert file.read_bytes() == (tmp_path / "again" / file.name).read_bytes(), file.name
