from __future__ import annotations

from typing import Any

import pytest

from genai_grpc import protos
from genai_grpc.responses import GenerateContentResponse
from tests.chunks import make_chunk


def response_of(*parts: dict[str, Any], **fields: Any) -> GenerateContentResponse:
    """A response with one candidate of these parts."""
    return GenerateContentResponse.from_response(make_chunk(*parts, **fields))


CODE = {"executable_code": protos.ExecutableCode(language=protos.ExecutableCode.PYTHON, code="\n1 + 1")}
BARE_CODE = {"executable_code": protos.ExecutableCode(code="1 + 1")}
RESULT = {
    "code_execution_result": protos.CodeExecutionResult(outcome=protos.CodeExecutionResult.OUTCOME_OK, output="2")
}
FAILED = {
    "code_execution_result": protos.CodeExecutionResult(outcome=protos.CodeExecutionResult.OUTCOME_FAILED, output="oh")
}
CALL = {"function_call": protos.FunctionCall(name="add")}


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        pytest.param([{"text": "Hi"}], "Hi", id="one text"),
        pytest.param([{"text": "a"}, {"text": "b"}], "a\nb", id="several texts"),
        pytest.param([{"text": ""}], "", id="empty text"),
        pytest.param([{"text": "Hm", "thought": True}, {"text": "Hi"}], "Hi", id="thought"),
        pytest.param([{"text": "Hi"}, {"thought_signature": b"s"}], "Hi", id="thought signature"),
        pytest.param([{"text": "Hi"}, {}], "Hi", id="part without data"),
        pytest.param([CODE], "``` python\n1 + 1\n```", id="code"),
        pytest.param([BARE_CODE], "```\n1 + 1\n```", id="code without language"),
        pytest.param([RESULT], "```\n2\n```", id="result"),
        pytest.param([FAILED], "``` failed\noh\n```", id="failed result"),
        pytest.param(
            [{"text": "So:"}, CODE, RESULT, {"text": "Two."}],
            "So:\n``` python\n1 + 1\n```\n```\n2\n```\nTwo.",
            id="text, code and result",
        ),
    ],
)
def test_text(parts: list[dict[str, Any]], text: str) -> None:
    """The text joins the texts of the parts with line feeds; code and its results are fenced."""
    assert response_of(*parts).text == text


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        pytest.param({}, r"finish reason is FINISH_REASON_UNSPECIFIED \(0\)", id="no finish reason"),
        pytest.param({"finish_reason": protos.Candidate.MAX_TOKENS}, "MAX_TOKENS .*before any text", id="max tokens"),
        pytest.param({"finish_reason": protos.Candidate.RECITATION}, "RECITATION .*copyrighted", id="recitation"),
        pytest.param(
            {"finish_reason": protos.Candidate.OTHER, "finish_message": "Out of ink."},
            "OTHER .*finish message: Out of ink",
            id="finish message",
        ),
        pytest.param(
            {
                "finish_reason": protos.Candidate.SAFETY,
                "safety_ratings": [
                    protos.SafetyRating(
                        category=protos.HarmCategory.HARM_CATEGORY_HARASSMENT, probability=protos.SafetyRating.HIGH
                    )
                ],
            },
            "SAFETY .*safety settings.*HARASSMENT.*HIGH",
            id="safety ratings",
        ),
    ],
)
def test_no_text(fields: dict[str, Any], message: str) -> None:
    """The error of a response without text gives its finish reason, finish message and safety ratings."""
    with pytest.raises(ValueError, match=message):
        _ = response_of(**fields).text


def test_unknown_finish_reason() -> None:
    """A finish reason that these protos do not know is shown by its number."""
    candidate = protos.Candidate(finish_reason=99)  # type: ignore[arg-type]  # the wire may have any number
    response = GenerateContentResponse.from_response(protos.GenerateContentResponse(candidates=[candidate]))
    with pytest.raises(ValueError, match=r"no text: its finish reason is 99 \(99\)"):
        _ = response.text


def test_only_thoughts() -> None:
    """A response of thoughts alone has no text, and the error says where to read them."""
    response = response_of({"text": "Hm", "thought": True})
    with pytest.raises(ValueError, match=r"there are thoughts, in response\.thoughts"):
        _ = response.text
    assert response.thoughts == "Hm"


def test_function_calls() -> None:
    """Function calls are listed; the text of a response with one is refused, and the error says where to read it."""
    response = response_of(CALL, {"text": "Hi"}, CALL)
    assert [call.name for call in response.function_calls] == ["add", "add"]
    with pytest.raises(ValueError, match=r"a function_call part has no text; read it from response\.parts"):
        _ = response.text


def test_unknown_enum_values() -> None:
    """A language or outcome that these protos do not know is shown by its number."""
    code = protos.ExecutableCode(language=9, code="x")  # type: ignore[arg-type]  # as above
    result = protos.CodeExecutionResult(outcome=9)  # type: ignore[arg-type]  # as above
    response = response_of({"executable_code": code}, {"code_execution_result": result})
    assert response.text == "``` 9\nx\n```\n``` 9\n\n```"
