"""A set of the numbers of rows."""

from __future__ import annotations

__all__ = ["RowSet"]


class RowSet:
    """Numbers from 0, with a bit of memory for each up to the greatest one."""

    def __init__(self) -> None:
        self._bits = bytearray()

    def has(self, row: int) -> bool:
        """Whether it has a number."""
        byte = row >> 3
        return byte < len(self._bits) and bool(self._bits[byte] & 1 << (row & 7))

    def add(self, row: int) -> bool:
        """Add a number; False if it was there."""
        if self.has(row):
            return False
        byte = row >> 3
        if byte >= len(self._bits):
            self._bits.extend(bytes(byte + 1 - len(self._bits)))
        self._bits[byte] |= 1 << (row & 7)
        return True
