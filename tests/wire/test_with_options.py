"""Views of clients and models with other defaults of their calls, over real gRPC."""

from __future__ import annotations

import copy
import pickle
import re
from typing import Any

import grpc
import grpc.aio
import pytest

import genai_grpc as genai
from genai_grpc import errors, types
from genai_grpc.local import STALL, ScriptEngine, serve
from genai_grpc.local.server import Server
from genai_grpc.testing import FaultProxy
from tests.conftest import Api, Connect
from tests.wire.test_lifecycle import start


def unavailable() -> errors.APIError:
    """An error that is retried; a new one each time, since its traceback holds what raised it."""
    return errors.ServiceUnavailable("overloaded")


class Details(grpc.UnaryUnaryClientInterceptor):
    """Records the timeout and the metadata of each sync attempt.

    Attributes:
        seen: Of each attempt, the timeout in seconds and the pairs whose names begin with "x-tag".
    """

    def __init__(self) -> None:
        self.seen: list[tuple[float, list[Any]]] = []

    def add(self, details: Any) -> None:
        tags = [(name, value) for name, value in details.metadata if name.startswith("x-tag")]
        self.seen.append((details.timeout, tags))

    def intercept_unary_unary(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        self.add(client_call_details)
        return continuation(client_call_details, request)


class AsyncDetails(grpc.aio.UnaryUnaryClientInterceptor):
    """The same of each async attempt."""

    def __init__(self, details: Details) -> None:
        self._details = details

    async def intercept_unary_unary(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        self._details.add(client_call_details)
        return await continuation(client_call_details, request)


@pytest.fixture
def details() -> Details:
    """What the attempts of `client` had."""
    return Details()


@pytest.fixture
def client(server: Server, details: Details) -> Any:
    """A client that records its attempts, with options of its own."""
    with genai.Client(
        endpoint=server.endpoint,
        interceptors=[details, AsyncDetails(details)],
        timeout=500,
        metadata=[("x-tag", "client")],
    ) as connected:
        yield connected


def view_client(client: genai.Client, **options: Any) -> genai.GenerativeModel:
    return genai.GenerativeModel(client=client.with_options(**options))


def view_model(client: genai.Client, **options: Any) -> genai.GenerativeModel:
    return genai.GenerativeModel(client=client).with_options(**options)


@pytest.fixture(params=[view_client, view_model], ids=["client", "model"])
def view(request: pytest.FixtureRequest) -> Any:
    """A model with default options: a view itself, or one of a view of the client."""
    return request.param


def test_options(api: Api, client: genai.Client, details: Details, script: ScriptEngine, view: Any) -> None:
    """Calls have the options of the view, else the client's; the options of a call override them and add metadata."""
    model = view(client, timeout=400, metadata=[("x-tag", "view")])
    for _ in range(5):
        script.reply("Hello")
    api.generate(model, "Hi")
    api.generate(model, "Hi", request_options={"timeout": 300, "metadata": {"x-tag-call": "own"}})
    api.send(model.start_chat(), "Hi")
    api.count(model, "Hi")
    api.generate(view(client, retry=None), "Hi")
    api.generate(genai.GenerativeModel(client=client), "Hi")
    of_client, of_view, of_call = (("x-tag", "client"), ("x-tag", "view"), ("x-tag-call", "own"))
    expected = [
        (400, [of_client, of_view]),
        (300, [of_client, of_view, of_call]),
        (400, [of_client, of_view]),
        (400, [of_client, of_view]),
        (500, [of_client]),
        (500, [of_client]),
    ]
    assert [tags for _, tags in details.seen] == [tags for _, tags in expected]
    for (timeout, _), (limit, _) in zip(details.seen, expected, strict=True):
        assert limit - 100 < timeout <= limit


def test_retry(api: Api, client: genai.Client, script: ScriptEngine, view: Any) -> None:
    """A retry policy of a view replaces the client's, None turns retries off, and a call may set another one."""
    once: Any = view(client, retry=None)
    script.reply(unavailable())
    with pytest.raises(errors.ServiceUnavailable) as caught:
        api.generate(once, "Hi")
    assert caught.value.attempts == 1
    eager: dict[str, Any] = {"retry": types.RetryPolicy(max_attempts=3, initial_backoff=0)}
    for model, options in ((view(client, **eager), {}), (once, {"request_options": eager})):
        script.reply(unavailable()).reply(unavailable()).reply("Hello")
        assert api.generate(model, "Hi", **options).text == "Hello"


def test_idle_timeout(api: Api, client: genai.Client, script: ScriptEngine, view: Any) -> None:
    """Streams of a view have its idle timeout."""
    script.reply("One,", STALL)
    chunks = api.chunks(api.generate(view(client, idle_timeout=0.3), "Count", stream=True))
    assert api.next(chunks).text == "One,"
    with pytest.raises(errors.DeadlineExceeded, match=r"no chunk came for 0\.3 s"):
        api.next(chunks)


def test_view_of_view(api: Api, client: genai.Client, details: Details, script: ScriptEngine) -> None:
    """A view of a view has the options of both, its own first; a model's come before those of its client."""
    outer = client.with_options(timeout=400, retry=None, metadata=[("x-tag", "outer")])
    inner = outer.with_options(timeout=300, metadata=[("x-tag", "inner")])
    model = genai.GenerativeModel(client=inner).with_options(metadata=[("x-tag", "model")])
    script.reply(unavailable()).reply("Hello")
    with pytest.raises(errors.ServiceUnavailable) as caught:
        api.generate(model.with_options(timeout=200), "Hi")
    assert caught.value.attempts == 1
    api.generate(model, "Hi")
    tags = [("x-tag", value) for value in ("client", "outer", "inner", "model")]
    assert [seen for _, seen in details.seen] == [tags] * 2
    assert [limit - 100 < seen[0] <= limit for seen, limit in zip(details.seen, (200, 300), strict=True)] == [True] * 2


@pytest.mark.parametrize("first", ["client", "view"])
def test_shared(api: Api, server: Server, script: ScriptEngine, first: str) -> None:
    """A view and its client share the connection, the limit on calls in flight and the retry budget."""
    with FaultProxy(server.endpoint) as proxy:
        client = genai.Client(endpoint=proxy.endpoint, max_in_flight=1)
        view = client.with_options(timeout=30)
        models = [genai.GenerativeModel(client=each) for each in (client, view)]
        for model in models if first == "client" else reversed(models):
            script.reply("Hello")
            assert api.generate(model, "Hi").text == "Hello"
        assert proxy.connections == 1
        assert view._connect().admission is client._connect().admission
        script.reply("One,", " two")
        stream = api.generate(models[0], "Count", stream=True)
        with pytest.raises(errors.DeadlineExceeded, match="the client's max_in_flight"):
            api.generate(models[1], "Hi", request_options={"timeout": 0.2})
        api.resolve(stream)
        assert api.call(client, "connect") is api.call(view, "connect") is None
        api.close_client(client)


@pytest.mark.parametrize("through", ["client", "view", "view of view"])
@pytest.mark.parametrize("used", [True, False], ids=["used", "unused"])
def test_new_key(connect: Connect, api: Api, script: ScriptEngine, through: str, used: bool) -> None:
    """A new key, given to a view or to its client, is that of both."""
    with serve(script, api_key="second") as server:
        client = connect(server, "first")
        view = client.with_options(timeout=5)
        owners = {"client": client, "view": view, "view of view": view.with_options(timeout=4)}
        if used:
            for each in owners.values():
                with pytest.raises(errors.Unauthenticated):
                    api.get_model("gemini-pro", client=each)
        owners[through].update_api_key("second")
        for each in owners.values():
            assert api.get_model("gemini-pro", client=each).name == "models/gemini-pro"
        api.close_client(client)


def test_close_of_view(api: Api, client: genai.Client, script: ScriptEngine) -> None:
    """Closing a view, or leaving its block, closes this view and its views; the client and calls in flight go on."""
    view = client.with_options(timeout=5)
    inner, other = view.with_options(timeout=4), client.with_options(timeout=5)
    assert api.get_model("gemini-pro", client=inner).name == "models/gemini-pro"
    script.reply("One,", " two")
    stream = api.generate(genai.GenerativeModel(client=view), "Count", stream=True)
    with client.with_options(timeout=3):
        pass
    api.close_client(view, grace=100)
    assert (view.closed, inner.closed, other.closed, client.closed) == (True, True, False, False)
    for closed in view, inner:
        with pytest.raises(errors.ClientClosed, match="makes no more calls"):
            api.get_model("gemini-pro", client=closed)
    api.resolve(stream)
    assert stream.text == "One, two"
    for each in client, other:
        assert api.get_model("gemini-pro", client=each).name == "models/gemini-pro"


def test_close_while_it_connects(api: Api, client: genai.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """A view that another thread closes during its first call makes no calls."""
    view, connect = client.with_options(timeout=5), client._connect

    def close_and_connect() -> Any:
        view.close()
        return connect()

    monkeypatch.setattr(client, "_connect", close_and_connect)
    for _ in range(2):
        with pytest.raises(errors.ClientClosed, match="makes no more calls"):
            api.get_model("gemini-pro", client=view)
    with pytest.raises(TypeError, match="grace is a number"):
        view.close(grace="soon")  # type: ignore[arg-type]


def test_ready(api: Api, client: genai.Client) -> None:
    """A view is ready when its client is, also if only the client was used."""
    view = client.with_options(timeout=5)
    assert not view.ready()
    client.connect(timeout=10)
    assert view.ready()
    view.close()
    assert (view.ready(), client.ready()) == (False, True)


def test_repr() -> None:
    """A repr shows the options of a view, and no values of metadata."""
    client = genai.Client(endpoint="http://127.0.0.1:50051")
    options: Any = {"timeout": 5, "idle_timeout": 2, "retry": None, "metadata": [("x-tag", "a-secret")]}
    shown = ".with_options(timeout=5.0, idle_timeout=2.0, retry=None, metadata=[('x-tag', '***')])"
    assert repr(client.with_options(**options)) == f"{client!r}{shown}"
    assert repr(client.with_options().with_options(timeout=1)) == f"{client!r}.with_options().with_options(timeout=1.0)"
    model = genai.GenerativeModel(client=client)
    assert repr(model.with_options(**options)) == f"{model!r}{shown}"
    assert repr(model.with_options(timeout=1).with_options(timeout=5)) == f"{model!r}.with_options(timeout=5.0)"


def test_wrong_options() -> None:
    """Wrong options are refused where the view is created, and so is a key in metadata over plaintext."""
    client = genai.Client(endpoint="http://192.0.2.1", api_key="")
    wrong: list[tuple[dict[str, Any], type[Exception], str]] = [
        ({"timeout": 0}, ValueError, "above 0 seconds; got 0"),
        ({"idle_timeout": "5"}, TypeError, "a timeout is a number of seconds; got str"),
        ({"retry": 3}, TypeError, "retry is a RetryPolicy"),
        ({"metadata": [("x-tag", 5)]}, TypeError, "the value of the metadata 'x-tag'"),
    ]
    for owner in client, genai.GenerativeModel(client=client):
        for options, error, message in wrong:
            with pytest.raises(error, match=re.escape(message)):
                owner.with_options(**options)
    with pytest.raises(errors.ConfigurationError, match="refusing to send an API key or token over plaintext"):
        client.with_options(metadata=[("authorization", "Bearer a-secret")])


def test_pickle(connect: Connect, server: Server, script: ScriptEngine) -> None:
    """A view is loaded from a pickle with its options and its client, and with its metadata if secrets are pickled."""
    client = connect(server)
    view = client.with_options(timeout=5).with_options(retry=None)
    loaded, loaded_client = pickle.loads(pickle.dumps((view, client)))
    assert repr(loaded) == repr(view)
    script.reply(unavailable())
    with pytest.raises(errors.ServiceUnavailable) as caught:
        genai.GenerativeModel(client=loaded).generate_content("Hi")
    assert caught.value.attempts == 1
    loaded_client.close()
    assert loaded.closed

    secret: Any = {"metadata": [("x-tag", "a-secret")]}
    data = pickle.dumps(client.with_options(**secret))
    assert b"a-secret" not in data
    with pytest.raises(errors.ConfigurationError, match="the client was unpickled without metadata"):
        genai.get_model("gemini-pro", client=pickle.loads(data))
    trusting = connect(server, pickle_secrets=True).with_options(**secret)
    data = pickle.dumps(trusting)
    assert b"a-secret" in data
    reloaded = pickle.loads(data)
    assert genai.get_model("gemini-pro", client=reloaded).name == "models/gemini-pro"
    assert repr(reloaded) == repr(trusting)
    reloaded._client.close()


def test_pickle_of_model(connect: Connect, server: Server, script: ScriptEngine) -> None:
    """A model is pickled with its options, and refused with metadata; its copies and their chats have both."""
    client = connect(server)
    model = genai.GenerativeModel(client=client).with_options(retry=None)
    loaded = pickle.loads(pickle.dumps(model.start_chat()))
    script.reply(unavailable())
    with pytest.raises(errors.ServiceUnavailable) as caught:
        loaded.send_message("Hi")
    assert caught.value.attempts == 1
    loaded.model.client.close()
    tagged = model.with_options(metadata=[("x-tag", "a-secret")])
    with pytest.raises(TypeError, match="a model with metadata is not pickled"):
        pickle.dumps(tagged)
    for duplicate in copy.copy(tagged), copy.deepcopy(tagged), copy.deepcopy(tagged.start_chat()).model:
        assert repr(duplicate) == repr(tagged)
    client.close()


def test_copies_are_the_view() -> None:
    """A copy of a view is the view itself."""
    view = genai.Client(endpoint="http://127.0.0.1:50051").with_options(timeout=5)
    assert copy.copy(view) is view
    assert copy.deepcopy(view) is view


def test_default_client(server: Server, script: ScriptEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A view of a model without a client follows the default client, whatever it was when the view was created."""
    genai.configure(client_options={"api_endpoint": "http://127.0.0.1:1"})
    model = genai.GenerativeModel().with_options(timeout=5)
    genai.configure(client_options={"api_endpoint": server.endpoint})
    script.reply("Hello")
    assert model.generate_content("Hi").text == "Hello"
    view = model.client.with_options(timeout=5)
    assert pickle.loads(pickle.dumps(view))._client is model.client
    model.client.close()
    genai.configure()


def test_settings_stay(client: genai.Client, script: ScriptEngine) -> None:
    """A view of a model keeps the model's settings, also those that are set later by attribute, and leaves it alone."""
    model = genai.GenerativeModel(client=client, generation_config={"temperature": 0.5}, system_instruction="Be brief.")
    view = model.with_options(retry=None)
    view._generation_config = {"temperature": 1.0}
    assert (view.build_request("Hi").generation_config.temperature, view.model_name) == (1.0, model.model_name)
    assert view.build_request("Hi").system_instruction.parts[0].text == "Be brief."
    assert model.build_request("Hi").generation_config.temperature == 0.5
    script.reply(unavailable())
    with pytest.raises(errors.ServiceUnavailable) as caught:
        view.generate_content("Hi")
    assert caught.value.attempts == 1


def test_fork(server: Server, script: ScriptEngine) -> None:
    """A view works in a forked child, on a connection of the child's."""
    for _ in range(3):
        script.reply("Hello")
    process = start(
        """
        import os, sys
        import genai_grpc as genai
        view = genai.Client(endpoint=sys.argv[1]).with_options(timeout=30)
        model = genai.GenerativeModel(client=view)
        model.generate_content("parent")
        child = os.fork()
        os.write(1, model.generate_content("Hi").text.encode())
        if child:
            os.waitpid(child, 0)
        """,
        server.endpoint,
    )
    assert process.communicate(timeout=60) == ("HelloHello", "")


def test_interceptors(connect: Connect, api: Api, server: Server, script: ScriptEngine) -> None:
    """The interceptors of a client see the calls of its views, retries included."""
    numbers: list[int] = []

    class Attempts(types.Interceptor):
        def attempt(self, state: Any, number: int) -> None:
            numbers.append(number)

    client = connect(server, interceptors=[Attempts()])
    view = client.with_options(retry=types.RetryPolicy(initial_backoff=0))
    script.reply(unavailable()).reply("Hello")
    assert api.generate(genai.GenerativeModel(client=view), "Hi").text == "Hello"
    assert numbers == [1, 2]
    api.close_client(client)
