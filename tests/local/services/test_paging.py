from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genai_grpc import protos
from genai_grpc.errors import InvalidArgument
from genai_grpc.local.services.paging import Page, parse_page


def token(content: str) -> str:
    """A page token of that content."""
    return base64.urlsafe_b64encode(content.encode()).decode()


@given(st.sets(st.integers(1, 2**63 - 1), max_size=12), st.integers(1, 5))
def test_pages_cover_the_list(positions: set[int], size: int) -> None:
    """The pages contain every item once, in order, and only the last one may have fewer than `page_size`."""
    items = [(position, f"item {position}") for position in sorted(positions)]
    pages: list[list[str]] = []
    next_page_token = ""
    while not pages or next_page_token:
        page = parse_page(protos.ListModelsRequest(page_size=size, page_token=next_page_token))
        found = [item for item in items if item[0] > page.after][: page.limit]
        names, next_page_token = page.split(found)
        pages.append(names)

    assert [name for page in pages for name in page] == [item for _, item in items]
    assert all(len(page) == size for page in pages[:-1])


@pytest.mark.parametrize(("page_size", "size"), [(0, 50), (7, 7), (1000, 1000), (1001, 1000)])
def test_page_size(page_size: int, size: int) -> None:
    """A page has 50 items by default and 1000 at most."""
    assert parse_page(protos.ListCachedContentsRequest(page_size=page_size)) == Page("ListCachedContents", 0, size)


def test_negative_page_size() -> None:
    """A negative page size is INVALID_ARGUMENT."""
    with pytest.raises(InvalidArgument, match="page_size is -1; it must not be negative"):
        parse_page(protos.ListModelsRequest(page_size=-1))


@pytest.mark.parametrize(
    "page_token",
    [
        "made up",
        "!",
        "é",
        token("3"),
        token("ListModels:"),
        token("ListModels:0"),
        token("ListModels:-1"),
        token("ListModels:03"),
        token("ListModels: 3"),
        token("ListModels:9223372036854775808"),
        token("ListCachedContents:3"),
        token("ListModels:12").rstrip("="),
    ],
)
def test_invalid_token(page_token: str) -> None:
    """A token that the method did not return is INVALID_ARGUMENT, that of another List method too."""
    with pytest.raises(InvalidArgument, match="page_token is not one that ListModels returned"):
        parse_page(protos.ListModelsRequest(page_token=page_token))


def test_valid_token() -> None:
    """The token of a page is that of its last item's position."""
    assert parse_page(protos.ListModelsRequest(page_token=token("ListModels:3"))).after == 3
