"""The READMEs of the generated packages: their commands, run as printed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.polyglot.builds import LANGUAGES, ROOT, bash, printed_commands, require, run

pytestmark = [pytest.mark.polyglot, pytest.mark.timeout(300)]


def test_go() -> None:
    """The Go packages build."""
    require("go", LANGUAGES["go"].needs)
    bash(printed_commands("generated/go/README.md"))


def test_typescript(tmp_path: Path) -> None:
    """The package can be imported in a new folder, and still can after another `npm install`."""
    require("typescript", LANGUAGES["typescript"].needs)
    page = (ROOT / "generated" / "typescript" / "README.md").read_text()
    (tmp_path / "package.json").write_text('{"private": true, "type": "module"}')
    commands = [each.replace("PATH/TO", str(ROOT)) for each in printed_commands("generated/typescript/README.md")]
    [imports] = re.findall(r"^```js\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    (tmp_path / "main.js").write_text(imports + "console.log(GenerativeService.typeName, ErrorInfoSchema.typeName);\n")
    expected = "google.ai.generativelanguage.v1beta.GenerativeService google.rpc.ErrorInfo\n"
    bash(commands, tmp_path)
    assert run("node", tmp_path / "main.js") == expected
    bash(["npm install"], tmp_path)
    assert run("node", tmp_path / "main.js") == expected


@pytest.mark.parametrize("language", LANGUAGES)
def test_versions(language: str) -> None:
    """The archive that is installed has the version of the package."""
    page = (ROOT / "generated" / language / "README.md").read_text()
    version = re.findall(r'"version": "(.*?)"', (ROOT / "generated" / "typescript" / "package.json").read_text())[0]
    assert set(re.findall(r"genai-grpc-protos-([\d.]+)\.tgz", page)) <= {version}
