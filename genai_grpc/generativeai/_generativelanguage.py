"""`google.ai.generativelanguage`, which programs of google.generativeai import with it: its messages are ours.

In the predecessor the messages of both packages are the same classes, and libraries rely on it: they pass one as a
value of the other, and use isinstance. Where google-ai-generativelanguage is installed, its clients then send and
return ours; where it is not, there are no clients.
"""

import sys
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec, spec_from_loader
from types import ModuleType
from typing import Any, Final

from genai_grpc import protos

__all__ = ["install"]

_VERSION: Final = "google.ai.generativelanguage_v1beta"
_TYPES: Final = f"{_VERSION}.types"
_PACKAGES: Final = ("google.ai", "google.ai.generativelanguage", _VERSION, _TYPES)


class _Fallback(MetaPathFinder, Loader):
    """Finds the package where it is not installed: modules of our messages."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        del path, target
        found = name in _PACKAGES or name.startswith(f"{_TYPES}.")
        return spec_from_loader(name, self, is_package=True) if found else None

    def exec_module(self, module: ModuleType) -> None:
        module.__dict__.update(__all__=protos.__all__, __getattr__=_message_of(module.__name__))


class _Replacement(MetaPathFinder):
    """Puts our messages into the modules of the package, once it has been imported."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        del path, target
        if name != _VERSION:
            return None
        sys.meta_path.remove(self)
        spec = find_spec(name)
        if spec is not None and spec.loader is not None and not isinstance(spec.loader, _Fallback):
            load = spec.loader.exec_module

            def exec_module(module: ModuleType) -> None:
                load(module)
                _replace_messages()

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]  # of this one loader
        return spec


def _replace_messages() -> None:
    for name, module in list(sys.modules.items()):
        if name in (_VERSION, _TYPES) or name.startswith(f"{_TYPES}."):
            for message in vars(module).keys() & set(protos.__all__):
                setattr(module, message, getattr(protos, message))


def _message_of(module: str) -> Callable[[str], Any]:
    def getattr_(name: str) -> Any:
        if name in protos.__all__:
            return getattr(protos, name)
        raise AttributeError(
            f"module {module!r} has no attribute {name!r}: it has the messages of genai_grpc; for Google's clients, "
            "install google-ai-generativelanguage"
        )

    return getattr_


def install() -> None:
    """Have the package import our messages from now on."""
    sys.meta_path.insert(0, _Replacement())
    sys.meta_path.append(_Fallback())
