"""Requests and replies in HTTP/JSON."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from genai_grpc import errors, protos
from genai_grpc._services.http_rules import bindings_of
from genai_grpc._services.transcoding import Routes, from_json, to_http, to_json
from genai_grpc_protos._json import from_json_dict
from genai_grpc_protos._pool import message_class
from genai_grpc_protos.protobuf import FieldMask
from tests.services.test_generative_language import METHODS
from tests.test_chat_json import is_repeated, scalars

ROUTES = Routes(METHODS.values())
IN_HTTP = [name for name, method in METHODS.items() if bindings_of(method)]


def request_of(verb: str, target: str, body: bytes | None = None) -> Any:
    """The request that a server reads."""
    path, _, query = target.partition("?")
    route = ROUTES.find(verb, path)
    assert route is not None, target
    return route.parse(parse_qsl(query, keep_blank_values=True), body or b"")


def transcoded(name: str, request: Any) -> Any:
    """A request that went over HTTP."""
    call = to_http(METHODS[name], request)
    return request_of(*call)


@st.composite
def messages(draw: st.DrawFn, message_type: Any, depth: int = 3) -> Any:
    """A message whose fields JSON has: no floats that are no numbers, and only known values of enums."""
    message = message_type()
    fields = [field for field in message.DESCRIPTOR.fields if has_json(field, depth)]
    for field in draw(st.lists(st.sampled_from(fields), max_size=3)) if fields else ():
        value: Any
        if field.message_type is not None:
            value = messages(message_class(field.message_type.full_name), depth - 1)
        elif field.enum_type is not None:
            value = st.sampled_from([each.number for each in field.enum_type.values])
        else:
            value = next(strategy for name, strategy in scalars.items() if getattr(field, name) == field.type)
            if field.type in (field.TYPE_FLOAT, field.TYPE_DOUBLE):
                value = value.filter(lambda number: abs(number) < 1e30)
        if is_repeated(field):
            getattr(message, field.name).extend(draw(st.lists(value, max_size=2)))
        elif field.message_type is None:
            setattr(message, field.name, draw(value))
        else:
            getattr(message, field.name).CopyFrom(draw(value))
    return message


def has_json(field: Any, depth: int) -> bool:
    message_type = field.message_type
    if message_type is None:
        return True
    return bool(depth and message_type.file.package != "google.protobuf" and not message_type.GetOptions().map_entry)


@pytest.mark.parametrize("name", IN_HTTP)
@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.data())
def test_round_trip(name: str, data: st.DataObject) -> None:
    """What a client sends is what a server reads, for every method and each of its paths."""
    method = METHODS[name]
    binding = data.draw(st.sampled_from(bindings_of(method)))
    request = data.draw(messages(method.request))
    if not binding.body:
        for field, _ in list(request.ListFields()):
            if field.message_type is not None:
                request.ClearField(field.name)  # a query has no form for it
    for path in binding.template.fields:
        *parents, last = path.split(".")
        owner = request
        for parent in parents:
            owner = getattr(owner, parent)
        segments = binding.template.text.partition(f"{{{path}=")[2].partition("}")[0].replace("**", "*").split("*")
        texts = [data.draw(st.sampled_from(["a", "gemini-2.5-pro", "ü b?&#", "a:b"])) for _ in segments[1:]]
        setattr(owner, last, "".join(sum(zip(segments, [*texts, ""], strict=True), ())))
    if hasattr(request, "update_mask") and data.draw(st.booleans()):
        request.update_mask.paths.extend(["display_name", "a.b_c"])
    assert transcoded(name, request) == request


def test_request() -> None:
    """A request in HTTP has the names and the forms of the service's documentation."""
    request = protos.GenerateContentRequest(
        model="models/gemini-pro",
        contents=[{"role": "user", "parts": [{"text": "Grüße"}, {"inline_data": {"mime_type": "a/b", "data": b"1"}}]}],
        generation_config={"max_output_tokens": 9, "response_modalities": ["TEXT"]},
    )
    call = to_http(METHODS["GenerativeService.StreamGenerateContent"], request, alt="sse")
    assert (call.verb, call.target) == ("POST", "/v1beta/models/gemini-pro:streamGenerateContent?alt=sse")
    assert call.body is not None
    assert "Grüße".encode() in call.body
    assert json.loads(call.body) == {
        "contents": [
            {"role": "user", "parts": [{"text": "Grüße"}, {"inlineData": {"mimeType": "a/b", "data": "MQ=="}}]}
        ],
        "generationConfig": {"maxOutputTokens": 9, "responseModalities": ["TEXT"]},
    }


