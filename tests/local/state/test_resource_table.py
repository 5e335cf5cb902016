from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

import pytest

from genai_grpc import protos
from genai_grpc.errors import AlreadyExists, DataLoss, NotFound
from genai_grpc.local.state.database import Database, Transaction
from genai_grpc.local.state.resource_table import ResourceTable

Out = TypeVar("Out")
DOCUMENTS = ResourceTable("documents", protos.Document, "document", listing="list_documents()")


def document(name: str, display_name: str = "") -> protos.Document:
    return protos.Document(name=name, display_name=display_name)


def within(*works: Callable[[Transaction], Out], clock: Callable[[], float] = lambda: 1.0) -> Out:
    """The result of the last of these transactions on a database in memory."""

    async def main() -> Out:
        database = Database(clock=clock)
        await database.open(DOCUMENTS.table)
        try:
            for work in works:
                result = await database.transact(work)
            return result
        finally:
            await database.aclose()

    return asyncio.run(main())


def insert(*names: str, expires: int = 2_000_000) -> Callable[[Transaction], None]:
    def work(transaction: Transaction) -> None:
        for name in names:
            DOCUMENTS.insert(transaction, document(name), expires=expires)

    return work


def names(parent: str = "") -> Callable[[Transaction], list[str]]:
    return lambda rows: [each.name for _, each in DOCUMENTS.page(rows, 0, 100, parent=parent)]


def test_children_of_one_parent() -> None:
    """A page has the resources below its parent, in the order of creation, none of a longer-named one."""
    all_of_them = ["corpora/b/documents/2", "corpora/a/documents/1", "corpora/b/documents/1", "corpora/bb/documents/1"]
    assert within(insert(*all_of_them), names("corpora/b")) == ["corpora/b/documents/2", "corpora/b/documents/1"]
    assert within(insert(*all_of_them), names()) == all_of_them


def test_delete_children() -> None:
    """The resources below a parent are deleted together, and no other."""
    made = insert("corpora/a/documents/1", "corpora/b/documents/1", "corpora/b-2/documents/1")
    kept = within(made, lambda rows: DOCUMENTS.delete_children(rows, "corpora/b"), names())
    assert kept == ["corpora/a/documents/1", "corpora/b-2/documents/1"]


def test_name_is_taken() -> None:
    """A second resource of one name is ALREADY_EXISTS, and the first one stays."""
    with pytest.raises(AlreadyExists, match="there is a document 'd' already; choose another name"):
        within(insert("d"), insert("d"))


def test_expired() -> None:
    """What has expired is not found, and its name is free."""
    with pytest.raises(NotFound, match=r"there is no document 'd', or it has expired; list_documents\(\) lists those"):
        within(insert("d", expires=999_999), lambda rows: DOCUMENTS.get(rows, "d"))
    assert within(insert("d", expires=999_999), insert("d"), names()) == ["d"]


def test_replace_and_delete() -> None:
    """A resource is stored in place of the one of its name; deleting a missing one is NOT_FOUND."""

    def replace(rows: Transaction) -> str:
        DOCUMENTS.replace(rows, document("d", "Another"))
        return DOCUMENTS.get(rows, "d").display_name

    assert within(insert("d"), replace) == "Another"
    with pytest.raises(NotFound):
        within(insert("d"), lambda rows: DOCUMENTS.delete(rows, "d"), lambda rows: DOCUMENTS.delete(rows, "d"))


def test_damaged() -> None:
    """Bytes that are no message are DATA_LOSS; the message names the resource."""

    def damage(rows: Transaction) -> None:
        rows.update(DOCUMENTS.table, "d", message=b"\xff")

    for read in (lambda rows: DOCUMENTS.get(rows, "d"), names()):
        with pytest.raises(DataLoss, match="the document 'd' is damaged in memory; delete it and create it again"):
            within(insert("d"), damage, read)
