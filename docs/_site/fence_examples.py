"""An extension of griffe: the examples of docstrings (`>>> …`) become code blocks."""

from __future__ import annotations

import re
from typing import Any, Final

import griffe

# An example: its prompts, and the output up to an empty line.
EXAMPLE: Final = re.compile(r"(?:^>>> .*\n?(?:^(?!$).*\n?)*)+", re.MULTILINE)


class FenceExamples(griffe.Extension):
    """Put each example of a docstring into a block of Markdown, which would read it as nested quotations."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Change the docstring of an object that was loaded."""
        del kwargs
        if obj.docstring and "```pycon" not in obj.docstring.value:
            obj.docstring.value = EXAMPLE.sub(
                lambda found: f"```pycon\n{found[0].rstrip()}\n```\n", obj.docstring.value
            )

    def on_package(self, *, pkg: griffe.Module, **kwargs: Any) -> None:
        """Change that of the package, which is no `object` when it is loaded."""
        self.on_object(obj=pkg, **kwargs)
