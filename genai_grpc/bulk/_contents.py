"""What a row becomes: the contents of a request, by a template, a function or a column."""

from __future__ import annotations

import string
from collections.abc import Callable, Mapping
from typing import Any, Final

__all__ = ["RowError", "contents_maker"]

# Columns that hold the contents where neither a template nor a function is given.
COLUMNS: Final = ("contents", "prompt")


class RowError(Exception):
    """A row that cannot be sent."""


def contents_maker(template: str | None, contents: Callable[[dict[str, Any]], Any] | None) -> Callable[[Any], Any]:
    """The function that makes contents of the values of a row.

    Args:
        template: Text with the names of columns in braces, such as `"Translate: {text}"`; `{{` is a brace.
        contents: A function of a row's values.

    Raises:
        TypeError: Both are given, or one is of a wrong type.
        ValueError: The template is malformed.

    >>> contents_maker("Translate: {text}", None)({"text": "Guten Tag"})
    'Translate: Guten Tag'
    """
    if template is not None and contents is not None:
        raise TypeError("template and contents are mutually exclusive; pass one of them")
    if contents is not None:
        if not callable(contents):
            raise TypeError(f"contents is a function of a row; got {type(contents).__name__}")
        return contents
    if template is None:
        return _of_column
    if not isinstance(template, str):
        raise TypeError(f"template is a str; got {type(template).__name__}")
    names = _names(template)
    if not names:
        raise ValueError("the template names no column; write the name of one in braces, such as {text}")

    def fill(values: Mapping[str, Any]) -> str:
        if missing := [name for name in names if name not in values]:
            raise RowError(f"the template names {_listed(missing)}, and the row has {_listed(values) or 'no columns'}")
        return template.format_map(values)

    return fill


def _names(template: str) -> list[str]:
    try:
        fields = [name for _, name, _, _ in string.Formatter().parse(template) if name is not None]
    except ValueError as error:
        raise ValueError(f"the template is malformed: {error}; write a brace as {{{{ or }}}}") from None
    for field in fields:
        if not field.replace("_", "a").replace(" ", "a").replace("-", "a").isalnum() or field.isdigit():
            raise ValueError(f"the template has {{{field}}}, which is not the name of a column")
    return list(dict.fromkeys(fields))


def _of_column(values: Mapping[str, Any]) -> Any:
    for column in COLUMNS:
        if column in values:
            return values[column]
    raise RowError(
        f"the row has {_listed(values) or 'no columns'}; pass a template such as '{{text}}', or a "
        f"function as contents, or name the column {' or '.join(COLUMNS)}"
    )


def _listed(names: Any) -> str:
    return ", ".join(map(repr, names))
