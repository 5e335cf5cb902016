"""Calls from greenlets, as the test that names the function needs them: `python gevent_calls.py FUNCTION`."""

from gevent import monkey

monkey.patch_all()

import asyncio
import sys
import warnings

import gevent
import grpc.experimental.gevent

import genai_grpc as genai
from genai_grpc import errors

client = genai.Client()
model = genai.GenerativeModel("gemini-pro", client=client)


def reply():
    """A reply."""
    return model.generate_content("Hello").text


def stream():
    """The chunks of a stream."""
    return [chunk.text for chunk in model.generate_content("Hello", stream=True)]


def at_once(function, count):
    """The results of a function in several greenlets."""
    greenlets = [gevent.spawn(function) for _ in range(count)]
    gevent.joinall(greenlets, raise_error=True)
    return [greenlet.value for greenlet in greenlets]


def overlapping():
    """Twenty calls at once, and twenty streams."""
    print(*at_once(reply, 20), *map("".join, at_once(stream, 20)))


def limited():
    """Twenty calls at once of a client that limits them to two."""
    global model
    model = genai.GenerativeModel("gemini-pro", client=genai.Client(max_in_flight=2))
    print(*at_once(reply, 20))


def ended():
    """Calls that a timeout of gevent, a kill, a deadline, an idle timeout and the close of the client end."""
    for function in (reply, stream):
        with gevent.Timeout(0.2, False):
            function()
        greenlet = gevent.spawn(function)
        gevent.sleep(0.2)
        greenlet.kill()
        print(type(greenlet.value).__name__)
    for options in {"timeout": 0.2}, {"idle_timeout": 0.2}:
        try:
            model.generate_content("Hello", stream=True, request_options=options).resolve()
        except errors.DeadlineExceeded as error:
            print(type(error).__name__)
    greenlets = [gevent.spawn(function) for function in (reply, stream)]
    gevent.sleep(0.2)
    client.close()
    for greenlet in greenlets:
        try:
            greenlet.get()
        except errors.ClientClosed as error:
            print(type(error).__name__)


def async_calls():
    """An async call."""
    try:
        asyncio.run(model.generate_content_async("Hello"))
    except errors.ConfigurationError as error:
        print(error)


def without_support():
    """A call of a program that has not called init_gevent."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        print(reply(), *(warning.message for warning in caught))


if __name__ == "__main__":
    if sys.argv[1] != "without_support":
        grpc.experimental.gevent.init_gevent()
    gevent.get_hub().exception_stream = None  # greenlets that fail are expected
    globals()[sys.argv[1]]()
