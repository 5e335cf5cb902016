"""Strategies of Python source: expressions, and what stands between brackets."""

from __future__ import annotations

from typing import TypeAlias

from hypothesis import strategies as st

__all__ = ["Source", "either", "entries", "fill", "keywords", "one", "several"]

Source: TypeAlias = st.SearchStrategy[str]


def one(*texts: str | Source) -> Source:
    """One of these expressions."""
    fixed = [text for text in texts if isinstance(text, str)]
    strategies = [text for text in texts if not isinstance(text, str)]
    return st.one_of(*([st.sampled_from(fixed)] if fixed else []), *strategies)


def fill(template: str, **holes: Source) -> Source:
    """The template with each {hole} filled."""
    return st.fixed_dictionaries(holes).map(lambda filled: template.format(**filled))


def several(item: Source, least: int = 1, most: int = 3) -> Source:
    """Some expressions with commas after them, as they stand in a list, a tuple or a call."""
    return st.lists(item, min_size=least, max_size=most).map(lambda items: "".join(f"{item}, " for item in items))


def entries(**values: Source) -> Source:
    """The inside of a dict display with some of these keys, one or more."""
    return (
        st.sets(st.sampled_from(sorted(values)), min_size=1)
        .flatmap(lambda keys: st.fixed_dictionaries({key: values[key] for key in sorted(keys)}))
        .map(lambda drawn: ", ".join(f"{key!r}: {value}" for key, value in drawn.items()))
    )


def keywords(**values: Source) -> Source:
    """The same as keyword arguments."""
    return (
        st.sets(st.sampled_from(sorted(values)), min_size=1)
        .flatmap(lambda keys: st.fixed_dictionaries({key: values[key] for key in sorted(keys)}))
        .map(lambda drawn: ", ".join(f"{key}={value}" for key, value in drawn.items()))
    )


def either(**values: Source) -> Source:
    """Some of these arguments, as keywords or as a dict that is unpacked."""
    return one(keywords(**values), fill("**{{{inside}}}", inside=entries(**values)))
