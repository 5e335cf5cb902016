"""Flask: a reply, and a stream of text; one client for each process.

pip install genai-grpc flask gunicorn
gunicorn --config gunicorn_threads.py flask_app:app
"""

from __future__ import annotations

import math

from flask import Flask, Response, jsonify, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import BadRequest

import genai_grpc as genai
from genai_grpc import errors

# It connects at its first call, and anew after a fork, so gunicorn may load this module before it forks its workers.
client = genai.Client(timeout=60, idle_timeout=20, max_in_flight=200)
model = genai.GenerativeModel("gemini-pro", client=client)
app = Flask(__name__)


@app.post("/generate")
def generate() -> ResponseReturnValue:
    """The whole reply as JSON."""
    response = model.generate_content(prompt())
    try:
        return {"text": response.text}
    except ValueError as error:  # a blocked prompt, or a reply that a safety filter stopped
        return {"error": str(error)}, 422


@app.post("/stream")
def stream() -> ResponseReturnValue:
    """The reply as text, chunk by chunk."""
    # This waits for the first chunk, so that an error before it still gets its HTTP status. A later error ends the
    # HTTP response without its last chunk, which an HTTP client reports as incomplete.
    response = model.generate_content(prompt(), stream=True)
    headers = {"X-Accel-Buffering": "no"}  # nginx would collect the chunks
    reply = Response((chunk.text for chunk in response), mimetype="text/plain", headers=headers)
    # Also where the HTTP client has disconnected, which WSGI notices when it sends the next chunk.
    reply.call_on_close(response.close)
    return reply


def prompt() -> str:
    """The prompt in the body of the request."""
    match request.get_json():
        case {"prompt": str(text)}:
            return text
        case _:
            raise BadRequest('the body must be JSON such as {"prompt": "Hello"}')


@app.errorhandler(errors.APIError)
def on_api_error(error: errors.APIError) -> ResponseReturnValue:
    """Answer with the status of a failed call; the details are for the log."""
    app.logger.warning("%s failed after %d attempts: %s", request.path, error.attempts, error)
    reply = jsonify(error=error.status)
    reply.status_code = http_status(error)
    if reply.status_code in (429, 503):
        reply.headers["Retry-After"] = str(math.ceil(error.retry_delay or 1))
    return reply


def http_status(error: errors.APIError) -> int:
    """The HTTP status of a failed call."""
    match error:
        case errors.APIError(attempts=0):
            return 503  # the queue of this process was too long to send the call
        case errors.ResourceExhausted() | errors.ServiceUnavailable() | errors.DeadlineExceeded():
            return error.code  # 429, 503, 504
        case _:
            return 502  # such as a rejected API key, which is not the fault of the HTTP client
