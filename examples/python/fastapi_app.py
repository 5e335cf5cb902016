"""FastAPI: a reply, and a stream of server-sent events; one client for each process.

pip install genai-grpc fastapi uvicorn
uvicorn fastapi_app:app --workers 2 --timeout-graceful-shutdown 30
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel

import genai_grpc as genai
from genai_grpc import errors

Result = TypeVar("Result")
log = logging.getLogger(__name__)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Open the client of this process before its first request, and close it after the last one."""
    async with genai.Client(timeout=60, idle_timeout=20, max_in_flight=200) as client:
        app.state.model = genai.GenerativeModel("gemini-pro", client=client)
        yield


app = FastAPI(lifespan=lifespan)


class Prompt(BaseModel):
    """The body of a request."""

    prompt: str


@app.post("/generate")
async def generate(body: Prompt, request: Request) -> dict[str, str]:
    """The whole reply as JSON."""
    response = await until_disconnect(request, request.app.state.model.generate_content_async(body.prompt))
    try:
        return {"text": response.text}
    except ValueError as error:  # a blocked prompt, or a reply that a safety filter stopped
        raise HTTPException(422, str(error)) from error


@app.post("/stream")
async def stream(body: Prompt, request: Request) -> StreamingResponse:
    """The reply as server-sent events."""
    call = request.app.state.model.generate_content_async(body.prompt, stream=True)
    # This waits for the first chunk, so that an error before it still gets its HTTP status.
    response = await until_disconnect(request, call)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}  # nginx would collect the chunks
    return StreamingResponse(events(response), media_type="text/event-stream", headers=headers)


async def events(response: genai.types.AsyncGenerateContentResponse) -> AsyncIterator[str]:
    """One event for each chunk, and a last one that says how the stream ended."""
    # Where the HTTP client disconnects, Starlette cancels this generator, and the block cancels the model's stream.
    async with response:
        try:
            async for chunk in response:
                yield event("chunk", text=chunk.text)
        except (errors.GenAIError, ValueError) as error:
            log.warning("a stream ended early: %s", error)
            yield event("error", status=http_status(error))
        else:
            yield event("end", tokens=response.usage_metadata.total_token_count)


def event(name: str, **data: Any) -> str:
    """A server-sent event."""
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"


async def until_disconnect(request: Request, call: Coroutine[Any, Any, Result]) -> Result:
    """The result of a call, which is cancelled when the HTTP client disconnects: nobody would read it."""

    async def watch() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    calling, watching = asyncio.create_task(call), asyncio.create_task(watch())
    try:
        await asyncio.wait((calling, watching), return_when=asyncio.FIRST_COMPLETED)
        if calling.done():
            return calling.result()
        raise HTTPException(499)
    finally:
        calling.cancel()
        watching.cancel()


@app.exception_handler(errors.APIError)
async def on_api_error(request: Request, error: errors.APIError) -> JSONResponse:
    """Answer with the status of a failed call; the details are for the log."""
    log.warning("%s failed after %d attempts: %s", request.url.path, error.attempts, error)
    status = http_status(error)
    headers = {"Retry-After": str(math.ceil(error.retry_delay or 1))} if status in (429, 503) else None
    return JSONResponse({"detail": error.status}, status, headers)


def http_status(error: Exception) -> int:
    """The HTTP status of a failed call."""
    match error:
        case errors.APIError(attempts=0):
            return 503  # the queue of this process was too long to send the call
        case errors.ResourceExhausted() | errors.ServiceUnavailable() | errors.DeadlineExceeded():
            return error.code  # 429, 503, 504
        case errors.APIError():
            return 502  # such as a rejected API key, which is not the fault of the HTTP client
        case _:
            return 422  # a blocked prompt, or a reply that a safety filter stopped
