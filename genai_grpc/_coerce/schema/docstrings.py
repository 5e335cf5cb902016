"""Descriptions of parameters and attributes in docstrings, read with the optional `docstring-parser` package."""

from __future__ import annotations

__all__ = ["parameter_descriptions"]


def parameter_descriptions(docstring: str | None) -> dict[str, str]:
    """Return the descriptions of parameters and attributes by name; empty without a docstring or the package.

    The style is detected: Google, NumPy, reST or Epydoc.

    >>> parameter_descriptions(None)
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
