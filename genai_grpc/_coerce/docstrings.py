"""What a docstring says of each parameter, by `docstring-parser` where it is installed."""

from __future__ import annotations

__all__ = ["parameters_of"]


def parameters_of(docstring: str) -> dict[str, str]:
    """Descriptions by parameter or attribute, from a docstring in any of the common styles.

    Without `docstring-parser` (the extra `docstrings`) it is empty: a description is a help, never a need.
    """
    if not docstring.strip():
        return {}
    try:
        import docstring_parser
    except ImportError:
        return {}
    try:
        parsed = docstring_parser.parse(docstring)
    except docstring_parser.ParseError:
        return {}
    return {item.arg_name: " ".join((item.description or "").split()) for item in parsed.params}
