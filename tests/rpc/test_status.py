from __future__ import annotations

import pickle
from typing import Any

import grpc
import pytest
from google.protobuf import any_pb2, struct_pb2
from hypothesis import given
from hypothesis import strategies as st

from genai_grpc import errors
from genai_grpc._error_hints import HINTS
from genai_grpc._rpc.secret import secrets_in
from genai_grpc._rpc.status import DETAILS_KEY, decode_details, encode_details, parse_status
from genai_grpc_protos import rpc

pytestmark = pytest.mark.usefixtures("no_api_core")

CODES = {
    "CANCELLED": (errors.Cancelled, 499),
    "UNKNOWN": (errors.Unknown, 500),
    "INVALID_ARGUMENT": (errors.InvalidArgument, 400),
    "DEADLINE_EXCEEDED": (errors.DeadlineExceeded, 504),
    "NOT_FOUND": (errors.NotFound, 404),
    "ALREADY_EXISTS": (errors.AlreadyExists, 409),
    "PERMISSION_DENIED": (errors.PermissionDenied, 403),
    "RESOURCE_EXHAUSTED": (errors.ResourceExhausted, 429),
    "FAILED_PRECONDITION": (errors.FailedPrecondition, 400),
    "ABORTED": (errors.Aborted, 409),
    "OUT_OF_RANGE": (errors.OutOfRange, 400),
    "UNIMPLEMENTED": (errors.MethodNotImplemented, 501),
    "INTERNAL": (errors.InternalServerError, 500),
    "UNAVAILABLE": (errors.ServiceUnavailable, 503),
    "DATA_LOSS": (errors.DataLoss, 500),
    "UNAUTHENTICATED": (errors.Unauthenticated, 401),
}


def test_table_has_every_code() -> None:
    """The table of this test has every gRPC status code but OK."""
    assert CODES.keys() == {code.name for code in grpc.StatusCode} - {"OK"}


@pytest.mark.parametrize("status", CODES)
def test_error_class(status: str) -> None:
    """Each status code has its own error class, with the HTTP code of google.api_core."""
    error_type, code = CODES[status]
    error = parse_status(grpc.StatusCode[status], "no", None)
    assert type(error) is error_type
    assert (error.status, error.code, error.grpc_status_code) == (status, code, grpc.StatusCode[status])
    assert (error.message, str(error), error.details, error.attempts) == ("no", f"{code} no", (), 1)
    assert isinstance(error, errors.APIError)
    assert isinstance(error, errors.GenAIError)


@pytest.mark.parametrize("message", [None, ""])
def test_missing_message(message: str | None) -> None:
    """The message of a status without one is its name."""
    assert str(parse_status(grpc.StatusCode.NOT_FOUND, message, ())) == "404 NOT_FOUND"


def test_ok_is_unknown_error() -> None:
    """A call that failed with status OK is Unknown."""
    assert type(parse_status(grpc.StatusCode.OK, "what?", ())) is errors.Unknown


DETAILS = (
    rpc.ErrorInfo(reason="API_KEY_INVALID", domain="googleapis.com", metadata={"service": "x"}),
    rpc.RetryInfo(retry_delay={"seconds": 3}),  # type: ignore[arg-type]  # protobuf takes a dict for a message
    rpc.QuotaFailure(violations=[rpc.QuotaFailure.Violation(subject="project:1", description="too many")]),
    rpc.BadRequest(field_violations=[rpc.BadRequest.FieldViolation(field="contents", description="empty")]),
    rpc.Help(links=[rpc.Help.Link(description="Docs", url="https://ai.google.dev")]),
)


def trailing(*details: Any) -> list[tuple[str, bytes]]:
    """Trailing metadata with these details."""
    status = rpc.Status(code=8, message="no")
    for detail in details:
        packed = status.details.add()
        packed.type_url, packed.value = f"type.googleapis.com/{detail.DESCRIPTOR.full_name}", detail.SerializeToString()
    return [(DETAILS_KEY, status.SerializeToString())]


def test_details() -> None:
    """The details of a status are decoded, each as a message of its type."""
    pairs: list[tuple[str, str | bytes]] = [("x-other", "1"), *trailing(*DETAILS)]
    assert parse_status(grpc.StatusCode.RESOURCE_EXHAUSTED, "no", pairs).details == DETAILS


def test_details_round_trip() -> None:
    """The client decodes the details that the server encodes."""
    assert decode_details(encode_details(errors.ResourceExhausted("no", details=DETAILS))) == DETAILS
    assert encode_details(errors.ResourceExhausted("no")) == ()


def test_detail_of_unknown_type() -> None:
    """A detail of an unknown type stays packed, and the others are decoded."""
    unknown = struct_pb2.Value(string_value="x")
    pairs = trailing(DETAILS[0])
    status = rpc.Status.FromString(pairs[0][1])
    status.details.add(type_url="type.googleapis.com/example.Unknown", value=unknown.SerializeToString())
    first, second = decode_details([(DETAILS_KEY, status.SerializeToString())])
    assert first == DETAILS[0]
    assert second.DESCRIPTOR.full_name == any_pb2.Any.DESCRIPTOR.full_name
    assert getattr(second, "type_url", "") == "type.googleapis.com/example.Unknown"


