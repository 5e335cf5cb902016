"""Contents for uploads."""

from __future__ import annotations

import random
from typing import Any

__all__ = ["Stream", "bytes_of", "pdf"]


class Stream:
    """A reader of unknown length that cannot be read twice, and returns less than what is asked for.

    Args:
        data: Its content.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data

    def read(self, size: int) -> bytes:
        piece = min(size, 100_000)
        data, self._data = self._data[:piece], self._data[piece:]
        return data


def bytes_of(size: int, seed: int = 1) -> bytes:
    """So many bytes that no compression and no repetition resembles."""
    return random.Random(seed).randbytes(size)  # noqa: S311 -- no cryptography


def pdf(text: str) -> bytes:
    """A PDF file of one page with a text in ASCII."""
    stream = f"BT /F1 24 Tf 72 720 Td ({text}) Tj ET".encode()
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R "
        b"/Resources << /Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream),
    ]
    file = b"%PDF-1.4\n"
    offsets = []
    for number, content in enumerate(objects, start=1):
        offsets.append(len(file))
        file += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    start, count = len(file), len(objects) + 1
    trailer: Any = (count, table, count, start)
    return (
        file
        + b"xref\n0 %d\n0000000000 65535 f \n%strailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % trailer
    )
