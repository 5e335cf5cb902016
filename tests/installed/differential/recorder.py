"""Run each program with google.generativeai and with ours; print its requests, observations and error as JSON.

Usage: recorder.py PROGRAMS FOLDER (the output of programs.py, and a folder for images)
"""

from __future__ import annotations

import ast
import base64
import dataclasses
import datetime
import enum
import io
import json
import sys
import types
import typing
from concurrent import futures
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import grpc

# Google's package is not installed where the types are checked.
pydantic: Final = import_module("pydantic")
typing_extensions: Final = import_module("typing_extensions")
Image: Final = import_module("PIL.Image")


class Recorder(grpc.GenericRpcHandler):
    """Server that records the bytes of every request, and replies briefly.

    The last text of a request may ask for another reply: "CALL name arguments" for that function call, "FAIL n" for n
    failed attempts before the reply, "BLOCKED" for a blocked prompt, "SAFETY" for a reply that ends for that reason.
    """

    def __init__(self, protos: Any) -> None:
        self.protos = protos
        self.requests: list[dict[str, str]] = []
        self.replies: dict[str, Any] = {
            "GenerateContent": self._generate,
            "StreamGenerateContent": self._stream,
            "CountTokens": lambda _: protos.CountTokensResponse(total_tokens=7),
            "EmbedContent": self._embed,
            "BatchEmbedContents": self._embed_batch,
            "CreateCachedContent": self._create,
            "GetCachedContent": self._get,
            "GetModel": lambda _: self._model(),
            "ListModels": lambda _: protos.ListModelsResponse(models=[self._model(), protos.Model(name="models/b")]),
            "GetTunedModel": lambda _: self._tuned_model(),
        }

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, bytes] | None:
        """Return the handler of a method, for requests and replies as bytes."""
        name = handler_call_details.method.rpartition("/")[2]
        if name not in self.replies:
            return None

        def handle(request: bytes, context: grpc.ServicerContext) -> Any:
            self.requests.append({"method": name, "bytes": base64.b64encode(request).decode()})
            if "GenerateContent" in name:
                command, _, argument = self._last_text(request).partition(" ")
                if command == "FAIL" and len(self.requests) <= int(argument):
                    context.abort(grpc.StatusCode.UNAVAILABLE, "not now")
            reply = self.replies[name](request)
            if isinstance(reply, list):
                return (chunk.SerializeToString() for chunk in reply)
            return reply.SerializeToString()

        if name == "StreamGenerateContent":
            return grpc.unary_stream_rpc_method_handler(handle)
        return grpc.unary_unary_rpc_method_handler(handle)

    def _last_text(self, raw: bytes) -> str:
        request = self.protos.GenerateContentRequest.FromString(raw)
        last = request.contents[-1].parts if request.contents else ()
        return last[0].text if last else ""

    def _generate(self, raw: bytes) -> Any:
        text = self._last_text(raw)
        if text == "BLOCKED":
            return self._blocked()
        part = self.protos.Part(text="Fine.")
        if text.startswith("CALL "):
            _, name, arguments = text.split(" ", 2)
            part = self.protos.Part(function_call=self.protos.FunctionCall(name=name))
            part.function_call.args.update(json.loads(arguments))
        return self._response(part, "SAFETY" if text == "SAFETY" else "STOP")

    def _stream(self, raw: bytes) -> list[Any]:
        text = self._last_text(raw)
        if text == "BLOCKED":
            return [self._blocked()]
        return [
            self._response(self.protos.Part(text="Fi"), "FINISH_REASON_UNSPECIFIED"),
            self._response(self.protos.Part(text="ne."), "SAFETY" if text == "SAFETY" else "STOP"),
        ]

    def _blocked(self) -> Any:
        feedback = self.protos.GenerateContentResponse.PromptFeedback(block_reason="SAFETY")
        return self.protos.GenerateContentResponse(prompt_feedback=feedback)

    def _response(self, part: Any, reason: str) -> Any:
        content = self.protos.Content(role="model", parts=[part])
        candidate = self.protos.Candidate(index=0, content=content, finish_reason=reason)
        return self.protos.GenerateContentResponse(candidates=[candidate])

    def _embed(self, raw: bytes) -> Any:
        request = self.protos.EmbedContentRequest.FromString(raw)
        return self.protos.EmbedContentResponse(embedding=self._embedding(request))

    def _embed_batch(self, raw: bytes) -> Any:
        requests = self.protos.BatchEmbedContentsRequest.FromString(raw).requests
        return self.protos.BatchEmbedContentsResponse(embeddings=list(map(self._embedding, requests)))

    def _embedding(self, request: Any) -> Any:
        texts = [part.text for part in request.content.parts]
        return self.protos.ContentEmbedding(values=[0.1, len(texts), 1 / (1 + len("".join(texts)))])

    def _create(self, raw: bytes) -> Any:
        requested = self.protos.CreateCachedContentRequest.FromString(raw).cached_content
        return self.protos.CachedContent(name="cachedContents/made", model=requested.model)

    def _get(self, raw: bytes) -> Any:
        name = self.protos.GetCachedContentRequest.FromString(raw).name
        return self.protos.CachedContent(name=name, model="models/gemini-pro")

    def _model(self) -> Any:
        return self.protos.Model(
            name="models/gemini-pro",
            version="001",
            description="A model that is described at some length, so that its repr takes more than a line. " * 3,
            input_token_limit=30,
            supported_generation_methods=["generateContent", "countTokens"],
            temperature=0.9,
            top_p=0,
        )

    def _tuned_model(self) -> Any:
        tuned = self.protos.TunedModel(
            name="tunedModels/mine", base_model="models/gemini-pro", state="ACTIVE", temperature=0.7
        )
        tuned.create_time.FromJsonString("2026-01-02T03:04:05.678Z")
        tuned.tuning_task.hyperparameters.epoch_count = 5
        tuned.tuning_task.snapshots.add(step=1, epoch=2, mean_loss=0.1).compute_time.CopyFrom(tuned.create_time)
        tuned.reader_project_numbers.append(7)
        return tuned


