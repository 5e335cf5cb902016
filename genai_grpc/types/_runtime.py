"""The building blocks of the aliases: what type checkers see, and at run time what pydantic can check.

At run time nothing imports Pillow, IPython or pydantic; a check by isinstance is all that pydantic needs.
"""

import sys
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable as Items
    from typing import TypedDict

    from PIL.Image import Image
else:
    if sys.version_info >= (3, 12):
        from typing import TypedDict
    else:
        try:
            from typing_extensions import TypedDict  # the only one that pydantic accepts
        except ImportError:
            from typing import TypedDict

    class _ImageType(type):
        def __instancecheck__(cls, value):
            classes = (getattr(sys.modules.get(name), "Image", None) for name in ("PIL.Image", "IPython.display"))
            return any(isinstance(value, each) for each in classes if each is not None)

    class Image(metaclass=_ImageType):
        """An image of Pillow or IPython, whichever the program has imported.

        >>> isinstance("a str", Image)
        False
        """

    class _ItemsType(type):
        def __instancecheck__(cls, value):
            return isinstance(value, Iterable) and not isinstance(value, (str, bytes, Mapping))

    class Items(Generic[TypeVar("Item")], metaclass=_ItemsType):
        """An iterable, but no str, bytes or dict. pydantic would replace an Iterable by a generator, and a dict too.

        >>> isinstance([], Items), isinstance({}, Items)
        (True, False)
        """


__all__ = ["Image", "Items", "TypedDict"]
