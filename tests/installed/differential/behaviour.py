"""Programs about what the package does around a request: retries, blocked replies, models, reprs, pickles."""

from __future__ import annotations

from typing import Final

__all__ = ["BEHAVIOUR"]

MODEL: Final = "model = genai.GenerativeModel('gemini-pro')"
CHAT: Final = f"{MODEL}\nchat = model.start_chat()"
STREAM: Final = "for chunk in response: pass"

# Ways to see the calls of a chat: each makes `model`, and appends to `calls`.
SUBCLASS: Final = """calls = []
class Traced(genai.GenerativeModel):
    def generate_content(self, *args, **kwargs):
        calls.append((len(args), sorted(kwargs)))
        return super().generate_content(*args, **kwargs)"""
PATCH: Final = """calls = []
original = genai.GenerativeModel.generate_content
def traced(self, *args, **kwargs):
    calls.append((len(args), sorted(kwargs)))
    return original(self, *args, **kwargs)"""
FIND: Final = "def find(city: str) -> str:\n    'Find it.'\n    return city"
CALL: Final = repr('CALL find {"city": "Ulm"}')
SENT: Final = (
    "chat.send_message('Hi')",
    "chat.send_message('Hi', stream=True).resolve()",
    "chat.send_message('Hi', generation_config={'top_k': 3}, request_options={'timeout': 9})",
)

RETRY: Final = "from google.api_core import exceptions, retry, timeout"
# Which errors are retried by a policy, and how soon.
SOON: Final = "retry.Retry(retry.if_exception_type(exceptions.ServiceUnavailable), initial=0.01, maximum=0.01{more})"


def policy(more: str = "") -> str:
    """A policy that retries soon, with more arguments."""
    return SOON.format(more=more and f", {more}")


OPTIONS: Final = (
    f"{{'retry': {policy()}}}",
    f"types.RequestOptions(retry={policy()})",
    f"types.RequestOptions(retry={policy()}, timeout=60)",
    f"dict(types.RequestOptions(retry={policy('timeout=50')}, timeout=60))",
    f"{{**types.RequestOptions(timeout=60), 'retry': {policy()}}}",
    f"{{'retry': {policy('timeout=None')}, 'timeout': 60}}",
    f"{{'retry': {policy('deadline=50')}, 'timeout': timeout.TimeToDeadlineTimeout(60)}}",
)


def attempts(options: str, failures: int = 3, stream: bool = False) -> str:
    """A program whose call fails so often before it succeeds."""
    call = f"response = model.generate_content('FAIL {failures}', stream={stream}, request_options={options})"
    return f"{RETRY}\n{MODEL}\n{call}\nresponse.resolve()\nobserve(response.text)"


def caught(statement: str, *observed: str) -> str:
    """A program that observes an exception as `error`."""
    lines = "\n".join(f"    observe({each})" for each in observed)
    return f"try:\n    {statement}\nexcept Exception as error:\n    observe(type(error).__name__)\n{lines}"


SEVERAL: Final = "[turn.parts[0].text for turn in chat.history]"

