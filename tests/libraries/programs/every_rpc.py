"""Calls every RPC with the published clients of google-ai-generativelanguage, and prints the path of each."""

from __future__ import annotations

import sys

import grpc
from google.longrunning import operations_pb2, operations_pb2_grpc
from google.protobuf import field_mask_pb2, struct_pb2

from google.ai import generativelanguage_v1beta as glm

[address] = sys.argv[1:]
called: set[str] = set()


class Record(grpc.UnaryUnaryClientInterceptor, grpc.UnaryStreamClientInterceptor, grpc.StreamStreamClientInterceptor):
    """Notes the path of each call that succeeds."""

    def intercept_unary_unary(self, continuation, details, request):
        call = continuation(details, request)
        call.result()
        called.add(details.method)
        return call

    def intercept_unary_stream(self, continuation, details, request):
        called.add(details.method)
        return continuation(details, request)

    def intercept_stream_stream(self, continuation, details, requests):
        called.add(details.method)
        return continuation(details, requests)


channel = grpc.intercept_channel(grpc.insecure_channel(address), Record())


def client(name: str):
    """The client of a service."""
    service = getattr(glm, f"{name}ServiceClient")
    return service(transport=service.get_transport_class("grpc")(channel=channel))


def mask(*paths: str) -> field_mask_pb2.FieldMask:
    return field_mask_pb2.FieldMask(paths=paths)


MODEL = "models/gemini-pro"
hello = glm.Content(role="user", parts=[{"text": "Hello"}])

generative = client("Generative")
print(generative.generate_content(model=MODEL, contents=[hello]).candidates[0].content.parts[0].text)
print(
    [
        chunk.candidates[0].content.parts[0].text
        for chunk in generative.stream_generate_content(model=MODEL, contents=[hello])
    ]
)
live = [{"setup": {"model": MODEL}}, {"client_content": {"turns": [hello], "turn_complete": True}}]
replies = generative.bidi_generate_content(iter([glm.BidiGenerateContentClientMessage(message) for message in live]))
print("".join(part.text for reply in replies for part in reply.server_content.model_turn.parts))
print(generative.count_tokens(model=MODEL, contents=[hello]).total_tokens)
embedder = "models/embedding-001"
print(len(generative.embed_content(model=embedder, content=hello).embedding.values))
requests = [glm.EmbedContentRequest(model=embedder, content=hello)] * 2
print(len(generative.batch_embed_contents(model=embedder, requests=requests).embeddings))
passages = {"passages": [{"id": "1", "content": hello}]}
answer = generative.generate_answer(
    glm.GenerateAnswerRequest(model=MODEL, contents=[hello], inline_passages=passages, answer_style="ABSTRACTIVE")
)
print(
    answer.answer.content.parts[0].text, answer.answer.grounding_attributions[0].source_id.grounding_passage.passage_id
)

models = client("Model")
print([model.name for model in models.list_models()], models.get_model(name=MODEL).name)
examples = {"examples": [{"text_input": "1", "output": "2"}, {"text_input": "2", "output": "3"}]}
tuned = glm.TunedModel(base_model=MODEL, tuning_task={"training_data": {"examples": examples}})
operation = models.create_tuned_model(tuned_model=tuned, tuned_model_id="next")
print(operation.result(timeout=60).name, operation.metadata.completed_steps)
print(models.get_tuned_model(name="tunedModels/next").state.name, [each.name for each in models.list_tuned_models()])
changed = glm.TunedModel(name="tunedModels/next", display_name="Next")
print(models.update_tuned_model(tuned_model=changed, update_mask=mask("display_name")).display_name)

permissions = client("Permission")
permission = permissions.create_permission(
    parent="tunedModels/next", permission={"role": "READER", "grantee_type": "USER", "email_address": "ada@example.com"}
)
print(permissions.get_permission(name=permission.name).role.name)
print(len(list(permissions.list_permissions(parent="tunedModels/next"))))
writer = {"name": permission.name, "role": "WRITER"}
print(permissions.update_permission(permission=writer, update_mask=mask("role")).role.name)
permissions.delete_permission(name=permission.name)
permissions.transfer_ownership(glm.TransferOwnershipRequest(name="tunedModels/next", email_address="ada@example.com"))
mine = models.create_tuned_model(tuned_model=tuned, tuned_model_id="mine")
mine.result(timeout=60)
models.delete_tuned_model(name="tunedModels/mine")

