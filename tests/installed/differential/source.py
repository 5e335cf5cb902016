"""Strategies for Python source: expressions, and the contents of brackets."""

from __future__ import annotations

from typing import TypeAlias

from hypothesis import strategies as st

__all__ = ["Source", "arguments", "entries", "fill", "keywords", "one", "several"]

Source: TypeAlias = st.SearchStrategy[str]


def one(*texts: str | Source) -> Source:
    """Draw one of these expressions."""
    fixed = [text for text in texts if isinstance(text, str)]
    strategies = [text for text in texts if not isinstance(text, str)]
    return st.one_of(*([st.sampled_from(fixed)] if fixed else []), *strategies)


def fill(template: str, **placeholders: Source) -> Source:
    """Replace each {placeholder} of the template."""
    return st.fixed_dictionaries(placeholders).map(lambda drawn: template.format(**drawn))


def several(item: Source, min_size: int = 1, max_size: int = 3) -> Source:
    """Draw several expressions, each followed by a comma: the contents of a list, a tuple or a call."""
    return st.lists(item, min_size=min_size, max_size=max_size).map(
        lambda items: "".join(f"{item}, " for item in items)
    )


def entries(**values: Source) -> Source:
    """Draw the contents of a dict display with one or more of these keys."""
    return (
        st.sets(st.sampled_from(sorted(values)), min_size=1)
        .flatmap(lambda keys: st.fixed_dictionaries({key: values[key] for key in sorted(keys)}))
        .map(lambda drawn: ", ".join(f"{key!r}: {value}" for key, value in drawn.items()))
    )


def keywords(**values: Source) -> Source:
    """Draw one or more of these keyword arguments."""
    return (
        st.sets(st.sampled_from(sorted(values)), min_size=1)
        .flatmap(lambda keys: st.fixed_dictionaries({key: values[key] for key in sorted(keys)}))
        .map(lambda drawn: ", ".join(f"{key}={value}" for key, value in drawn.items()))
    )


def arguments(**values: Source) -> Source:
    """Draw one or more of these arguments, as keywords or as an unpacked dict."""
    return one(keywords(**values), fill("**{{{items}}}", items=entries(**values)))