BEHAVIOUR: Final[dict[str, list[str]]] = {
    "chats of patched models": [
        *(f"{SUBCLASS}\nchat = Traced('gemini-pro').start_chat()\n{send}\nobserve(calls)" for send in SENT),
        *(
            f"{PATCH}\ngenai.GenerativeModel.generate_content = traced\n{CHAT}\n{send}\n"
            "genai.GenerativeModel.generate_content = original\nobserve(calls)"
            for send in SENT
        ),
        f"{SUBCLASS}\n{FIND}\nmodel = Traced('gemini-pro', tools=[find])\n"
        f"chat = model.start_chat(enable_automatic_function_calling=True)\nchat.send_message({CALL})\n"
        "observe(len(calls))",
        f"{MODEL}\nchat = model.start_chat()\nmodel.generate_content = lambda *args, **kwargs: 1 / 0\n"
        "chat.send_message('Hi')",
    ],
    "retries": [
        *map(attempts, OPTIONS),
        *(attempts(options, stream=True) for options in OPTIONS[:2]),
        attempts(f"{{'retry': {policy()}}}", failures=15),
        attempts(f"{{'retry': {policy('timeout=0')}}}"),
        attempts("{'retry': None}"),
        attempts("{'retry': retry.Retry(retry.if_exception_type(exceptions.NotFound), initial=0.01)}"),
        f"seen = []\n{attempts(f'{ ({}) }', failures=0)}\n"
        f"model.generate_content('FAIL 4', request_options={{'retry': {policy('on_error=seen.append')}}})\n"
        "observe([type(error).__name__ for error in seen])",
        f"{RETRY}\n{MODEL}\n"
        + caught("model.generate_content('FAIL 9', request_options={'retry': None})", "error.code", "error.message"),
    ],
    "request options": [
        "options = types.RequestOptions(timeout=5)\n"
        "observe([options['timeout'], options.timeout, dict(options)['timeout']])",
        "observe(sorted(set(types.RequestOptions()) & {'retry', 'timeout'}))",
        "types.RequestOptions()['wait']",
        f"{MODEL}\nmodel.generate_content('Hi', request_options=types.RequestOptions(timeout=5))",
        f"{MODEL}\nobserve(model.count_tokens('Hi', request_options=types.RequestOptions(timeout=5)))",
    ],
    "blocked": [
        f"{MODEL}\nresponse = model.generate_content('BLOCKED', stream=True)\n"
        + caught(STREAM, "type(error.args[0]).__name__", "error.args[0].prompt_feedback.block_reason"),
        f"{MODEL}\nresponse = model.generate_content('BLOCKED')\n"
        "observe([len(chunk.candidates) for chunk in response])\n"
        "observe(response.prompt_feedback.block_reason)\nobserve(type(response._error).__name__)",
        f"{MODEL}\nresponse = model.generate_content('BLOCKED')\nresponse.text",
        f"{CHAT}\n" + caught("chat.send_message('BLOCKED')", "error.args[0].block_reason", SEVERAL),
        f"{CHAT}\n" + caught("chat.send_message('BLOCKED', stream=True)", "error.args[0].block_reason", SEVERAL),
        f"{CHAT}\n" + caught("chat.send_message('SAFETY')", "error.args[0].finish_reason", SEVERAL),
    ],
    "streams that end early": [
        f"{CHAT}\nresponse = chat.send_message('SAFETY', stream=True)\n{STREAM}\nobserve(response._error)\n"
        + caught("chat.history", "type(error.__cause__ or response._error).__name__")
        + "\nobserve(type(response._error).__name__)\n"
        + caught("chat.history")
        + "\n"
        + caught("chat.send_message('Hi')")
        + "\nobserve([turn.parts[0].text for turn in chat.rewind()])\nchat.send_message('Hi')\n"
        + f"observe({SEVERAL})",
        f"{CHAT}\nchat.send_message('Hi', stream=True)\n" + caught("chat.history") + "\n" + caught("chat.rewind()"),
    ],
    "models of the service": [
        "observe(dataclasses.asdict(genai.get_model('gemini-pro')))",
        "observe(dataclasses.asdict(genai.get_base_model('models/gemini-pro')))",
        "observe([model.name for model in genai.list_models()])",
        "observe([model.name for model in genai.list_models(page_size=None)])",
        "observe(repr(genai.get_model('gemini-pro')))",
        "model = genai.get_model('gemini-pro')\nobserve(genai.get_model(model) == model)\nobserve(model.top_k is None)",
        "observe(genai.get_model(protos.Model(name='models/gemini-pro')).name)",
        "observe(dataclasses.asdict(genai.get_model('tunedModels/mine')))",
        "observe(repr(genai.get_tuned_model('tunedModels/mine')))",
        "observe(genai.get_model(genai.get_tuned_model('tunedModels/mine')).source_model)",
        "observe(dataclasses.asdict(types.Model('models/a', 'a', '1', 'A', 'It.', 1, 2, ['x'], top_k=3)))",
        "genai.get_model('files/a')",
        "genai.get_base_model('tunedModels/mine')",
        "genai.get_tuned_model('mine')",
        "genai.get_model(3)",
        "model = genai.GenerativeModel(genai.get_model('gemini-pro'))\nmodel.generate_content('Hi')",
    ],
    "counts of nothing": [
        f"{MODEL}\nobserve(model.count_tokens())",
        f"{MODEL}\nobserve(model.count_tokens(None))",
        f"{MODEL}\nobserve(model.count_tokens([]))",
        f"{CHAT}\nobserve(model.count_tokens(chat.history))",
        "model = genai.GenerativeModel('gemini-pro', system_instruction='Be brief.')\nobserve(model.count_tokens())",
    ],
    "reprs": [
        f"{MODEL}\nobserve(repr(model.generate_content('Hi')))",
        f"{MODEL}\nresponse = model.generate_content('Hi', stream=True)\nobserve(repr(response))\nresponse.resolve()\n"
        "observe(repr(response))",
        f"{MODEL}\nobserve(repr(model))",
        "model = genai.GenerativeModel('gemini-pro', 'low', {'top_k': 3}, system_instruction='Be brief.')\n"
        "observe(repr(model))",
        f"{CHAT}\nobserve(repr(chat))\nchat.send_message('Hi')\nobserve(len(chat.history))\nobserve(repr(chat))",
    ],
    "pickles": [
        f"import copy, pickle\n{CHAT}\nchat.send_message('Hi')\n{copied}\nother.send_message('And now?')\n"
        "observe([len(chat.history), len(other.history)])"
        for copied in (
            "other = copy.deepcopy(chat)",
            "other = pickle.loads(pickle.dumps(chat))",
            "other = copy.deepcopy(model).start_chat(history=chat.history)",
        )
    ],
    "histories as JSON": [
        f"{CHAT}\nchat.send_message('Hi')\nother = genai.ChatSession.from_json(model, chat.to_json())\n"
        "observe(other.history == chat.history)"
    ],
}
