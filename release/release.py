"""Build and check a release: sdist, wheel, SBOM and checksums, from the last commit. Nothing is uploaded.

Run it with the pinned tools: `make release`, `make release TAG=1`. docs/releasing.md has the steps around it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Mapping
from email.parser import HeaderParser
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
VERSION_FILE: Final = "genai_grpc/_version.py"
# Links that a page outside the repository cannot follow.
RELATIVE_LINK: Final = re.compile(r"\]\((?!https?:|mailto:|#)([^)\s]+)\)")


class ReleaseError(Exception):
    """The release is not in order; the message says what to do."""


def main(arguments: list[str]) -> None:
    """Build, check and, if asked, tag."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--output", type=Path, default=ROOT / "dist", help="the folder of the files, which is emptied")
    parser.add_argument("--tag", action="store_true", help="create the tag of the version, if everything is in order")
    options = parser.parse_args(arguments)
    try:
        version = check_versions(tagging=options.tag)
        files = build(options.output)
        for file in files:
            check_readme(file)
        check_names(next(file for file in files if file.suffix == ".whl"))
        run(sys.executable, "-m", "twine", "check", "--strict", *map(str, files))
        files.append(write_sbom(files))
        write_checksums(files)
        if options.tag:
            run("git", "-C", str(ROOT), "tag", "--annotate", f"v{version}", "--message", f"genai_grpc {version}")
            print(f"created the tag v{version}; `git push origin v{version}` publishes it")
    except ReleaseError as error:
        sys.exit(f"release: {error}")


def check_versions(*, tagging: bool, folder: Path = ROOT) -> str:
    """The version of the last commit, if the tags and the changelog agree with it.

    Args:
        tagging: Whether the version is about to be tagged: then the commit and the changelog must be final.
        folder: The repository.

    Raises:
        ReleaseError: They do not agree.
    """
    version = read_version(folder)
    tags = git(folder, "tag", "--list", "v[0-9]*", "--points-at", "HEAD").split()
    if tags and tags != [f"v{version}"]:
        raise ReleaseError(f"the last commit is tagged {', '.join(tags)}, but {VERSION_FILE} says {version}")
    elsewhere = not tags and git(folder, "tag", "--list", f"v{version}")
    if elsewhere:
        raise ReleaseError(f"v{version} tags another commit; raise the version in {VERSION_FILE}")
    section = f"## [{version}] - "
    dated = re.search(rf"^{re.escape(section)}\d{{4}}-\d\d-\d\d$", (folder / "CHANGELOG.md").read_text(), re.MULTILINE)
    if not dated and (tagging or tags):
        raise ReleaseError(f"CHANGELOG.md has no heading {section + 'YYYY-MM-DD'!r}; put it under '## [Unreleased]'")
    if tagging and tags:
        raise ReleaseError(f"v{version} tags the last commit already")
    if tagging and (changes := git(folder, "status", "--porcelain")):
        raise ReleaseError(f"the working tree has changes; commit them first:\n{changes}")
    return version


def read_version(folder: Path) -> str:
    """The version of the last commit."""
    found = re.search(r'^__version__ = "(.+)"$', git(folder, "show", f"HEAD:{VERSION_FILE}"), re.MULTILINE)
    if found is None:
        raise ReleaseError(f"{VERSION_FILE} of the last commit has no line `__version__ = ...`")
    return found[1]


def build(output: Path) -> list[Path]:
    """Build the sdist, and the wheel from it, into a folder, twice; the second time must give the same bytes."""
    with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
        built = build_from_commit(Path(first))
        again = build_from_commit(Path(second), TZ="Pacific/Auckland", PYTHONHASHSEED="1", LC_ALL="C")
        differing = [name for name, data in built.items() if again.get(name) != data]
        if differing or built.keys() != again.keys():
            raise ReleaseError(f"two builds of one commit differ: {', '.join(differing) or 'other files'}")
    output.mkdir(exist_ok=True)
    for old in output.iterdir():
        old.unlink()
    for name, data in built.items():
        (output / name).write_bytes(data)
    return [output / name for name in sorted(built)]


