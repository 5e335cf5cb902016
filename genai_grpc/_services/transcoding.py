"""Requests and replies in HTTP/JSON, from and to messages (https://google.aip.dev/127). Pure: nothing is sent here."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple, TypeVar
from urllib.parse import urlencode

from google.protobuf.message import DecodeError, Message

from genai_grpc._services.http_rules import HttpBinding, bindings_of, other_version
from genai_grpc._services.json_codec import Unusual, read_fields, write_fields
from genai_grpc._services.json_requests import parse_request
from genai_grpc._services.method import Method
from genai_grpc.errors import InvalidArgument

__all__ = ["HttpCall", "Route", "Routes", "from_json", "to_http", "to_json"]

M = TypeVar("M", bound=Message)

_SYSTEM_PARAMETERS: Final = frozenset(
    {
        "$.xgafv",
        "$alt",
        "$fields",
        "$prettyPrint",
        "access_token",
        "alt",
        "callback",
        "fields",
        "key",
        "prettyPrint",
        "quotaUser",
        "uploadType",
        "upload_protocol",
    }
)
"""Query parameters of every method (https://cloud.google.com/apis/docs/system-parameters)."""


class HttpCall(NamedTuple):
    """A request in HTTP.

    Attributes:
        verb: Such as "POST".
        target: The path, with the query.
        body: The JSON; None for no body.
    """

    verb: str
    target: str
    body: bytes | None


class Route(NamedTuple):
    """A method that a path names.

    Attributes:
        method: The method.
        binding: The form of it.
        fields: The fields of the request that are in the path.
    """

    method: Method[Any, Any]
    binding: HttpBinding
    fields: dict[str, str]

    def parse(self, query: Iterable[tuple[str, str]], body: bytes) -> Message:
        """The request of a query and a body.

        Raises:
            InvalidArgument: The query or the body is not that of the method.
        """
        parameters = [(name, value) for name, value in query if name not in _SYSTEM_PARAMETERS]
        return parse_request(self.method.request, self.binding.body, self.fields, parameters, body)


def to_http(
    method: Method[Any, Any], request: Message, extra_body: Mapping[str, Any] | None = None, **parameters: str
) -> HttpCall:
    """A request in HTTP.

    Args:
        method: The method.
        request: Its request.
        extra_body: JSON to merge into the body.
        parameters: System parameters for the query, such as `alt="sse"`.

    Raises:
        ValueError: The request has no form in HTTP.
    """
    bindings = bindings_of(method)
    for binding in bindings:
        if (path := binding.template.expand(request)) is not None:
            break
    else:
        names = {field: _get(request, field) for binding in bindings for field in binding.template.fields}
        given = f" with {', '.join(f'{name}={value!r}' for name, value in names.items())}" if names else ""
        raise ValueError(f"{method.name}{given} has no form in HTTP; use transport='grpc'")
    fields = _to_dict(request)
    for name in binding.template.fields:
        _remove(fields, name.split("."))
    body: Any = None
    if binding.body == "*":
        body, fields = fields, {}
    elif binding.body:
        body = fields.pop(_json_name(request, binding.body), None)
    if extra_body is not None:
        if not binding.body:
            raise ValueError(f"{method.name} has no body in HTTP, into which extra_body could be merged")
        body = _merge(body, extra_body)
    query = urlencode([*_flatten(fields), *parameters.items()])
    encoded = None if body is None else _dump(body)
    return HttpCall(binding.verb, f"{path}?{query}" if query else path, encoded)


class Routes:
    """The methods of an HTTP server, by their paths: those of v1beta, and the same under v1.

    The service has more methods under v1 over HTTP than over gRPC: google-genai calls files and caches there. Those of
    Vertex AI are under v1beta1, too, where google-genai calls them.

    Args:
        methods: The methods; those without a form in HTTP are left out.
    """

    def __init__(self, methods: Iterable[Method[Any, Any]]) -> None:
        # By the verb of HTTP and that of the path: few templates are left to try for each request.
        self._bindings: dict[tuple[str, str], list[tuple[HttpBinding, Method[Any, Any]]]] = {}
        for method in methods:
            for binding in bindings_of(method):
                key = binding.verb, binding.template.verb
                for version in (binding, other_version(binding)):
                    self._bindings.setdefault(key, []).append((version, method))

    def find(self, verb: str, path: str) -> Route | None:
        """The method of a path as it was received, without the query; None if there is none.

        Raises:
            InvalidArgument: The path is not UTF-8.
        """
        _, colon, name = path.rpartition("/")[2].rpartition(":")
        for of_path in dict.fromkeys((colon + name if colon else "", "")):
            for binding, method in self._bindings.get((verb, of_path), ()):
                try:
                    fields = binding.template.match(path)
                except UnicodeDecodeError:
                    raise InvalidArgument("the path is not UTF-8") from None
                if fields is not None:
                    return Route(method, binding, fields)
        return None

    def verbs(self, path: str) -> list[str]:
        """The verbs of HTTP with which a path names a method."""
        return sorted(verb for verb in {verb for verb, _ in self._bindings} if self.find(verb, path))


def to_json(message: Message) -> bytes:
    """The JSON of a message, as the service writes it: without fields that are not set, names in camelCase."""
    return _dump(_to_dict(message))


def from_json(message_type: type[M], data: bytes) -> M:
    """The message of a reply; fields that it does not have are ignored, as the service adds some.

    Raises:
        ValueError: It is not JSON, or not that of such a message.
    """
    try:
        return message_type(**read_fields(message_type, json.loads(data)))
    except (Unusual, ValueError, TypeError, RecursionError, DecodeError):  # such as a Struct that is nested too deeply
        from genai_grpc_protos._json import from_json_dict, load_json  # json_format takes 50 ms

        return from_json_dict(message_type, load_json(data), ignore_unknown_fields=True)


def _to_dict(message: Message) -> dict[str, Any]:
    try:
        return write_fields(message)
    except (Unusual, RecursionError):
        from genai_grpc_protos._json import to_json_dict  # as above

        return to_json_dict(message)


def _dump(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _merge(body: Any, extra: Mapping[str, Any]) -> dict[str, Any]:
    """Merge objects; any other value of `extra` replaces that of the body."""
    merged = dict(body or {})
    for name, value in extra.items():
        old = merged.get(name)
        merged[name] = _merge(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return merged


def _json_name(message: Message, field: str) -> str:
    name: str = message.DESCRIPTOR.fields_by_name[field].json_name
    return name


def _get(message: Any, path: str) -> Any:
    for name in path.split("."):
        message = getattr(message, name)
    return message


def _remove(fields: dict[str, Any], path: list[str]) -> None:
    """Remove a field, whose name has no capitals in JSON."""
    *parents, last = path
    for name in parents:
        fields = fields.get(_camel(name), {})
    fields.pop(_camel(last), None)


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.title() for word in rest)


def _flatten(fields: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, str]]:
    """The query parameters of fields: a dot between the names of nested ones, and one parameter for each item."""
    for name, value in fields.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{name}.")
            continue
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, Mapping):
                raise ValueError(f"{prefix}{name} holds messages, for which a query has no form; use transport='grpc'")  # noqa: TRY004 -- of the right type
            yield f"{prefix}{name}", json.dumps(item) if isinstance(item, bool) else str(item)