@pytest.mark.parametrize(
    "pairs",
    [
        pytest.param([], id="none"),
        pytest.param([("x-other", "1")], id="other keys only"),
        pytest.param([(DETAILS_KEY, "a str")], id="str"),
        pytest.param([(DETAILS_KEY, b"")], id="empty"),
        pytest.param([(DETAILS_KEY, b"\xff\xff\xff")], id="malformed"),
    ],
)
def test_no_details(pairs: list[tuple[str, str | bytes]]) -> None:
    """Metadata without a valid Status has no details."""
    assert parse_status(grpc.StatusCode.NOT_FOUND, "no", pairs).details == ()


@given(st.binary(max_size=200))
def test_malformed_status(data: bytes) -> None:
    """Decoding details never raises, whatever the bytes."""
    assert isinstance(decode_details([(DETAILS_KEY, data)]), tuple)


@given(
    st.sampled_from(["google.rpc.ErrorInfo", "google.rpc.Code", "google.rpc", "google.protobuf.Any", ""]) | st.text(),
    st.binary(max_size=100),
)
def test_malformed_detail(name: str, data: bytes) -> None:
    """Every detail is decoded or stays packed, whatever its type and its bytes."""
    status = rpc.Status()
    status.details.add(type_url=f"type.googleapis.com/{name}", value=data)
    assert len(decode_details([(DETAILS_KEY, status.SerializeToString())])) == 1


@pytest.mark.parametrize("reason", HINTS)
def test_hint(reason: str) -> None:
    """An error says what to do about its reason; its message stays what the service sent."""
    pairs = trailing(rpc.ErrorInfo(reason=reason, domain="googleapis.com"))
    error = parse_status(grpc.StatusCode.PERMISSION_DENIED, "no", pairs)
    assert (error.message, str(error)) == ("no", f"403 no ({reason}: {HINTS[reason]})")
    error.attempts = 2
    assert str(pickle.loads(pickle.dumps(error))) == f"403 no (after 2 attempts) ({reason}: {HINTS[reason]})"


def test_reasons_documented() -> None:
    """The reasons with hints are those that Google documents, and those of keys and tokens all have one."""
    error_reason_pb2 = pytest.importorskip("google.api.error_reason_pb2")
    documented = set(error_reason_pb2.ErrorReason.keys())
    assert documented >= HINTS.keys()
    assert {name for name in documented if name.startswith(("API_KEY_", "ACCESS_TOKEN_"))} <= HINTS.keys()


@pytest.mark.parametrize(
    "info",
    [
        {"reason": "API_KEY_INVALID", "domain": "local.genai-grpc"},
        {"reason": "API_KEY_INVALID"},
        {"reason": "RATE_LIMIT_EXCEEDED", "domain": "googleapis.com"},
        {},
    ],
    ids=["other domain", "no domain", "other reason", "empty"],
)
def test_no_hint(info: dict[str, str]) -> None:
    """A reason of another domain, or one that is not in the table, has no hint."""
    error = parse_status(grpc.StatusCode.PERMISSION_DENIED, "no", trailing(rpc.ErrorInfo(**info)))  # type: ignore[arg-type] # strings
    assert str(error) == "403 no"


KEY = "AIzaSyA-not_a_real-key"


@given(st.text(max_size=20), st.text(max_size=20), st.sampled_from([KEY, f"{KEY}{KEY}"]))
def test_secret_masked(before: str, after: str, secret: str) -> None:
    """A secret of the call is masked in the message and in every string of the details, and nothing else is changed."""
    text = f"{before}{secret}{after}"
    info = rpc.ErrorInfo(reason=text, domain=before, metadata={"given": text, "other": after})
    secrets = secrets_in([("x-goog-api-key", KEY), ("x-goog-request-params", "model=models/m"), ("x-bin", b"1")])
    error = parse_status(grpc.StatusCode.NOT_FOUND, text, trailing(info, DETAILS[1]), secrets)
    assert KEY not in f"{error!r} {error.details}"
    assert error.message == text.replace(KEY, "***")
    masked = text.replace(KEY, "*" * len(KEY))
    assert error.details[0] == rpc.ErrorInfo(reason=masked, domain=before, metadata={"given": masked, "other": after})
    assert error.details[1] == DETAILS[1]


def test_secrets_in() -> None:
    """Keys and tokens are the secrets of metadata; a short value may be a common word."""
    metadata: list[tuple[str, str | bytes]] = [
        ("authorization", "Bearer ya29.token-of-google"),
        ("x-goog-api-key", KEY),
        ("x-my-token", "short"),
        ("x-auth-bin", b"bytes-that-are-long"),
        ("x-goog-user-project", "my-long-project"),
    ]
    assert secrets_in(metadata) == (KEY, "ya29.token-of-google")