def build_from_commit(folder: Path, **environment: str) -> Mapping[str, bytes]:
    """Build from the files of the last commit, and nothing else; return the archives by name."""
    source, output = folder / "source", folder / "output"
    archive = folder / "source.tar"
    run("git", "-C", str(ROOT), "archive", "--output", str(archive), "HEAD")
    shutil.unpack_archive(archive, source)
    epoch = git(ROOT, "log", "-1", "--format=%ct").strip()
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(output), str(source)]
    run(*command, SOURCE_DATE_EPOCH=epoch, **environment)
    return {file.name: file.read_bytes() for file in output.iterdir()}


def check_readme(file: Path) -> None:
    """Check that the description of an archive has no link that leads nowhere on an index's page.

    Raises:
        ReleaseError: It has one.
    """
    metadata = HeaderParser().parsestr(read_metadata(file))
    if found := RELATIVE_LINK.findall(str(metadata.get_payload())):
        raise ReleaseError(f"the description in {file.name} has relative links: {', '.join(found)}")


def read_metadata(file: Path) -> str:
    """The metadata of a wheel or an sdist."""
    if file.suffix == ".whl":
        with zipfile.ZipFile(file) as wheel:
            [name] = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
            return wheel.read(name).decode()
    with tarfile.open(file) as sdist:
        [name] = [name for name in sdist.getnames() if name.count("/") == 1 and name.endswith("/PKG-INFO")]
        member = sdist.extractfile(name)
        return member.read().decode() if member else ""


def check_names(wheel: Path) -> None:
    """Check that a wheel installs our packages only."""
    tops = {name.partition("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    others = {top for top in tops if not top.endswith(".dist-info")} - {"genai_grpc", "genai_grpc_protos"}
    if others:
        raise ReleaseError(f"the wheel would install {', '.join(sorted(others))}")


def write_sbom(files: list[Path]) -> Path:
    """Write what the wheel and its dependencies are, as CycloneDX, from an environment with nothing else."""
    wheel = next(file for file in files if file.suffix == ".whl")
    sbom = wheel.with_name(f"{'-'.join(wheel.name.split('-')[:2])}.cdx.json")
    with tempfile.TemporaryDirectory() as folder:
        environment = Path(folder, "venv")
        run(sys.executable, "-m", "venv", "--without-pip", str(environment))
        python = str(environment / "bin" / "python")
        run(sys.executable, "-m", "pip", "--python", python, "install", "--quiet", str(wheel))
        options = ["--pyproject", str(ROOT / "pyproject.toml"), "--mc-type", "library", "--output-reproducible"]
        run(sys.executable, "-m", "cyclonedx_py", "environment", *options, "--output-file", str(sbom), python)
    names = {component["name"] for component in json.loads(sbom.read_text())["components"]}
    if not {"grpcio", "protobuf"} <= names:
        raise ReleaseError(f"{sbom.name} lacks the dependencies: it has {', '.join(sorted(names))}")
    return sbom


def write_checksums(files: list[Path]) -> None:
    """Write the SHA-256 of each file, as `sha256sum --check` reads it."""
    lines = [f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in files]
    files[0].with_name("SHA256SUMS").write_text("".join(lines))
    print("".join(lines), end="")


def git(folder: Path, *arguments: str) -> str:
    """The output of git."""
    completed = subprocess.run(["git", "-C", folder, *arguments], check=True, capture_output=True, text=True)  # noqa: S603, S607 -- the git on the PATH
    return completed.stdout


def run(*command: str, **environment: str) -> None:
    """Run a command; show what it prints only if it fails."""
    completed = subprocess.run(  # noqa: S603 -- the commands above
        command,
        check=False,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if completed.returncode:
        raise ReleaseError(f"{' '.join(command)} failed:\n{completed.stdout}")


if __name__ == "__main__":
    main(sys.argv[1:])
