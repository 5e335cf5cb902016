"""Lists of tuned models by role, and operations: of several servers, cancelled, and of a model with a new owner."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import genai_grpc as genai
from genai_grpc import errors
from genai_grpc.local import STALL, Delay, ScriptEngine, serve
from genai_grpc.local.services import tuner
from genai_grpc.local.state import tunings
from genai_grpc.local.state.state_file import FILE
from genai_grpc.permissions import Permissions
from tests.waiting import wait_until

PAIRS = [("one", "1"), ("two", "2")]
USERS = {"ada@example.com": "key-of-ada", "bob@example.com": "key-of-bob"}


@pytest.fixture
def clients(script: ScriptEngine) -> Iterator[tuple[genai.Client, genai.Client]]:
    """The clients of two users, Ada and Bob."""
    with (
        serve(script, users=USERS) as server,
        genai.Client("key-of-ada", endpoint=server.endpoint) as ada,
        genai.Client("key-of-bob", endpoint=server.endpoint) as bob,
    ):
        yield ada, bob


def create(name: str, client: genai.Client, **options: Any) -> Any:
    return genai.create_tuned_model("gemini-pro", PAIRS, id=name, client=client, **options)


@pytest.fixture
def models(clients: tuple[genai.Client, genai.Client]) -> None:
    """Models of both: Ada's `own`; Bob's `secret`, `read` and `write`, which Ada may, and `public`."""
    ada, bob = clients
    create("own", ada, display_name="Poems of Ada").result(timeout=60)
    for name in "secret", "read", "write", "public":
        create(name, bob).result(timeout=60)
    Permissions("tunedModels/read", client=bob).create("READER", "USER", "ada@example.com")
    Permissions("tunedModels/write", client=bob).create("WRITER", "USER", "ada@example.com")
    Permissions("tunedModels/public", client=bob).create("READER", "EVERYONE")


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("", "own read write"),
        ("readers:me", "own read write"),
        ("writers:me", "own write"),
        ("owner:me", "own"),
        ("readers:everyone", "public"),
        ("readers:everyone owner:me", ""),
        ("poems", "own"),
        ("POEMS ada readers:me", "own"),
        ("poems of bob", ""),
        ("own", ""),
        ("tunedModels", ""),
    ],
)
@pytest.mark.usefixtures("models")
def test_filter(clients: tuple[genai.Client, genai.Client], words: str, found: str) -> None:
    """A list has what the caller may read in its own right, or what the terms of the filter ask for."""
    listed = [model.name for model in genai.list_tuned_models(filter=words, client=clients[0])]
    assert listed == [f"tunedModels/{name}" for name in found.split()]


@pytest.mark.parametrize("words", ["owner:you", "readers:ada@example.com", "writer:me", ":me", "State:ACTIVE"])
def test_unknown_filter(clients: tuple[genai.Client, genai.Client], words: str) -> None:
    """A term that is no filter is INVALID_ARGUMENT, which lists those that are."""
    with pytest.raises(errors.InvalidArgument, match=f"filter has '{words}'; it takes words, and owner:me"):
        list(genai.list_tuned_models(filter=words, client=clients[0]))


def test_two_servers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One of two servers on a state directory works on a tuning, also if a step takes longer than its lease."""
    monkeypatch.setattr(tunings, "_LEASE", 200_000)
    monkeypatch.setattr(tuner, "LEASE_SECONDS", 0.2)
    monkeypatch.setattr(tuner, "_POLL_SECONDS", 0.05)
    one, another = ScriptEngine().reply_embedding(Delay(1)), ScriptEngine()
    with serve(one, state_dir=tmp_path) as server, genai.Client(endpoint=server.endpoint) as client:
        operation = create("mine", client)
        with serve(another, state_dir=tmp_path):
            operation.result(timeout=60)
    assert len(one.embed_requests) == 2 * len(PAIRS)
    assert not another.embed_requests


def test_lost_lease(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that cannot renew its lease stops its work, in the middle of a step, and another server does it."""
    monkeypatch.setattr(tuner, "LEASE_SECONDS", 0.2)
    monkeypatch.setattr(tuner, "_POLL_SECONDS", 0.05)
    one, another = ScriptEngine().reply_embedding(STALL), ScriptEngine()
    with serve(one, state_dir=tmp_path) as server, genai.Client(endpoint=server.endpoint) as client:
        operation = create("mine", client)
        wait_until(lambda: one.embed_requests)
        with closing(sqlite3.connect(tmp_path / FILE, isolation_level=None)) as connection:
            connection.execute("UPDATE operations SET lease = 'of another server', leased_until = 0")
        with serve(another, state_dir=tmp_path):
            operation.result(timeout=60)
            one.wait_cancelled()
    assert len(another.embed_requests) == 2 * len(PAIRS)


def test_cancelled_step(script: ScriptEngine, clients: tuple[genai.Client, genai.Client]) -> None:
    """A tuning that is cancelled ends in the middle of a step, and the next one begins."""
    script.reply_embedding(STALL)
    first, second = create("mine", clients[0]), create("next", clients[0])
    wait_until(lambda: script.embed_requests)
    assert first.cancel()
    second.result(timeout=60)
    assert script.cancelled_calls == 1


def test_operation_of_another_owner(script: ScriptEngine, clients: tuple[genai.Client, genai.Client]) -> None:
    """With the ownership of a model goes that of its operation."""
    ada, bob = clients
    script.reply_embedding(STALL)
    operation = create("mine", ada)
    Permissions("tunedModels/mine", client=ada).transfer_ownership("bob@example.com")
    with pytest.raises(errors.PermissionDenied):
        genai.get_operation(operation.name, client=ada)
    assert [each.name for each in genai.list_operations(client=bob)] == [operation.name]
    assert genai.get_operation(operation.name, client=bob).cancel()
