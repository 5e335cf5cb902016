"""The fixture of the pages' programs."""

from __future__ import annotations

from tests.test_documents import scripted as scripted
