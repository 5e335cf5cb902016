"""Files of a client that calls over HTTP/JSON."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import genai_grpc as genai
from genai_grpc.local import ScriptEngine, Server
from tests.conftest import Api
from tests.files.contents import bytes_of


@pytest.fixture
def client(server: Server) -> Iterator[genai.Client]:
    """A client that knows the HTTP port alone."""
    with genai.Client("a-key", transport="rest", endpoint=server.http_endpoint) as connected:
        yield connected


def test_files(api: Api, client: genai.Client, script: ScriptEngine) -> None:
    """A file is uploaded, described, listed, used in a prompt, downloaded and deleted."""
    data = bytes_of(9 << 20)
    large = api.call(genai, "upload_file", data, mime_type="a/b", client=client)
    assert api.call(genai, "download_file", large, client=client) == data
    file = api.call(genai, "upload_file", b"Once upon a time", mime_type="text/plain", client=client)
    file = api.call(genai, "wait_until_active", file, client=client)
    assert [each.name for each in api.items(genai, "list_files", client=client)] == [large.name, file.name]
    script.reply("A tale")
    assert api.generate(genai.GenerativeModel(client=client), ["Sum up", file]).text == "A tale"
    assert script.requests[0].contents[0].parts[-1].text.endswith("Once upon a time")
    for each in large, file:
        api.call(genai, "delete_file", each, client=client)
    assert api.items(genai, "list_files", client=client) == []
