"""Store of uploaded files: their records in the database, their content in a folder."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from io import FileIO
from typing import Final

from genai_grpc import protos
from genai_grpc.errors import APIError, InternalServerError, InvalidArgument, PermissionDenied
from genai_grpc.local.state.content_folder import ContentFolder
from genai_grpc.local.state.database import Database, Transaction
from genai_grpc.local.state.resource_table import ResourceTable
from genai_grpc_protos.rpc import Status

__all__ = ["FILES", "FileStore", "StoredFile", "check_name"]

FILES: Final = ResourceTable(
    "files",
    protos.File,
    "file",
    listing="genai.list_files()",
    columns=("owner TEXT NOT NULL", "content TEXT NOT NULL"),
)
LIFETIME: Final = 48 * 3600 * 1_000_000
"""In microseconds, as in the Gemini API (https://ai.google.dev/gemini-api/docs/files)."""

_NAME: Final = re.compile(r"files/[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")
_MAX_DISPLAY_NAME: Final = 512


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file with the key of its content.

    Attributes:
        record: What the API says of it.
        key: The key in the folder; "" for a file without content.
    """

    record: protos.File
    key: str


class FileStore:
    """Files of each caller, until they expire 48 hours after their upload.

    Args:
        database: An open database with `FILES.table`.
        folder: Their content.
        prepare: Makes the text of a file for prompts, if it has one; blocks. It raises APIError for a damaged file.
    """

    def __init__(
        self, database: Database, folder: ContentFolder, prepare: Callable[[StoredFile, ContentFolder], None]
    ) -> None:
        self._database = database
        self._folder = folder
        self._prepare = prepare
        self._preparing: set[asyncio.Task[None]] = set()

    @property
    def folder(self) -> ContentFolder:
        """The content of the files."""
        return self._folder

    async def start(self) -> None:
        """Delete the content of files that have expired, and prepare those that a server has not got to."""
        keys, unprepared = await self._database.transact(_survey)
        await asyncio.to_thread(self._folder.sweep, keys)
        for file in unprepared:
            self._begin_preparing(file)

    async def aclose(self) -> None:
        """End the preparation of files; another start goes on with it."""
        for task in self._preparing:
            task.cancel()
        await asyncio.gather(*self._preparing, return_exceptions=True)
        self._folder.close()

    async def check_free(self, name: str) -> None:
        """Raise AlreadyExists if a file has this name, and InvalidArgument if none can have it."""
        check_name(name)
        await self._database.transact(lambda transaction: FILES.check_free(transaction, name))

    async def add(self, record: protos.File, owner: str, key: str = "", part: FileIO | None = None) -> protos.File:
        """Store a file whose content is complete, and begin to prepare it.

        Args:
            record: Its name, if it is to have a certain one, and what is known of it.
            owner: The caller.
            key: The key of its content.
            part: The open file of the content, which is closed; on an error it is deleted.

        Raises:
            AlreadyExists: There is a file of that name.
            InternalServerError: The disk refuses it.
        """
        try:
            if part is not None:
                await asyncio.to_thread(self._folder.commit, key, part)
            stored = await self._insert(record, owner, key)
        except OSError as error:
            self._folder.remove(key)
            raise InternalServerError(f"cannot store the file: {error.strerror or error}") from error
        except APIError:
            self._folder.remove(key)
            raise
        self._begin_preparing(stored)
        return stored.record

    async def get(self, name: str, caller: str) -> StoredFile:
        """A file.

        Raises:
            NotFound: There is none of that name, or it has expired.
            PermissionDenied: It belongs to another caller.
        """
        return await self._database.transact(lambda transaction: _find(transaction, name, caller))

    async def page(self, caller: str, after: int, limit: int) -> list[tuple[int, protos.File]]:
        """Up to `limit` files of a caller after a position, each with its own position."""
        return await self._database.transact(lambda transaction: FILES.page(transaction, after, limit, owner=caller))

    async def delete(self, name: str, caller: str) -> None:
        """Delete a file; raises as `get`."""

        def delete(transaction: Transaction) -> str:
            key = _find(transaction, name, caller).key
            FILES.delete(transaction, name)
            return key

        key = await self._database.transact(delete)
        if key:
            await asyncio.to_thread(self._folder.remove, key)

    async def _insert(self, record: protos.File, owner: str, key: str) -> StoredFile:
        now = self._database.now()
        stored = protos.File()
        stored.CopyFrom(record)
        stored.name = record.name or f"files/{secrets.token_hex(6)}"
        stored.state = protos.File.State.PROCESSING
        stored.source = protos.File.Source.UPLOADED
        for time, moment in ((stored.create_time, now), (stored.update_time, now)):
            time.FromMicroseconds(moment)
        stored.expiration_time.FromMicroseconds(now + LIFETIME)
        stored.uri = f"{record.uri}/{stored.name}" if record.uri else stored.name

        def insert(transaction: Transaction) -> list[str]:
            expired = transaction.connection.execute(
                "SELECT content FROM files WHERE expires <= ?", (transaction.now,)
            ).fetchall()
            FILES.insert(transaction, stored, expires=now + LIFETIME, owner=owner, content=key)
            return [content for (content,) in expired if content]

        expired = await self._database.transact(insert)
        await asyncio.to_thread(self._folder.remove, *expired)
        return StoredFile(stored, key)

    def _begin_preparing(self, file: StoredFile) -> None:
        task = asyncio.get_running_loop().create_task(self._prepare_file(file))
        self._preparing.add(task)
        task.add_done_callback(self._preparing.discard)

    async def _prepare_file(self, file: StoredFile) -> None:
        failure: APIError | None = None
        if file.key:
            try:
                await asyncio.to_thread(self._prepare, file, self._folder)
            except OSError as error:
                failure = InternalServerError(f"cannot read the content of {file.record.name}: {error.strerror}")
            except APIError as error:
                failure = error

        def finish(transaction: Transaction) -> None:
            if transaction.find(FILES.table, file.record.name, "position") is None:
                return  # deleted meanwhile
            record = FILES.get(transaction, file.record.name)
            record.update_time.FromMicroseconds(transaction.now)
            record.state = protos.File.State.ACTIVE if failure is None else protos.File.State.FAILED
            if failure is not None:
                record.error.CopyFrom(Status(code=failure.number, message=failure.message))
            FILES.replace(transaction, record)

        await self._database.transact(finish)


def check_name(name: str) -> None:
    """Raise InvalidArgument if this cannot be the name of a file; "" lets the server choose."""
    if name and not _NAME.fullmatch(name):
        raise InvalidArgument(
            f"file.name is {name!r}; it is 'files/' and up to 40 lower-case letters, digits and inner dashes"
        )


def check_display_name(display_name: str) -> None:
    """Raise InvalidArgument if a display name is too long."""
    if len(display_name) > _MAX_DISPLAY_NAME:
        raise InvalidArgument(f"file.display_name has {len(display_name)} characters; give at most {_MAX_DISPLAY_NAME}")


def _find(transaction: Transaction, name: str, caller: str) -> StoredFile:
    owner, key = FILES.columns(transaction, name, "owner", "content")
    if owner != caller:
        raise PermissionDenied(f"{name} belongs to another API key; upload the file with yours")
    return StoredFile(FILES.get(transaction, name), key)


def _survey(transaction: Transaction) -> tuple[set[str], list[StoredFile]]:
    """The keys of all files, and the files to prepare."""
    rows = transaction.page(FILES.table, "name", "content", "message", after=0, limit=-1)
    files = [StoredFile(FILES.parse(transaction, name, message), key) for _, name, key, message in rows]
    return {file.key for file in files}, [file for file in files if file.record.state == protos.File.State.PROCESSING]
