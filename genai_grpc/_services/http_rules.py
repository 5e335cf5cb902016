"""Where each RPC is in HTTP: the `google.api.http` rules of the descriptors.

The rules are those of https://google.aip.dev/127 and of the comments in google/api/http.proto.
"""

from __future__ import annotations

import re
from functools import cache
from operator import attrgetter
from typing import Any, Final, NamedTuple
from urllib.parse import quote, unquote

from genai_grpc._services.api_versions import PACKAGE
from genai_grpc._services.method import Method
from genai_grpc_protos._pool import POOL, message_class

__all__ = ["HttpBinding", "PathTemplate", "bindings_of", "in_v1", "other_version", "path_template_of"]

# The rules of the service's configuration, in place of those in the proto of google.longrunning.
_OPERATIONS: Final = {
    "GetOperation": (
        "GET",
        "",
        (
            "/v1beta/{name=tunedModels/*/operations/*}",
            "/v1beta/{name=models/*/operations/*}",
            "/v1beta/{name=corpora/*/operations/*}",
            "/v1beta/{name=generatedFiles/*/operations/*}",
            "/v1beta/{name=batches/*}",
        ),
    ),
    "ListOperations": (
        "GET",
        "",
        ("/v1beta/{name=tunedModels/*}/operations", "/v1beta/{name=models/*}/operations", "/v1beta/{name=batches}"),
    ),
    "CancelOperation": ("POST", "*", ("/v1beta/{name=batches/*}:cancel",)),
    "DeleteOperation": ("DELETE", "", ("/v1beta/{name=batches/*}",)),
}


class HttpBinding(NamedTuple):
    """One form of a method in HTTP.

    Attributes:
        verb: Such as "POST".
        template: Its paths.
        body: The field of the request that is the body; "*" for all fields that are not in the path; "" for none.
    """

    verb: str
    template: PathTemplate
    body: str


class PathTemplate:
    """Template of paths, such as `/v1beta/{model=models/*}:generateContent`.

    Args:
        text: The template.

    Attributes:
        fields: The fields of the request that are in the path, such as "tuned_model.name".
        verb: What follows the last colon, with the colon; "" for nothing.

    >>> template = PathTemplate("/v1beta/{model=models/*}:generateContent")
    >>> template.match("/v1beta/models/a%20b:generateContent")
    {'model': 'models/a b'}
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.fields = tuple(re.findall(r"\{([\w.]+)", text))
        last_colon = re.search(r":\w+$", text)
        self.verb = last_colon[0] if last_colon else ""
        self._parts = re.split(r"(\{[^}]+\})", text)
        self._values = {field: re.compile(pattern) for field, pattern in map(_variable, self._parts[1::2])}
        self._path = re.compile("".join(_to_pattern(part) for part in self._parts))

    def expand(self, message: Any) -> str | None:
        """The path of a request; None if a field does not have the form that the template wants."""
        path = ""
        for part in self._parts:
            if not part.startswith("{"):
                path += part
                continue
            field, _ = _variable(part)
            value = attrgetter(field)(message)
            if not self._values[field].fullmatch(value):
                return None
            path += quote(value, safe="/-_.~")
        return path

    def match(self, path: str) -> dict[str, str] | None:
        """The fields in a path as it was received; None if the template does not have it.

        A slash that was encoded stays encoded: it is no separator.
        """
        found = self._path.fullmatch(path)
        if found is None:
            return None
        return {field: _decode(value) for field, value in zip(self.fields, found.groups(), strict=True)}

    def __repr__(self) -> str:
        return f"PathTemplate({self.text!r})"


def _variable(part: str) -> tuple[str, str]:
    """The field of a variable such as `{name=models/*}`, and the pattern of its values."""
    field, _, pattern = part[1:-1].partition("=")
    return field, "/".join(_SEGMENTS.get(segment, re.escape(segment)) for segment in (pattern or "*").split("/"))


_SEGMENTS: Final = {"*": "[^/]+", "**": ".+"}


def _to_pattern(part: str) -> str:
    return f"({_variable(part)[1]})" if part.startswith("{") else re.escape(part)


def _decode(value: str) -> str:
    return "%2F".join(unquote(part, errors="strict") for part in re.split("%2[Ff]", value))


@cache
def path_template_of(text: str) -> PathTemplate:
    """The template of a text, built once."""
    return PathTemplate(text)


@cache
def bindings_of(method: Method[Any, Any]) -> tuple[HttpBinding, ...]:
    """The forms of a method in HTTP, under the API version of its path; empty if it has none."""
    _, service, name = method.path.split("/")
    if service.startswith("google.longrunning."):
        verb, body, texts = _OPERATIONS.get(name, ("", "", ()))
        return tuple(HttpBinding(verb, path_template_of(text), body) for text in texts)
    bindings = tuple(_to_binding(rule) for rule in _rules(method))
    if not service.startswith(f"{PACKAGE}.v1."):
        return bindings
    return tuple(map(in_v1, bindings))


def in_v1(binding: HttpBinding) -> HttpBinding:
    """The form of a method under API version v1."""
    return binding._replace(template=path_template_of(binding.template.text.replace("/v1beta/", "/v1/", 1)))


def other_version(binding: HttpBinding) -> HttpBinding:
    """The form of a method under the other version that servers of HTTP have: v1, or v1beta1 of Vertex AI."""
    text = binding.template.text
    if text.startswith("/v1beta/"):
        return in_v1(binding)
    return binding._replace(template=path_template_of(text.replace("/v1/", "/v1beta1/", 1)))


def _rules(method: Method[Any, Any]) -> tuple[Any, ...]:
    """The `google.api.HttpRule`s of a method, the first one first."""
    service_name, _, name = method.name.partition(".")
    service: Any = POOL.FindServiceByName(f"{method.package}.{service_name}")  # type: ignore[no-untyped-call, unused-ignore]  # typed in some releases of the stubs only
    # Parsed with classes of our own pool, as in `Method`.
    file: Any = message_class("google.protobuf.FileDescriptorProto").FromString(service.file.serialized_pb)
    methods = next(each for each in file.service if each.name == service_name).method
    options = next(each for each in methods if each.name == name).options
    rule = options.Extensions[POOL.FindExtensionByName("google.api.http")]  # type: ignore[no-untyped-call, unused-ignore]  # as above
    return (rule, *rule.additional_bindings) if rule.WhichOneof("pattern") else ()


def _to_binding(rule: Any) -> HttpBinding:
    verb = rule.WhichOneof("pattern")
    return HttpBinding(verb.upper(), path_template_of(getattr(rule, verb)), rule.body)
