"""Docstrings of classes, and the descriptions of parameters and attributes in docstrings.

The descriptions are read with the optional `docstring-parser` package.
"""

from __future__ import annotations

import inspect

__all__ = ["own_docstring", "parameter_descriptions"]


def own_docstring(owner: object) -> str:
    """Return the docstring of a class or a function, dedented; "" if it has none of its own.

    It may be one that Python generates, such as that of a dataclass.

    >>> class Film:
    ...     '''A film.'''
    >>> class Sequel(Film): ...
    >>> own_docstring(Film), own_docstring(Sequel)
    ('A film.', '')
    """
    # The attribute, which is not inherited, instead of the entry in `__dict__`: from Python 3.15, a dataclass has a
    # descriptor there that generates the docstring when it is read.
    docstring = owner.__doc__
    return inspect.cleandoc(docstring) if isinstance(docstring, str) else ""


def parameter_descriptions(docstring: str) -> dict[str, str]:
    """Return the descriptions of parameters and attributes by name; empty without the package.

    The style is detected: Google, NumPy, reST or Epydoc.

    >>> parameter_descriptions("")
    {}
    """
    if not docstring:
        return {}
    try:
        import docstring_parser  # optional; only programs that declare functions or types need it
    except ImportError:
        return {}
    try:
        parsed = docstring_parser.parse(docstring)
    except docstring_parser.ParseError:
        return {}
    return {param.arg_name: " ".join(param.description.split()) for param in parsed.params if param.description}
