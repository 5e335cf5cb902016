"""The names of `google.generativeai.retriever`."""

from genai_grpc.generativeai._missing import module_getattr
from genai_grpc.generativeai.client import get_default_retriever_async_client, get_default_retriever_client
from genai_grpc.retriever import (
    create_corpus,
    create_corpus_async,
    delete_corpus,
    delete_corpus_async,
    get_corpus,
    get_corpus_async,
    list_corpora,
    list_corpora_async,
)

__all__ = [
    "create_corpus",
    "create_corpus_async",
    "delete_corpus",
    "delete_corpus_async",
    "get_corpus",
    "get_corpus_async",
    "get_default_retriever_async_client",
    "get_default_retriever_client",
    "list_corpora",
    "list_corpora_async",
]

__getattr__ = module_getattr(__name__)
