"""A program for google.generativeai: files, embeddings and tuned models. What it prints is compared."""

from __future__ import annotations

import io
import os
import re
import sys
import time
from pathlib import Path

from run import connect

connect()
import google.generativeai as genai

if os.environ["PACKAGE"] != "genai_grpc":
    from google.generativeai import client

    client.GENAI_API_DISCOVERY_URL = os.environ["DISCOVERY_URL"]
genai.configure(api_key=os.environ["GOOGLE_API_KEY"])


def show(value: object) -> None:
    """Print a value without what differs from run to run: times, ports and names that the server makes."""
    text = re.sub(r"\d{4}-\d\d-\d\d[T ][\d:.+Z]+(00:00)?", "TIME", str(value))
    print(re.sub(r"127\.0\.0\.1:\d+", "ADDRESS", text))


def wait(file):
    """The file, once it is ready."""
    while file.state.name == "PROCESSING":
        time.sleep(0.05)
        file = genai.get_file(file.name)
    return file


path = Path(sys.argv[1]) / "a tale.txt"
path.write_text("Once upon a time there was a girl named Lily.")
tale = wait(genai.upload_file(path, name="tale"))
show([tale.name, tale.display_name, tale.mime_type, tale.size_bytes, tale.state.name, tale.uri, tale.sha256_hash.hex()])
show(sorted(tale.to_dict()) == sorted(genai.get_file("tale").to_dict()))
big = io.BytesIO(bytes(range(256)) * 4096)
show(genai.upload_file(big, mime_type="application/octet-stream", name="files/big", display_name="Big").size_bytes)
show(genai.upload_file(str(path), mime_type="text/markdown", resumable=False, display_name="Whole").mime_type)
show([file.display_name for file in genai.list_files()])
model = genai.GenerativeModel("gemini-pro")
show(model.generate_content(["Who is it about?", tale]).text)
tale.delete()
genai.delete_file("big")
show([file.display_name for file in genai.list_files(page_size=1)])
for call in (lambda: genai.upload_file("/missing.txt"), lambda: genai.get_file("tale")):
    try:
        call()
    except Exception as error:
        show(type(error).__name__)

show(genai.embed_content("models/embedding-001", "Hello")["embedding"][:3])
embedded = genai.embed_content("models/embedding-001", ["Hello", "there"], task_type="document", title="A title")
show([len(vector) for vector in embedded["embedding"]])
show(len(genai.embed_content("models/embedding-001", (str(n) for n in range(120)))["embedding"]))

examples = [{"text_input": "1", "output": "2"}, {"text_input": "2", "output": "3"}]
operation = genai.create_tuned_model(
    "models/gemini-pro", examples, id="next", display_name="Next", epoch_count=3, batch_size=1
)
show(all(metadata.total_steps == 6 for metadata in operation.wait_bar(disable=True)))
tuned = operation.result()
show([tuned.name, tuned.base_model, tuned.source_model, tuned.display_name, tuned.state.name, tuned.temperature])
show([operation.done(), operation.cancelled(), operation.metadata.total_steps, operation.metadata.completed_percent])
show([[each["step"], each["epoch"]] for each in tuned.tuning_task.snapshots])
show([tuned.tuning_task.hyperparameters.epoch_count, tuned.tuning_task.hyperparameters.batch_size])
show(genai.update_tuned_model("tunedModels/next", {"description": "The next number", "temperature": 0.5}).description)
show(genai.get_tuned_model("tunedModels/next").temperature)
show([each.name for each in genai.list_tuned_models()])
show(genai.GenerativeModel("tunedModels/next").generate_content("3").text)
show([each.name.partition("/operations/")[0] for each in genai.list_operations()])
show(genai.get_operation(operation.name).done())
columns = {"question": ["a", "b"], "answer": ["c", "d"]}
other = genai.create_tuned_model("tunedModels/next", columns, id="other", input_key="question", output_key="answer")
show(other.result().source_model)
genai.delete_tuned_model("tunedModels/other")
genai.delete_tuned_model("tunedModels/next")
show([each.name for each in genai.list_tuned_models()])
for data in ({"question": ["a"]}, [{"text_input": "a"}]):
    try:
        genai.create_tuned_model("models/gemini-pro", data)
    except Exception as error:
        show(type(error).__name__)