def test_query() -> None:
    """What has no place in the path and in the body is in the query."""
    listed = to_http(METHODS["FileService.ListFiles"], protos.ListFilesRequest(page_size=7, page_token="a&b"))
    assert listed == ("GET", "/v1beta/files?pageSize=7&pageToken=a%26b", None)
    update = protos.UpdateTunedModelRequest(
        tuned_model={"name": "tunedModels/a", "display_name": "A"}, update_mask=FieldMask(paths=["display_name"])
    )
    updated = to_http(METHODS["ModelService.UpdateTunedModel"], update)
    assert updated == ("PATCH", "/v1beta/tunedModels/a?updateMask=displayName", b'{"displayName":"A"}')
    deleted = to_http(
        METHODS["RetrieverService.DeleteCorpus"], protos.DeleteCorpusRequest(name="corpora/a", force=True)
    )
    assert deleted == ("DELETE", "/v1beta/corpora/a?force=true", None)


@pytest.mark.parametrize(
    ("name", "message", "problem"),
    [
        ("ModelService.GetModel", protos.GetModelRequest(name="gemini"), "GetModel with name='gemini' has no form"),
        (
            "GenerativeService.BidiGenerateContent",
            protos.BidiGenerateContentClientMessage(),
            "BidiGenerateContent has no form in HTTP; use transport='grpc'",
        ),
    ],
)
def test_no_form(name: str, message: Any, problem: str) -> None:
    """A request that HTTP has no path for is a ValueError that names its fields."""
    with pytest.raises(ValueError, match=problem):
        to_http(METHODS[name], message)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"generationConfig": {"maxOutputTokens": 9}}, {"generation_config": {"max_output_tokens": 9}}),
        ({"generation_config": {"max_output_tokens": 9}}, {"generation_config": {"max_output_tokens": 9}}),
        ({"generation_config": {"max_output_tokens": "9"}}, {"generation_config": {"max_output_tokens": 9}}),
        ({"generationConfig": {"responseModalities": ["text"]}}, {"generation_config": {"response_modalities": [1]}}),
        ({"generationConfig": {"responseModalities": [1]}}, {"generation_config": {"response_modalities": [1]}}),
        ({"contents": None}, {}),
        ({}, {}),
    ],
)
def test_spellings(body: Any, expected: Any) -> None:
    """Names in camelCase and in snake_case, names of enum values in any case, and numbers as text are the same."""
    request = request_of("POST", "/v1beta/models/a:generateContent", json.dumps(body).encode())
    assert request == protos.GenerateContentRequest(model="models/a", **expected)


