"""The names of google.generativeai whose service this client does not call yet.

They can be imported, named in annotations and passed to isinstance. Calling one raises NotImplementedError, which says
what to use instead.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple, NoReturn

__all__ = ["NAMES", "not_yet"]

_STUBS: Final = "call it through the stub genai_grpc_protos.v1beta"


class _Service(NamedTuple):
    name: str
    instead: str


_FILES: Final = _Service(
    "Files",
    "put the content into the prompt, as a pathlib.Path or as {'mime_type': ..., 'data': ...}, "
    f"or for uploaded files {_STUBS}.file_service_pb2_grpc.FileServiceStub",
)
_EMBEDDINGS: Final = _Service("Embeddings", f"{_STUBS}.generative_service_pb2_grpc.GenerativeServiceStub")
_TUNING: Final = _Service("Tuning", f"{_STUBS}.model_service_pb2_grpc.ModelServiceStub")
_OPERATIONS: Final = _Service("Operations", "read the operation's state from its tuned model")
_PERMISSIONS: Final = _Service("Permissions", f"{_STUBS}.permission_service_pb2_grpc.PermissionServiceStub")
_RETRIEVER: Final = _Service("Retriever", f"{_STUBS}.retriever_service_pb2_grpc.RetrieverServiceStub")
_ANSWERS: Final = _Service("Answers", f"{_STUBS}.generative_service_pb2_grpc.GenerativeServiceStub")

_USES: Final[dict[_Service, str]] = {
    _FILES: "upload_file get_file list_files delete_file File.delete",
    _EMBEDDINGS: "embed_content embed_content_async",
    _TUNING: (
        "list_tuned_models create_tuned_model update_tuned_model delete_tuned_model "
        "get_base_model_name encode_tuning_data encode_tuning_example valid_tuned_model_name"
    ),
    _OPERATIONS: "list_operations get_operation delete_operation CreateTunedModelOperation",
    _PERMISSIONS: "get_permission get_permission_async valid_id Permission Permissions TunedModel.permissions",
    _RETRIEVER: (
        "create_corpus create_corpus_async get_corpus get_corpus_async list_corpora list_corpora_async "
        "delete_corpus delete_corpus_async decode_chunk decode_document make_custom_metadata valid_name "
        "Chunk ChunkData Condition Corpus CustomMetadata Document MetadataFilter RelevantChunk"
    ),
    _ANSWERS: "generate_answer generate_answer_async",
}
_SERVICE_OF: Final = {name: service for service, names in _USES.items() for name in names.split()}
NAMES: Final = tuple(filter(str.isidentifier, _SERVICE_OF))


def not_yet(name: str) -> NotImplementedError:
    """The error of a call that needs a service which is not supported yet.

    >>> str(not_yet("embed_content"))
    'embed_content needs the Embeddings service, which genai_grpc does not support yet; call it through the stub ...'
    """
    service = _SERVICE_OF[name]
    return NotImplementedError(
        f"{name} needs the {service.name} service, which genai_grpc does not support yet; {service.instead}"
    )


def __getattr__(name: str) -> Any:
    if name not in NAMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    make = _make_class if name[0].isupper() else _make_coroutine if name.endswith("_async") else _make_function
    value = globals()[name] = make(name)
    value.__name__ = value.__qualname__ = name
    return value


def _make_function(name: str) -> Callable[..., NoReturn]:
    def function(*args: object, **kwargs: object) -> NoReturn:
        del args, kwargs
        raise not_yet(name)

    function.__doc__ = _doc(name)
    return function


def _make_coroutine(name: str) -> Callable[..., Any]:
    async def function(*args: object, **kwargs: object) -> NoReturn:
        del args, kwargs
        raise not_yet(name)

    function.__doc__ = f"The async twin of `{name.removesuffix('_async')}`, which is not supported yet either."
    return function


def _make_class(name: str) -> type:
    return type(name, (), {"__init__": _make_function(name), "__module__": __name__, "__doc__": _doc(name)})


def _doc(name: str) -> str:
    return f"""Not supported yet: {name} needs the {_SERVICE_OF[name].name} service.

    >>> {name}()
    Traceback (most recent call last):
    NotImplementedError: {name} needs the {_SERVICE_OF[name].name} service, ...
    """
