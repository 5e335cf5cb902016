"""The folder with the content of files, each under a key: whole or not there."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
import threading
import time
import weakref
from collections.abc import Collection
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import Final

__all__ = ["ContentFolder"]

_PART: Final = ".part"
_TEXT: Final = ".txt"
_MAX_AGE: Final = 24 * 3600.0
"""Seconds after which what no file refers to is deleted: another server of this folder may still need it."""


class ContentFolder:
    """Content by key. It is written to a part first, which a commit renames once it is on the disk.

    Methods block; those that take long say so. Thread-safe.

    Args:
        directory: The folder, created when it is needed; None for a temporary one, which `close` deletes.
    """

    def __init__(self, directory: Path | None) -> None:
        self._temporary = directory is None
        self._directory = directory
        self._lock = threading.Lock()
        self._parts: weakref.WeakSet[FileIO] = weakref.WeakSet()

    def create(self) -> tuple[str, FileIO]:
        """A new key, and the open file of its part.

        The file has no buffer, so a full disk fails the write, and never what comes after it. A write may be partial.

        Raises:
            OSError: The folder or the part cannot be created.
        """
        key = secrets.token_hex(16)
        part = FileIO(self._folder() / f"{key}{_PART}", "xb", opener=_private)
        self._parts.add(part)
        return key, part

    def commit(self, key: str, part: FileIO) -> None:
        """Write a part to the disk, close it, and make it the content of its key; may take seconds.

        Raises:
            OSError: The disk refuses it.
        """
        os.fsync(part.fileno())
        part.close()
        path = self.path(key)
        os.replace(path.with_name(f"{key}{_PART}"), path)
        _sync_directory(path.parent)

    def path(self, key: str) -> Path:
        """The path of the content of a key."""
        return self._folder() / key

    def write_text(self, key: str, text: str) -> None:
        """Store the text of a content, which `read_text` then returns in its place."""
        path = self.path(key).with_suffix(_TEXT)
        part = path.with_suffix(f"{_TEXT}{_PART}")
        part.write_text(text, encoding="utf-8")
        os.replace(part, path)

    def read_text(self, key: str) -> str:
        """The text of a content.

        Raises:
            OSError: There is no such content.
            UnicodeDecodeError: It is no text in UTF-8.
        """
        path = self.path(key)
        text = path.with_suffix(_TEXT)
        return (text if text.exists() else path).read_bytes().decode("utf-8-sig")

    def remove(self, *keys: str) -> None:
        """Delete contents and parts; harmless if they do not exist."""
        for key in keys:
            path = self.path(key)
            for each in (path, path.with_suffix(_TEXT), path.with_name(f"{key}{_PART}")):
                with suppress(FileNotFoundError):
                    each.unlink()

    def sweep(self, keys: Collection[str]) -> None:
        """Delete what is a day old and belongs to none of these keys; reads the whole folder."""
        if self._directory is None or not self._directory.exists():
            return
        oldest = time.time() - _MAX_AGE
        for path in self._directory.iterdir():
            with suppress(FileNotFoundError):  # another server deletes it, too
                if path.name.partition(".")[0] not in keys and path.stat().st_mtime < oldest:
                    path.unlink()

    def close(self) -> None:
        """Close the parts that are open, and delete a temporary folder."""
        for part in self._parts:
            part.close()
        with self._lock:
            if self._temporary and self._directory is not None:
                shutil.rmtree(self._directory, ignore_errors=True)
                self._directory = None

    def _folder(self) -> Path:
        with self._lock:
            if self._directory is None:
                self._directory = Path(tempfile.mkdtemp(prefix="genai-grpc-files-"))
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            return self._directory


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _sync_directory(directory: Path) -> None:
    """Make a rename durable, where directories can be synced."""
    if os.name == "posix":
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
