"""Environments of the programs: an interpreter for each meaning of google.generativeai, a folder for each library.

A program runs on one of the interpreters, with the folder of its library first on the path, an example with that of its
framework. `pins/` lists what each contains, resolved for Python 3.11; `python -m tests.libraries.environments` resolves
it anew, in three minutes.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import venv
from functools import cache
from pathlib import Path
from typing import Final

__all__ = ["FRAMEWORKS", "LIBRARIES", "PACKAGES", "folder_of", "folder_of_node", "interpreter_of"]

ROOT: Final = Path(__file__).parents[2]
PINS: Final = Path(__file__).with_name("pins")
ENVIRONMENTS: Final = ROOT / "build" / "libraries"
WHEELS: Final = ("--quiet", "--disable-pip-version-check", "--only-binary", ":all:")

PREDECESSOR: Final = "google-generativeai==0.8.6"
PACKAGES: Final = {
    "google-generativeai": (PREDECESSOR,),
    "genai_grpc": ("grpcio", "protobuf", "httpx2", "tqdm"),
    # What remains where the predecessor has been uninstalled, or came with another package.
    "genai_grpc+google-ai-generativelanguage": ("grpcio", "google-ai-generativelanguage"),
    # The clients of Vertex AI, beside this package in one process.
    "genai_grpc+google-cloud-aiplatform": ("grpcio", "google-cloud-aiplatform"),
    # A cluster of Ray Data.
    "genai_grpc+ray": ("grpcio", "protobuf", "ray[data]"),
}
# What speaks HTTP to the local server, without this package.
HTTP_CLIENTS: Final = {"google-genai": ("google-genai", "langchain-google-genai")}
WITHOUT_THIS_PACKAGE: Final = frozenset({"google-generativeai", *HTTP_CLIENTS})
LIBRARIES: Final = {
    "llama-index-llms-gemini": ("llama-index-llms-gemini==0.4.14",),
    "mem0ai": ("mem0ai==0.1.67",),
    "phidata": ("phidata==2.7.10", "pillow"),
    # haystack-ai 3 has moved the tools to another place.
    "google-ai-haystack": ("google-ai-haystack==5.4.0.post1", "haystack-ai<3"),
    # jsonref comes with an extra that also installs google-genai.
    "instructor": ("instructor==1.17.0", "jsonref"),
    # The last release whose mode for tools works on the predecessor.
    "instructor-1.14": ("instructor==1.14.5", "jsonref"),
}
FRAMEWORKS: Final = {
    "fastapi": ("fastapi", "uvicorn"),
    "flask": ("flask", "gunicorn[gevent]"),
    "celery": ("celery",),
    "jupyter": ("nbclient", "ipykernel"),
}
# What the predecessor is made of belongs to the interpreters: libraries ask for some of it too.
OF_INTERPRETERS: Final = re.compile(
    r"cffi|cryptography|google-(ai-generativelanguage|api-.*|auth.*|generativeai)|googleapis-common-protos"
    r"|grpcio.*|httplib2|proto-plus|protobuf|pyasn1.*|pycparser|pyparsing|uritemplate"
)


def pip(*arguments: str | Path) -> str:
    """Return the output of pip."""
    command = [sys.executable, "-m", "pip", *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


@cache
def interpreter_of(package: str) -> Path:
    """An interpreter on which google.generativeai can be the package; for ours, with the code of this repository."""
    python = ENVIRONMENTS / package / "bin" / "python"
    if _is_stale(python.parents[1], package):
        venv.create(python.parents[1], clear=True)
        pip("--python", python, "install", *WHEELS, "--no-deps", "--no-compile", "-r", _pins(package))
        _stamp(python.parents[1], package)
    if package not in WITHOUT_THIS_PACKAGE:
        pip("--python", python, "install", "--quiet", "--no-deps", "--force-reinstall", ROOT)
    return python


@cache
def folder_of(library: str) -> Path:
    """A folder with a library or framework and what it needs, except for what the interpreters have."""
    folder = ENVIRONMENTS / library
    if _is_stale(folder, library):
        pip("install", *WHEELS, "--no-deps", "--no-compile", "--upgrade", "--target", folder, "-r", _pins(library))
        _stamp(folder, library)
    return folder


@cache
def folder_of_node() -> Path:
    """A folder with the packages of Node.js, from which programs in it import them."""
    folder = ENVIRONMENTS / "node"
    if _is_stale(folder, "node.json"):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "package.json").write_bytes(_pins("node.json").read_bytes())
        npm = shutil.which("npm") or "npm"
        subprocess.run([npm, "install", "--silent", "--no-audit", "--no-fund"], check=True, cwd=folder)
        _stamp(folder, "node.json")
    return folder


def _pins(name: str) -> Path:
    return PINS / (name if name.endswith(".json") else f"{name}.txt")


def _is_stale(folder: Path, name: str) -> bool:
    stamp = folder / "installed"
    return not stamp.exists() or stamp.read_text() != _content(name)


def _stamp(folder: Path, name: str) -> None:
    (folder / "installed").write_text(_content(name))


def _content(name: str) -> str:
    return f"Python {sys.version}\n{_pins(name).read_text()}"


def _resolve(*requirements: str) -> dict[str, str]:
    """The newest versions that fit, by name."""
    report = json.loads(pip("install", *WHEELS, "--dry-run", "--ignore-installed", "--report", "-", *requirements))
    installed = [package["metadata"] for package in report["install"]]
    return {package["name"].lower().replace("_", "-"): package["version"] for package in installed}


def _pin(name: str, versions: dict[str, str]) -> None:
    _pins(name).write_text("".join(f"{package}=={version}\n" for package, version in sorted(versions.items())))


def main() -> None:
    """Write the pins."""
    for package, requirements in (PACKAGES | HTTP_CLIENTS).items():
        _pin(package, _resolve(*requirements))
    needs = {library: (*requirements, PREDECESSOR) for library, requirements in LIBRARIES.items()}
    for library, requirements in (needs | FRAMEWORKS).items():
        versions = _resolve(*requirements)
        _pin(library, {name: version for name, version in versions.items() if not OF_INTERPRETERS.fullmatch(name)})


if __name__ == "__main__":
    main()
