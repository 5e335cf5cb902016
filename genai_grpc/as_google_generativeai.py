"""Makes `import google.generativeai` import this package, for programs and libraries that cannot be edited.

Import it once, before anything imports google.generativeai:

>>> import genai_grpc.as_google_generativeai
>>> import google.generativeai as genai
>>> from google.generativeai.types import content_types
>>> genai.GenerativeModel("gemini-pro").model_name
'models/gemini-pro'

From then on `google.generativeai` and its modules are `genai_grpc.generativeai` and its modules, in the whole process,
whether or not google-generativeai is installed. The messages of `google.ai.generativelanguage`, which libraries import
with it, are ours, too: in the predecessor the messages of both are the same classes, and libraries rely on it. Where
google-ai-generativelanguage is installed, its clients send and return our messages; where it is not, there are no
clients. Other packages of `google` are not affected.

Limits: `importlib.metadata.version("google-generativeai")` and `pip` see what is installed, not this package; type
checkers do, too.

Raises:
    ImportError: google.generativeai has been imported already, and modules may hold its names.
"""

import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_loader
from types import ModuleType
from typing import Final

from genai_grpc.generativeai import _generativelanguage

__all__: list[str] = []

_THEIRS: Final = "google.generativeai"
_OURS: Final = "genai_grpc.generativeai"


class _Alias(MetaPathFinder, Loader):
    """Finds and loads `google.generativeai` and its modules as ours."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        del path, target
        if fullname == _THEIRS or fullname.startswith(_THEIRS + "."):
            return spec_from_loader(fullname, self)
        return None

    def exec_module(self, module: ModuleType) -> None:
        # The import system takes the module that is registered now, and leaves its attributes as they are.
        sys.modules[module.__name__] = import_module(_OURS + module.__name__.removeprefix(_THEIRS))


def _install() -> None:
    loaded = sys.modules.get(_THEIRS)
    if loaded is not None and loaded.__name__ != _OURS:
        raise ImportError(
            f"google.generativeai has been imported already, from {loaded.__file__}; "
            "import genai_grpc.as_google_generativeai before the first module that imports it"
        )
    with suppress(ImportError):  # Pillow is an extra
        import_module("PIL.Image")  # google.generativeai imports it, and programs use it after `import PIL`
    sys.meta_path.insert(0, _Alias())
    _generativelanguage.install()


_install()