def test_names_of_users() -> None:
    """The keys of a Struct and of a map are not changed."""
    call = {"name": "f", "args": {"snake_case": {"camelCase": [1, None]}}}
    schema = {"type": "object", "properties": {"snake_case": {"type": "string"}}}
    body = {
        "contents": [{"parts": [{"functionCall": call}]}],
        "generationConfig": {"responseSchema": schema},
    }
    request = request_of("POST", "/v1beta/models/a:generateContent", json.dumps(body).encode())
    assert request.contents[0].parts[0].function_call.args["snake_case"] == {"camelCase": [1, None]}
    assert list(request.generation_config.response_schema.properties) == ["snake_case"]
    assert request.generation_config.response_schema.type == protos.Type.OBJECT


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("{", "the body is not JSON"),
        ("\xff", "the body is not JSON"),
        ("[" * 100_000, "the body is not JSON: the JSON is nested too deeply"),
        ("[]", "the body is a GenerateContentRequest, an object in JSON; got list"),
        ('{"nothing": 1}', r"unknown field 'nothing' \(GenerateContentRequest\)"),
        ('{"contents": [{"part": []}]}', r"unknown field 'part' in contents\[0\] \(Content\)"),
        ('{"contents": {}}', "contents is an array in JSON; got dict"),
        ('{"contents": [7]}', r"contents\[0\] is a Content, an object in JSON; got int"),
        ('{"contents": [{"parts": [{"text": 7}]}]}', "text"),
        ('{"generationConfig": {"responseModalities": ["SMELL"]}}', r"\[0\] is 'SMELL'; it is one of MODALITY_UNSP"),
        ('{"generationConfig": {"maxOutputTokens": 1e99}}', "max_output_tokens|maxOutputTokens"),
        ('{"generationConfig": {"maxOutputTokens": 99999999999}}', "max_output_tokens|maxOutputTokens"),
        ('{"generationConfig": {}, "generation_config": {}}', "generation_config is given twice"),
        ('{"systemInstruction": ' * 200 + "{}" + "}" * 200, "unknown field|nested too deeply"),
        (
            '{"generationConfig": {"responseSchema": ' + '{"items": ' * 150 + "{}" + "}" * 152,
            "nested too deeply; 100 levels are allowed",
        ),
        ('{"contents": [{"parts": [{"inlineData": {"data": "*"}}]}]}', "base64"),
    ],
)
def test_wrong_body(body: str, problem: str) -> None:
    """A body that is not the request is INVALID_ARGUMENT, which names the field."""
    with pytest.raises(errors.InvalidArgument, match=problem):
        request_of("POST", "/v1beta/models/a:generateContent", body.encode("latin-1"))


@pytest.mark.parametrize(
    ("target", "problem"),
    [
        ("/v1beta/models?page=1", "unknown parameter 'page'"),
        ("/v1beta/models?pageSize=x", "page"),
        ("/v1beta/models?pageSize.x=1", "unknown parameter 'pageSize.x'"),
        ("/v1beta/models/%FF", "the path is not UTF-8"),
    ],
)
def test_wrong_query(target: str, problem: str) -> None:
    """A parameter that the method does not have is INVALID_ARGUMENT, which names it."""
    with pytest.raises(errors.InvalidArgument, match=problem):
        request_of("GET", target)


@pytest.mark.parametrize("value", ["true", "false", "yes"])
def test_query_with_a_bool(value: str) -> None:
    """A bool in a query is true or false."""
    target = f"/v1beta/corpora/a?force={value}"
    if value == "yes":
        with pytest.raises(errors.InvalidArgument, match="force is 'yes'; it is true or false"):
            request_of("DELETE", target)
    else:
        assert request_of("DELETE", target).force == (value == "true")


def test_system_parameters() -> None:
    """The parameters of every method of Google's are no fields."""
    target = "/v1beta/models?key=k&alt=json&$alt=json&prettyPrint=false&fields=*&quotaUser=u&pageSize=3"
    assert request_of("GET", target) == protos.ListModelsRequest(page_size=3)


