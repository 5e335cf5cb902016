"""What docstrings say of parameters and attributes, where the `docstring-parser` package is installed."""

from __future__ import annotations

__all__ = ["parameter_descriptions"]


def parameter_descriptions(docstring: str | None) -> dict[str, str]:
    """The descriptions of parameters and attributes, by name; empty without a docstring or without the package.

    Google's, NumPy's, reST's and Epydoc's styles are told apart by themselves.

    >>> parameter_descriptions(None)
    {}
    """
    if not docstring:
        return {}
    try:
        import docstring_parser
    except ImportError:
        return {}
    try:
        parsed = docstring_parser.parse(docstring)
    except docstring_parser.ParseError:
        return {}  # whatever it is, it is no description of parameters
    return {one.arg_name: " ".join(one.description.split()) for one in parsed.params if one.description}
