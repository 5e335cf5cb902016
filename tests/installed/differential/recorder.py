"""Run each program with google.generativeai and with ours; print what each sent, showed and refused, as JSON.

Takes the file that programs.py wrote, and a folder for images.
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
    """A server that keeps the bytes of every request and has a short answer to each."""

    def __init__(self, protos: Any) -> None:
        self.protos = protos
        self.requests: list[dict[str, str]] = []
        self.answers: dict[str, Any] = {
            "GenerateContent": self._generate,
            "StreamGenerateContent": self._stream,
            "CountTokens": lambda _: protos.CountTokensResponse(total_tokens=7),
            "CreateCachedContent": self._create,
            "GetCachedContent": self._get,
        }

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, bytes] | None:
        """The handler of any of the methods, for requests and answers as bytes."""
        name = handler_call_details.method.rpartition("/")[2]
        if name not in self.answers:
            return None

        def answer(request: bytes, _: grpc.ServicerContext) -> Any:
            kept = {"method": name, "bytes": base64.b64encode(request).decode()}
            self.requests.append(kept)
            made = self.answers[name](request)
            return (one.SerializeToString() for one in made) if isinstance(made, list) else made.SerializeToString()

        if name == "StreamGenerateContent":
            return grpc.unary_stream_rpc_method_handler(answer)
        return grpc.unary_unary_rpc_method_handler(answer)

    def _generate(self, raw: bytes) -> Any:
        request = self.protos.GenerateContentRequest.FromString(raw)
        reply = self.protos.Part(text="Fine.")
        last = request.contents[-1].parts if request.contents else ()
        if last and last[0].text.startswith("CALL "):
            _, name, arguments = last[0].text.split(" ", 2)
            reply = self.protos.Part(function_call=self.protos.FunctionCall(name=name))
            reply.function_call.args.update(json.loads(arguments))
        return self._response(reply, "STOP")

    def _stream(self, raw: bytes) -> list[Any]:
        return [
            self._response(self.protos.Part(text="Fi"), "FINISH_REASON_UNSPECIFIED"),
            self._response(self.protos.Part(text="ne."), "STOP"),
        ]

    def _response(self, part: Any, reason: str) -> Any:
        content = self.protos.Content(role="model", parts=[part])
        candidate = self.protos.Candidate(index=0, content=content, finish_reason=reason)
        return self.protos.GenerateContentResponse(candidates=[candidate])

    def _create(self, raw: bytes) -> Any:
        made = self.protos.CreateCachedContentRequest.FromString(raw).cached_content
        return self.protos.CachedContent(name="cachedContents/made", model=made.model)

    def _get(self, raw: bytes) -> Any:
        name = self.protos.GetCachedContentRequest.FromString(raw).name
        return self.protos.CachedContent(name=name, model="models/gemini-pro")


def connect_theirs(address: str) -> Any:
    """Google's package, whose clients stand on an insecure channel: its own settings know only TLS."""
    genai = import_module("google.generativeai")
    import_module("google.generativeai.caching")
    language = import_module("google.ai.generativelanguage")
    services = import_module("google.ai.generativelanguage_v1beta.services")
    clients = import_module("google.generativeai.client")._client_manager.clients
    for name in "generative", "cache":
        transports = import_module(f"{services.__name__}.{name}_service.transports")
        transport = getattr(transports, f"{name.title()}ServiceGrpcTransport")(channel=grpc.insecure_channel(address))
        clients[name] = getattr(language, f"{name.title()}ServiceClient")(transport=transport)
    return genai


def connect_ours(address: str) -> Any:
    """Our package."""
    genai = import_module("genai_grpc")
    genai.configure(client_options={"api_endpoint": f"http://{address}"})
    return genai


def show(value: Any) -> Any:
    """A value that a program observed, as JSON; a message of either package as its name and bytes."""
    if hasattr(type(value), "pb"):
        value = type(value).pb(value)
    if hasattr(value, "SerializeToString"):
        return {"message": value.DESCRIPTOR.name, "bytes": base64.b64encode(value.SerializeToString()).decode()}
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, dict):
        return {str(key): show(item) for key, item in value.items()}
    if isinstance(value, (str, int, float)) or value is None:
        return value
    return [show(item) for item in value]


def painted(image: Any) -> Any:
    """The image with a red corner."""
    image.putpixel((0, 0), (255, 0, 0))
    return image


def see_through(image: Any) -> Any:
    """The image with one pixel that is quite transparent, of a colour that nobody sees."""
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
        observe=lambda value: observed.append(show(value)),
        painted=painted,
        see_through=see_through,
        Image=Image,
        TypedDict=typing_extensions.TypedDict,
        dataclasses=dataclasses,
        datetime=datetime,
        enum=enum,
        io=io,
        pydantic=pydantic,
    )
    refusal = None
    for number, statement in enumerate(ast.parse(text).body):
        code = compile(ast.Module([statement], []), "program", "exec", dont_inherit=True)  # no annotations as str
        try:
            exec(code, module.__dict__)  # noqa: S102 -- the programs are our own
        except Exception as error:
            lines = str(error).splitlines() or [""]
            kinds = [kind.__name__ for kind in type(error).__mro__]
            refusal = {"statement": number, "kinds": kinds, "words": lines[0][:300]}
            break
    return {"requests": recorder.requests, "observed": observed, "refusal": refusal}


def paint(folder: Path) -> None:
    """Images of three kinds."""
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
    paint(folder)
    sides = {"theirs": connect_theirs(address), "ours": connect_ours(address)}
    done = [
        program | {side: run(genai, program["text"], folder, recorder) for side, genai in sides.items()}
        for program in json.loads(programs.read_text())
    ]
    server.stop(None)
    json.dump(done, sys.stdout)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