@pytest.mark.parametrize(
    ("verb", "path", "name"),
    [
        ("GET", "/v1beta/models", "ListModels"),
        ("GET", "/v1beta/models/a", "GetModel"),
        ("GET", "/v1/models/a", "GetModel"),
        ("GET", "/v1beta/files/a:download", "DownloadFile"),
        ("GET", "/v1beta/files/a", "GetFile"),
        ("GET", "/v1beta/files/a:b", "GetFile"),
        ("POST", "/v1/models/a:countTokens", "CountTokens"),
        ("POST", "/v1beta/tunedModels/a:generateContent", "GenerateContent"),
        ("GET", "/v1beta/tunedModels/a/operations/b", "GetOperation"),
        ("POST", "/v1beta/models", None),
        ("GET", "/v1beta/models/", None),
        ("GET", "/v1beta/models/../files", None),
        ("GET", "/v1beta//models", None),
        ("POST", "/v1beta/models/a:explode", None),
        ("GET", "/v1/files", "ListFiles"),
        ("GET", "/v2/files", None),
        ("GET", "/", None),
        ("BREW", "/v1beta/models", None),
    ],
)
def test_routes(verb: str, path: str, name: str | None) -> None:
    """A path names one method, or none."""
    route = ROUTES.find(verb, path)
    assert (route and route.method.name.partition(".")[2]) == name


def test_verbs_of_a_path() -> None:
    """A path may be that of methods with other verbs."""
    assert ROUTES.verbs("/v1beta/tunedModels/a") == ["DELETE", "GET", "PATCH"]
    assert ROUTES.verbs("/nowhere") == []


def test_reply() -> None:
    """A reply has the service's JSON, and one with fields and enum values of a later version is read all the same."""
    reply = protos.GenerateContentResponse(
        candidates=[{"content": {"parts": [{"text": "Hi"}]}, "finish_reason": "STOP"}], response_id="1"
    )
    data = to_json(reply)
    assert json.loads(data) == {
        "candidates": [{"content": {"parts": [{"text": "Hi"}]}, "finishReason": "STOP"}],
        "responseId": "1",
    }
    assert from_json(protos.GenerateContentResponse, data) == reply
    newer = json.loads(data)
    newer["mood"] = {"good": True}
    newer["candidates"][0]["finishReason"] = "TIRED"
    newer["candidates"][0]["content"]["parts"][0]["smell"] = "rose"
    reply.candidates[0].ClearField("finish_reason")
    assert from_json(protos.GenerateContentResponse, json.dumps(newer).encode()) == reply


def test_base64() -> None:
    """Bytes are read in both alphabets, without a warning of Python 3.15, and what was passed is not changed."""
    parts = [{"inlineData": {"data": data}} for data in ("+/8=", "-_8=", "+/8")]
    value = {"candidates": [{"content": {"parts": parts}}]}
    reply = from_json(protos.GenerateContentResponse, json.dumps(value).encode())
    assert [part.inline_data.data for part in reply.candidates[0].content.parts] == [b"\xfb\xff"] * 3
    before = json.dumps(value)
    assert from_json_dict(protos.GenerateContentResponse, value) == reply
    assert json.dumps(value) == before


@pytest.mark.parametrize("data", [b"", b"<html>", b"[]", b"\xff", b'{"candidates": 1}'])
def test_wrong_reply(data: bytes) -> None:
    """What is not the JSON of a reply is a ValueError."""
    with pytest.raises(ValueError, match="Expecting value|candidates|GenerateContentResponse|utf-8"):
        from_json(protos.GenerateContentResponse, data)


def nested(depth: int) -> bytes:
    """A reply with lists in lists."""
    part = {"functionCall": {"name": "f", "args": {"a": "nested"}}}
    reply = json.dumps({"candidates": [{"content": {"parts": [part]}}]})
    return reply.replace('"nested"', "[" * depth + "]" * depth).encode()


@pytest.mark.parametrize("depth", [1, 10, 20])
def test_nested_reply(depth: int) -> None:
    """A reply may be as deep as over gRPC."""
    response = from_json(protos.GenerateContentResponse, nested(depth))
    assert response.candidates[0].content.parts[0].function_call.name == "f"


@pytest.mark.parametrize("depth", [100, 200, 1000, 5000])
def test_reply_that_is_too_deep(depth: int) -> None:
    """A reply that is deeper is no JSON of its message."""
    with pytest.raises(ValueError, match="deep"):
        from_json(protos.GenerateContentResponse, nested(depth))
