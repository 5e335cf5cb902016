"""Paging through lists (https://google.aip.dev/158)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from genai_grpc._rpc.call import Call, reply_message
from genai_grpc._rpc.operation import Operation, Yield
from genai_grpc._rpc.options import CallOptions
from genai_grpc._services.method import Method

__all__ = ["list_pages"]

Res = TypeVar("Res")


def list_pages(
    method: Method[Any, Any],
    page_size: int | None,
    items: Callable[[Any], Iterable[Any]],
    options: CallOptions,
    **fields: Any,
) -> Operation[None]:
    """Yield the items of every page; a page is fetched when its items are needed.

    Args:
        method: A List method, whose request has `page_size` and `page_token`.
        page_size: Items per page; None leaves it to the service.
        items: Returns the items of a page.
        options: Those of each page's call.
        fields: Further fields of each request, such as `parent`.
    """
    token = ""
    while True:
        page = yield Call(
            method, method.request(page_size=page_size, page_token=token, **fields), reply_message, options
        )
        yield Yield(tuple(items(page)))
        token = page.next_page_token
        if not token:
            return