def connect_theirs(address: str) -> Any:
    """Import Google's package, with clients on an insecure channel: its own configuration allows TLS only."""
    genai = import_module("google.generativeai")
    import_module("google.generativeai.caching")
    language = import_module("google.ai.generativelanguage")
    services = import_module("google.ai.generativelanguage_v1beta.services")
    clients = import_module("google.generativeai.client")._client_manager.clients
    for name in "generative", "cache", "model":
        transports = import_module(f"{services.__name__}.{name}_service.transports")
        transport = getattr(transports, f"{name.title()}ServiceGrpcTransport")(channel=grpc.insecure_channel(address))
        clients[name] = getattr(language, f"{name.title()}ServiceClient")(transport=transport)
    return genai


def connect_ours(address: str) -> Any:
    """Import our package."""
    genai = import_module("genai_grpc")
    genai.configure(client_options={"api_endpoint": f"http://{address}"})
    return genai


def to_json(value: Any) -> Any:
    """Convert an observed value to JSON; a message of either package to its name and bytes."""
    if hasattr(type(value), "pb"):
        value = type(value).pb(value)
    if hasattr(value, "SerializeToString"):
        return {"message": value.DESCRIPTOR.name, "bytes": base64.b64encode(value.SerializeToString()).decode()}
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, dict):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, (str, int, float)) or value is None:
        return value
    if isinstance(value, datetime.datetime):
        return value.isoformat()
    return [to_json(item) for item in value]


def with_red_corner(image: Any) -> Any:
    """Colour one corner of the image red."""
    image.putpixel((0, 0), (255, 0, 0))
    return image


def with_transparent_pixel(image: Any) -> Any:
    """Make one pixel of the image fully transparent, whatever its colour."""
    image.putpixel((1, 1), (9, 99, 199, 0))
    return image


def run(genai: Any, text: str, folder: Path, recorder: Recorder) -> dict[str, Any]:
    """Run one program, statement by statement."""
    recorder.requests = []
    observed: list[Any] = []
    module = types.ModuleType("program")
    sys.modules["program"] = module
    module.__dict__.update({name: getattr(typing, name) for name in typing.__all__})
    module.__dict__.update(
        genai=genai,
        protos=genai.protos,
        types=genai.types,
        caching=getattr(genai, "caching", None),
        folder=folder,
        observe=lambda value: observed.append(to_json(value)),
        with_red_corner=with_red_corner,
        with_transparent_pixel=with_transparent_pixel,
        Image=Image,
        TypedDict=typing_extensions.TypedDict,
        dataclasses=dataclasses,
        datetime=datetime,
        enum=enum,
        io=io,
        pydantic=pydantic,
    )
    error = None
    for number, statement in enumerate(ast.parse(text).body):
        code = compile(ast.Module([statement], []), "program", "exec", dont_inherit=True)  # no annotations as str
        try:
            exec(code, module.__dict__)  # noqa: S102 -- our own programs
        except Exception as raised:
            lines = str(raised).splitlines() or [""]
            classes = [cls.__name__ for cls in type(raised).__mro__]
            error = {"statement": number, "classes": classes, "message": lines[0][:300]}
            break
    return {"requests": recorder.requests, "observed": observed, "error": error}


def write_images(folder: Path) -> None:
    """Write images of three formats."""
    photo = Image.linear_gradient("L").resize((6, 4)).convert("RGB")
    photo.putpixel((2, 2), (1, 2, 3))
    photo.save(folder / "photo.png")
    photo.save(folder / "photo.jpg")
    photo.convert("P").save(folder / "palette.gif")


def main(programs: Path, folder: Path) -> None:
    """Run every program with both packages."""
    ours = import_module("genai_grpc")
    recorder = Recorder(ours.protos)
    server = grpc.server(futures.ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers([recorder])
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    write_images(folder)
    packages = {"theirs": connect_theirs(address), "ours": connect_ours(address)}
    runs = [
        program | {name: run(genai, program["text"], folder, recorder) for name, genai in packages.items()}
        for program in json.loads(programs.read_text())
    ]
    server.stop(None)
    json.dump(runs, sys.stdout)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
