"""Tuned models and their operations, in the client and on the local server."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import grpc
import pytest

import genai_grpc as genai
from genai_grpc import errors, protos
from genai_grpc.local import Delay, ScriptEngine, serve
from genai_grpc.types import RetryPolicy, TunedModel
from genai_grpc_protos.v1beta.model_service_pb2_grpc import ModelServiceStub
from tests.conftest import Api

PAIRS = [("one", "two"), ("drei", "vier"), ("cinq", "six")]
KILLS = int(os.environ.get("GENAI_GRPC_TEST_KILLS", "5"))


def tune(api: Api, client: genai.Client, data: Any = PAIRS, model: str = "gemini-pro", **options: Any) -> Any:
    """The operation of a tuning that has ended."""
    operation = api.call(genai, "create_tuned_model", model, data, client=client, **options)
    api.call(operation, "result", timeout=60)
    return operation


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"id": "Mine"}, errors.InvalidArgument, "tuned_model_id is 'Mine'; it begins with a lower-case letter"),
        ({"epoch_count": 0}, errors.InvalidArgument, "hyperparameters.epoch_count is 0; it is 1 or more"),
        (
            {"epoch_count": 2**31 - 1, "batch_size": 1},
            errors.InvalidArgument,
            "hyperparameters.epoch_count is 2147483647, which makes 6,442,450,941 steps; a tuning has at most",
        ),
        ({"batch_size": -1}, errors.InvalidArgument, "hyperparameters.batch_size is -1; it is 1 or more"),
        ({"learning_rate": 0.0}, errors.InvalidArgument, "hyperparameters.learning_rate is 0; it is above 0"),
        ({"learning_rate": float("nan")}, errors.InvalidArgument, "learning_rate is nan; it is above 0"),
        ({"temperature": 1.5}, errors.InvalidArgument, "temperature is 1.5; it is from 0 to 1"),
        ({"top_p": -0.5}, errors.InvalidArgument, "top_p is -0.5; it is from 0 to 1"),
        ({"top_k": 0}, errors.InvalidArgument, "top_k is 0; it is 1 or more"),
        ({"display_name": "x" * 41}, errors.InvalidArgument, "display_name has 41 characters; it may have 40"),
        ({"model": "models/none"}, errors.NotFound, "models/none is not served here"),
        ({"model": "tunedModels/none"}, errors.NotFound, "there is no tuned model 'tunedModels/none'"),
        ({"data": [("", "2")]}, errors.InvalidArgument, r"examples\[0\].text_input is empty"),
        ({"data": [("1", "")]}, errors.InvalidArgument, r"examples\[0\].output is empty"),
    ],
)
def test_refused_by_the_service(
    api: Api, client: genai.Client, arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    """What the service does not take is an error that says what it takes."""
    with pytest.raises(error, match=message):
        tune(api, client, **arguments)


def test_life_of_a_tuned_model(api: Api, client: genai.Client) -> None:
    """A tuned model is created, described, changed, listed, tuned further and deleted."""
    operation = tune(api, client, id="mine", display_name="Mine", temperature=0.5, epoch_count=2, batch_size=2)
    assert operation.name.startswith("tunedModels/mine/operations/")
    model = api.call(genai, "get_tuned_model", "tunedModels/mine", client=client)
    assert (model.base_model, model.source_model, model.temperature) == ("models/gemini-pro", "models/gemini-pro", 0.5)
    assert [snapshot["step"] for snapshot in model.tuning_task.snapshots] == [1, 2, 3, 4]
    assert model.tuning_task.complete_time >= model.tuning_task.start_time
    assert "trains no weights" in model.description
    updates = {"display_name": "Yours", "description": "x", "top_k": 3}
    changed = api.call(genai, "update_tuned_model", "tunedModels/mine", updates, client=client)
    assert (changed.display_name, changed.description, changed.top_k, changed.temperature) == ("Yours", "x", 3, 0.5)
    message = protos.TunedModel(name="tunedModels/mine", display_name="Ours", base_model="models/gemini-pro")
    with pytest.raises(errors.InvalidArgument, match="what can be updated is display_name, description"):
        api.call(genai, "update_tuned_model", message, client=client)
    with pytest.raises(ValueError, match="takes a message, or a name and updates"):
        api.call(genai, "update_tuned_model", message, {"top_k": 1}, client=client)
    with pytest.raises(TypeError, match="the dict is missing"):
        api.call(genai, "update_tuned_model", "tunedModels/mine", client=client)
    with pytest.raises(errors.AlreadyExists, match="there is a tuned model 'tunedModels/mine' already"):
        tune(api, client, id="mine")
    tune(api, client, model="tunedModels/mine", id="further")
    further = api.call(genai, "get_tuned_model", "tunedModels/further", client=client)
    assert (further.source_model, further.base_model) == ("tunedModels/mine", "models/gemini-pro")
    assert [each.name for each in api.items(genai, "list_tuned_models", page_size=1, client=client)] == [
        "tunedModels/mine",
        "tunedModels/further",
    ]
    api.call(genai, "delete_tuned_model", "mine", client=client)
    api.call(genai, "delete_tuned_model", TunedModel(name="tunedModels/further"), client=client)
    assert api.items(genai, "list_tuned_models", client=client) == []
    with pytest.raises(errors.NotFound):
        api.call(genai, "get_tuned_model", "tunedModels/mine", client=client)


def test_message_with_changes(api: Api, client: genai.Client, server: Any) -> None:
    """Of a message, the fields that differ from the service's are changed."""
    tune(api, client, id="mine")
    with grpc.insecure_channel(server.address) as channel:
        message = ModelServiceStub(channel).GetTunedModel(protos.GetTunedModelRequest(name="tunedModels/mine"))
    message.description, message.top_p = "Another", 0.25
    changed = api.call(genai, "update_tuned_model", message, client=client)
    assert (changed.description, changed.top_p) == ("Another", 0.25)


