"""Shared by the tests of messages: the same messages from another pool."""

from tests.coerce.conftest import other_pool

__all__ = ["other_pool"]
