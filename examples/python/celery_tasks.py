"""Celery: tasks that call the model, in preforked worker processes; one client for each process.

pip install genai-grpc celery
celery --app celery_tasks worker --concurrency 4
"""

from __future__ import annotations

import functools
from typing import Any

from celery import Celery
from celery.utils.time import get_exponential_backoff_interval

import genai_grpc as genai
from genai_grpc import errors, types

app = Celery("celery_tasks")
app.config_from_object("celery_config")
RETRIED = (errors.ServiceUnavailable, errors.ResourceExhausted, errors.DeadlineExceeded)


@functools.cache
def model() -> genai.GenerativeModel:
    """The model of this process, from its first task on: a program that only sends tasks needs no API key."""
    # Celery retries, since a task that waits for its retry leaves the process to other tasks. With the client's
    # retries on, too, an outage would see the product of both.
    client = genai.Client(timeout=60, retry=types.RetryPolicy(max_attempts=1))
    return genai.GenerativeModel("gemini-pro", client=client)


@app.task(bind=True, max_retries=5)
def summarize(self: Any, text: str) -> str:
    """A summary of the text."""
    try:
        return model().generate_content(f"Summarize in one sentence: {text}").text
    except RETRIED as error:
        backoff = get_exponential_backoff_interval(1, self.request.retries, maximum=60, full_jitter=True)
        raise self.retry(exc=error, countdown=backoff + (error.retry_delay or 0)) from error