def test_generate(api: Api, client: genai.Client, script: ScriptEngine) -> None:
    """A tuned model gets the examples nearest to the prompt, last the nearest; no count includes them."""
    examples = [*PAIRS, ("the red fox jumps", "red"), ("the blue fox jumps", "blue")]
    tune(api, client, examples, id="colours", temperature=0.25)
    model = genai.GenerativeModel("tunedModels/colours", client=client)
    script.reply("green")
    response = api.generate(model, "the green fox jumps")
    request = script.requests[-1]
    texts = [content.parts[0].text for content in request.contents]
    assert set(texts[2:6]) == {"the red fox jumps", "red", "the blue fox jumps", "blue"}
    assert texts[6:] == ["the green fox jumps"]
    assert [content.role for content in request.contents] == ["user", "model"] * 3 + ["user"]
    assert (request.generation_config.temperature, request.model) == (0.25, "models/gemini-pro")
    assert response.usage_metadata.prompt_token_count == 4
    assert api.count(model, "the green fox jumps").total_tokens == 4


def test_not_ready(api: Api, client: genai.Client, script: ScriptEngine) -> None:
    """A model whose tuning goes on, or was cancelled, is FAILED_PRECONDITION; its operation can be cancelled."""
    script.reply_embedding(Delay(60))
    operation = api.call(genai, "create_tuned_model", "gemini-pro", PAIRS, id="mine", client=client)
    model = genai.GenerativeModel("tunedModels/mine", client=client)
    with pytest.raises(errors.FailedPrecondition, match="tunedModels/mine is CREATING; wait for the end"):
        api.generate(model, "one")
    assert api.call(operation, "running")
    assert not api.call(operation, "cancelled")
    with pytest.raises(errors.DeadlineExceeded, match=f"{operation.name} was not done within 0.1 s"):
        api.call(operation, "result", timeout=0.1)
    assert repr(operation) == f"<CreateTunedModelOperation {operation.name}, running>"
    assert api.call(operation, "cancel")
    assert api.call(operation, "cancelled")
    assert not api.call(operation, "cancel")
    assert isinstance(api.call(operation, "exception"), errors.Cancelled)
    with pytest.raises(errors.Cancelled, match="the operation was cancelled"):
        api.call(operation, "result")
    with pytest.raises(errors.FailedPrecondition, match="tunedModels/mine is FAILED"):
        api.generate(model, "one")


def test_failed_tuning(api: Api, client: genai.Client, script: ScriptEngine) -> None:
    """A tuning whose engine fails ends with its error."""
    script.reply_embedding(errors.ResourceExhausted("no memory"))
    operation = api.call(genai, "create_tuned_model", "gemini-pro", PAIRS, client=client)
    with pytest.raises(errors.ResourceExhausted, match="no memory"):
        api.call(operation, "result", timeout=60)
    assert repr(operation).endswith("failed>")


def test_operations(api: Api, client: genai.Client) -> None:
    """Operations are found by name and listed, of one model or all, and their records deleted."""
    one, two = tune(api, client, id="one"), tune(api, client, id="two")
    found = api.call(genai, "get_operation", one.name, client=client)
    assert (found.to_proto(), api.call(found, "done")) == (one.to_proto(), True)
    assert api.call(found, "exception") is None
    assert [each.name for each in api.items(genai, "list_operations", page_size=1, client=client)] == [
        one.name,
        two.name,
    ]
    of_two = api.items(genai, "list_operations", name="tunedModels/two", client=client)
    assert [each.name for each in of_two] == [two.name]
    api.call(genai, "delete_operation", one.name, client=client)
    with pytest.raises(errors.NotFound, match="there is no operation"):
        api.call(genai, "get_operation", one.name, client=client)


