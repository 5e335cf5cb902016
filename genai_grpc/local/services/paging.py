"""Pages of the List methods (https://google.aip.dev/158).

An item's position is a positive integer that grows in the order of the list. A page token names the List method and the
position of the last item before the page, so items that are added or deleted between two requests shift no page.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

from genai_grpc.errors import InvalidArgument

__all__ = ["ListRequest", "Page", "parse_page"]

DEFAULT_SIZE: Final = 50
MAX_SIZE: Final = 1000
_MAX_POSITION: Final = 2**63 - 1

Item = TypeVar("Item")


class ListRequest(Protocol):
    """The request of a List method."""

    page_size: int
    page_token: str


@dataclass(frozen=True, slots=True)
class Page:
    """The page that a request asks for.

    Attributes:
        method: The List method.
        after: The position of the last item before the page; 0 for the first page.
        size: The maximum number of items.
    """

    method: str
    after: int
    size: int

    @property
    def limit(self) -> int:
        """The number of items to look up: one more than the page has shows whether another page follows."""
        return self.size + 1

    def split(self, found: Sequence[tuple[int, Item]]) -> tuple[list[Item], str]:
        """The items of the page and the token of the next one, "" on the last page.

        Args:
            found: Up to `limit` items after the position `after`, each with its own position.
        """
        page = found[: self.size]
        token = _to_token(self.method, page[-1][0]) if len(found) > self.size else ""
        return [item for _, item in page], token


def parse_page(request: ListRequest, *, default_size: int = DEFAULT_SIZE, max_size: int = MAX_SIZE) -> Page:
    """Read the page size and the page token of a request.

    Args:
        request: The request.
        default_size: The page size of a request that names none.
        max_size: The largest page size; larger ones are reduced to it.

    Raises:
        InvalidArgument: The page size is negative, or the token is not one that the method returned.
    """
    method = type(request).__name__.removesuffix("Request")
    if request.page_size < 0:
        raise InvalidArgument(f"page_size is {request.page_size}; it must not be negative")
    size = min(request.page_size or default_size, max_size)
    return Page(method, _parse_token(method, request.page_token), size)


def _to_token(method: str, position: int) -> str:
    return base64.urlsafe_b64encode(f"{method}:{position}".encode()).decode()


def _parse_token(method: str, token: str) -> int:
    if not token:
        return 0
    try:
        position = int(base64.urlsafe_b64decode(token).decode().removeprefix(f"{method}:"))
    except ValueError:
        position = 0
    if not 0 < position <= _MAX_POSITION or _to_token(method, position) != token:
        raise InvalidArgument(f"page_token is not one that {method} returned")
    return position
