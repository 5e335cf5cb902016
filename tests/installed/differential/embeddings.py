"""Programs about embeddings."""

from __future__ import annotations

from typing import Final

__all__ = ["EMBEDDINGS", "INVALID_EMBEDDINGS"]


def embed(arguments: str, model: str = "'models/embedding-001'") -> str:
    """A program that observes the result of one call."""
    return f"observe(genai.embed_content({model}, {arguments}))"


# What is one content, and what is several.
CONTENTS: Final = (
    "'Hi'",
    "{'parts': ['Hi', 'there']}",
    "{'role': 'user', 'parts': [{'text': 'Hi'}]}",
    "{'text': 'Hi'}",
    "protos.Part(text='Hi')",
    "protos.Content(parts=[protos.Part(text='Hi')])",
    "Image.new('L', (4, 1), 77)",
    "['Hi']",
    "('Hi', 'there')",
    "[['Hi', 'there'], 'you']",
    "[{'parts': ['Hi']}, protos.Content(parts=[protos.Part(text='there')]), protos.Part(text='you')]",
    "(str(number) for number in range(3))",
    "iter(['Hi', 'there'])",
    "{'Hi': 1, 'there': 2}.keys()",
    "protos.Content(parts=[protos.Part(text='Hi'), protos.Part(text='there')]).parts",
)
TASKS: Final = (
    *("'retrieval_query'", "'query'", "'QUERY'", "1", "protos.TaskType.RETRIEVAL_QUERY"),
    *("'retrieval_document'", "'document'", "2", "'semantic_similarity'", "'similarity'", "3"),
    *("'classification'", "4", "'clustering'", "5", "'question_answering'", "'qa'", "6"),
    *("'fact_verification'", "'verification'", "7", "'unspecified'", "'task_type_unspecified'", "0", "None", "99"),
)
OPTIONS: Final = (
    "title='A title', task_type='retrieval_document'",
    "title='A title', task_type=2",
    "title='', task_type='query'",
    "output_dimensionality=2",
    "output_dimensionality=0",
    "task_type='document', title='A title', output_dimensionality=2",
    "request_options={'timeout': 5}",
    "request_options=types.RequestOptions(timeout=5)",
    "client=None",
)

EMBEDDINGS: Final[dict[str, list[str]]] = {
    "embeddings": [
        *map(embed, CONTENTS),
        *(embed(f"'Hi', task_type={task}") for task in TASKS),
        *(embed(f"{content}, {options}") for content in ("'Hi'", "['Hi', 'there']") for options in OPTIONS),
        embed("'Hi', 'document', 'A title', 2"),
        "observe(genai.embed_content(content=['Hi'], model='embedding-001'))",
        *(
            embed("'Hi'", model=model)
            for model in ("'embedding-001'", "'tunedModels/mine'", "genai.get_model('gemini-pro')")
        ),
        *(
            f"texts = (f'text {{number}}' for number in range({number}))\n"
            "result = genai.embed_content('embedding-001', texts)\n"
            "observe([len(result['embedding']), result['embedding'][-1]])"
            for number in (1, 99, 100, 101, 250)
        ),
        # As the guide of the predecessor prints it.
        "result = genai.embed_content(model='models/embedding-001', content='What is the meaning of life?',\n"
        "    task_type='retrieval_document', title='Embedding of single string')\n"
        "observe(str(result['embedding'])[:50] + '... TRIMMED]')",
        "result = genai.embed_content(model='models/embedding-001', task_type='retrieval_document',\n"
        "    content=['What is the meaning of life?', 'How much wood would a woodchuck chuck?'],\n"
        "    title='Embedding of list of strings')\n"
        "for vector in result['embedding']: observe(str(vector)[:50] + '... TRIMMED]')",
    ],
}
INVALID_EMBEDDINGS: Final[dict[str, list[str]]] = {
    "invalid embeddings": [
        embed("[]"),  # nothing is sent
        *map(embed, ("''", "None", "3", "b'Hi'", "{}", "{'txt': 'Hi'}", "['Hi', '']", "['Hi', 3]", "[[]]")),
        embed("['Hi'] * 100 + [3]"),
        *(embed(f"'Hi', task_type={task}") for task in ("''", "'searching'", "0.5")),
        *(embed(f"'Hi', title='A title', task_type={task}") for task in ("None", "'query'", "'searching'")),
        *(embed(f"'Hi', output_dimensionality={size}") for size in ("-1", "'2'", "2.5")),
        *(embed("'Hi'", model=model) for model in ("'files/mine'", "3", "None")),
    ],
}
