"""`Self`, also at run time before Python 3.11, where typing.get_type_hints finds a type variable."""

import sys
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from typing_extensions import Self
elif sys.version_info >= (3, 11):
    from typing import Self
else:
    Self = TypeVar("Self")

__all__ = ["Self"]