def test_progress(api: Api, client: genai.Client, capsys: pytest.CaptureFixture[str]) -> None:
    """A bar follows the steps, and yields the metadata; the losses are a table."""
    operation = api.call(genai, "create_tuned_model", "gemini-pro", PAIRS, id="mine", epoch_count=3, client=client)
    seen = api.items(operation, "wait_bar", desc="tuning")
    assert seen[-1].completed_percent == 100
    assert "tuning: 100%" in capsys.readouterr().err
    snapshots = operation.snapshots()
    assert [(each["step"], each["epoch"]) for each in snapshots] == [(1, 1), (2, 2), (3, 3)]
    assert [each["mean_loss"] for each in snapshots] == [1.0, 0.0, 0.0]


def test_plot(client: genai.Client) -> None:
    """The losses are plotted with matplotlib."""
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    operation = genai.create_tuned_model("gemini-pro", PAIRS, id="mine", client=client)
    operation.result(timeout=60)
    axes = operation.plot()
    [line] = axes.get_lines()
    assert list(line.get_xdata()) == [1, 2, 3, 4, 5]
    assert (axes.get_title(), axes.get_ylabel()) == ("tunedModels/mine", "mean loss")


def test_belongs_to_its_key(script: ScriptEngine) -> None:
    """A tuned model and its operation are those of the key that created them."""
    with (
        serve(script) as server,
        genai.Client("a-key-of-one", endpoint=server.endpoint) as one,
        genai.Client("a-key-of-another", endpoint=server.endpoint) as another,
    ):
        operation = genai.create_tuned_model("gemini-pro", PAIRS, id="mine", client=one)
        operation.result(timeout=60)
        uses: list[Any] = [
            lambda: genai.get_tuned_model("tunedModels/mine", client=another),
            lambda: genai.delete_tuned_model("mine", client=another),
            lambda: genai.get_operation(operation.name, client=another),
            lambda: genai.GenerativeModel("tunedModels/mine", client=another).generate_content("one"),
        ]
        for use in uses:
            with pytest.raises(errors.PermissionDenied, match="belongs to another API key"):
                use()
        assert list(genai.list_tuned_models(client=another)) == []
        assert list(genai.list_operations(client=another)) == []


def test_key_of_operations(script: ScriptEngine) -> None:
    """A server with a key wants it for operations, too."""
    with (
        serve(script, api_key="right-key") as server,
        genai.Client("wrong-key", endpoint=server.endpoint) as client,
        pytest.raises(errors.Unauthenticated),
    ):
        genai.get_operation("tunedModels/mine/operations/1", client=client)


SERVER = """
import sys, time
from pathlib import Path
from genai_grpc import local
script = local.ScriptEngine()
with local.serve(script, state_dir=Path(sys.argv[1])) as server:
    print(server.endpoint, flush=True)
    time.sleep(600)
"""


@pytest.mark.slow
def test_killed_server(tmp_path: Path) -> None:
    """Tunings of a server that is killed go on at its next start; none that was acknowledged is lost."""
    generator = random.Random(2)  # noqa: S311 -- no cryptography
    acknowledged: list[str] = []
    policy = RetryPolicy(max_attempts=1)
    for kill in range(KILLS + 1):
        with subprocess.Popen(
            [sys.executable, "-c", SERVER, str(tmp_path)], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            with genai.Client(endpoint=process.stdout.readline().strip(), retry=policy, timeout=30) as client:
                if kill == KILLS:
                    for name in acknowledged:
                        operation = genai.get_operation(name, client=client)
                        assert operation.result(timeout=60).state == protos.TunedModel.State.ACTIVE
                        assert len(operation.snapshots()) == 60
                else:
                    data = [(f"{number} {kill}", "x") for number in range(12)]
                    created = genai.create_tuned_model("gemini-pro", data, epoch_count=20, client=client)
                    acknowledged.append(created.name)
                    time.sleep(generator.uniform(0.0, 0.05))  # the point in the tuning at which the server is killed
            process.kill()


@pytest.mark.llama
@pytest.mark.slow
def test_real_model() -> None:
    """The real model follows the examples that are nearest to a prompt."""
    examples = [
        ("I love it", "POSITIVE"),
        ("I hate it", "NEGATIVE"),
        ("What a great day", "POSITIVE"),
        ("This is terrible", "NEGATIVE"),
        ("the food was awful", "NEGATIVE"),
        ("the service was wonderful", "POSITIVE"),
    ]
    with serve() as server, genai.Client(endpoint=server.endpoint) as client:
        operation = genai.create_tuned_model("gemini-pro", examples, id="mood", client=client)
        operation.result(timeout=60)
        model = genai.GenerativeModel("tunedModels/mood", client=client)
        assert model.generate_content("I love this great film").text == "POSITIVE"
        assert model.generate_content("an awful, terrible film").text == "NEGATIVE"