operations = operations_pb2_grpc.OperationsStub(channel)
[first, *_] = operations.ListOperations(operations_pb2.ListOperationsRequest()).operations
print(operations.GetOperation(operations_pb2.GetOperationRequest(name=first.name)).done)
print(operations.WaitOperation(operations_pb2.WaitOperationRequest(name=first.name)).done)
operations.CancelOperation(operations_pb2.CancelOperationRequest(name=first.name))
operations.DeleteOperation(operations_pb2.DeleteOperationRequest(name=first.name))

caches = client("Cache")
cached = caches.create_cached_content(cached_content={"model": MODEL, "contents": [hello]})
print(caches.get_cached_content(name=cached.name).model, len(list(caches.list_cached_contents())))
caches.update_cached_content(
    cached_content=glm.CachedContent(name=cached.name, ttl={"seconds": 7200}), update_mask=mask("ttl")
)
caches.delete_cached_content(name=cached.name)

files = client("File")
file = files.create_file(glm.CreateFileRequest(file={"name": "files/tale"})).file
print(files.get_file(name=file.name).name, len(list(files.list_files(glm.ListFilesRequest()))))
files.download_file(glm.DownloadFileRequest(name=file.name))
files.delete_file(name=file.name)

retriever = client("Retriever")
corpus = retriever.create_corpus(corpus={"name": "corpora/tales"})
print(retriever.get_corpus(name=corpus.name).name, len(list(retriever.list_corpora(glm.ListCorporaRequest()))))
retriever.update_corpus(corpus={"name": corpus.name, "display_name": "Tales"}, update_mask=mask("display_name"))
document = retriever.create_document(parent=corpus.name, document={"name": f"{corpus.name}/documents/alice"})
print(retriever.get_document(name=document.name).name, len(list(retriever.list_documents(parent=corpus.name))))
retriever.update_document(document={"name": document.name, "display_name": "Alice"}, update_mask=mask("display_name"))
chunk = retriever.create_chunk(parent=document.name, chunk={"data": {"string_value": "Hello there"}})
create = glm.CreateChunkRequest(parent=document.name, chunk={"data": {"string_value": "Good bye"}})
[other] = retriever.batch_create_chunks(glm.BatchCreateChunksRequest(parent=document.name, requests=[create])).chunks
print(retriever.get_chunk(name=chunk.name).data.string_value, len(list(retriever.list_chunks(parent=document.name))))
update = glm.UpdateChunkRequest(
    chunk={"name": chunk.name, "data": {"string_value": "Hello you"}}, update_mask=mask("data")
)
print(retriever.update_chunk(update).data.string_value)
retriever.batch_update_chunks(glm.BatchUpdateChunksRequest(parent=document.name, requests=[update]))
query = glm.QueryCorpusRequest(name=corpus.name, query="Hello you")
print(retriever.query_corpus(query).relevant_chunks[0].chunk.data.string_value)
within = glm.QueryDocumentRequest(name=document.name, query="Good bye")
print(retriever.query_document(within).relevant_chunks[0].chunk.data.string_value)
retriever.delete_chunk(name=chunk.name)
delete = glm.DeleteChunkRequest(name=other.name)
retriever.batch_delete_chunks(glm.BatchDeleteChunksRequest(parent=document.name, requests=[delete]))
retriever.delete_document(name=document.name)
retriever.delete_corpus(name=corpus.name)

prediction = client("Prediction")
print(prediction.predict(model=MODEL, instances=[struct_pb2.Value(string_value="A girl")]).predictions[0])
video = prediction.predict_long_running(model=MODEL, instances=[struct_pb2.Value(string_value="A girl")])
print(video.result(timeout=60).generate_video_response.generated_samples[0].video.uri)

print(*sorted(called), sep="\n")
