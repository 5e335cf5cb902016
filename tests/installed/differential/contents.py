"""Expressions for parts, turns and conversations."""

from __future__ import annotations

from typing import Final

from hypothesis import strategies as st

from tests.installed.differential.source import fill, one, several

__all__ = ["IMAGES", "bare_turn", "content", "contents", "history"]

word = one(
    "'Hi'",
    "'Tell me a story about a magic backpack'",
    "'two\\nlines'",
    "' '",
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12).map(repr),
)
payload = st.binary(max_size=8).map(repr)
mime_type = one("'image/png'", "'application/pdf'", "'audio/wav'")
json_value = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(-1, 1) | st.text("ab", max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text("ab", max_size=2), inner, max_size=2),
    max_leaves=4,
)
struct = st.dictionaries(st.sampled_from(["city", "n", "deep"]), json_value, max_size=3).map(repr)
# Strings that proto-plus decodes; the documentation produces them with standard_b64encode.
base64 = one("'aGk='", "'+/+/'", "'-_-_'", "'aGk'")
data = one(payload, payload, base64)

blob_dict = fill("{{'mime_type': {mime_type}, 'data': {data}}}", mime_type=mime_type, data=data)
blob = fill("protos.Blob(mime_type={mime_type}, data={data})", mime_type=mime_type, data=payload)
file_data_dict = fill("{{'mime_type': {mime_type}, 'file_uri': 'files/abc'}}", mime_type=mime_type)
file_data = fill("protos.FileData(mime_type={mime_type}, file_uri='files/abc')", mime_type=mime_type)
file = fill("protos.File(name='files/abc', mime_type={mime_type}, uri='https://h/files/abc')", mime_type=mime_type)
file_dict = one("{'name': 'files/abc', 'mime_type': 'image/png', 'uri': 'https://h/files/abc'}")
call_dict = fill("{{'name': 'find', 'args': {args}}}", args=struct)
call = fill("protos.FunctionCall(name='find', args={args})", args=struct)
answer_dict = fill("{{'name': 'find', 'response': {response}}}", response=struct)
answer = fill("protos.FunctionResponse(name='find', response={response})", response=struct)
IMAGES: Final = (
    "Image.open(folder / 'photo.png')",
    "Image.open(str(folder / 'photo.jpg'))",
    "Image.open(folder / 'palette.gif')",
    "Image.open(io.BytesIO((folder / 'photo.png').read_bytes()))",
    "Image.open(folder / 'photo.png').rotate(90)",
    "Image.open(folder / 'photo.jpg').copy()",
    "Image.new('RGB', (3, 2), (10, 200, 30))",
    "Image.new('RGBA', (2, 2), (10, 200, 30, 128))",
    "Image.new('L', (4, 1), 77)",
    "Image.radial_gradient('L').resize((8, 8))",
    "Image.linear_gradient('L').resize((5, 5)).convert('RGB')",
    "with_red_corner(Image.open(folder / 'photo.png'))",
    "with_transparent_pixel(Image.open(folder / 'photo.png').convert('RGBA'))",
)
image = one(*IMAGES)
part = one(
    word,
    fill("{{'text': {word}}}", word=word),
    fill("protos.Part(text={word})", word=word),
    blob_dict,
    blob,
    fill("{{'inline_data': {it}}}", it=one(blob_dict, blob, image)),
    fill("protos.Part(inline_data={blob})", blob=blob),
    image,
    file_data,
    file,
    fill("{{'file_data': {it}}}", it=one(file_data_dict, file_data, file, file_dict)),
    fill("protos.Part(file_data={file_data})", file_data=file_data),
    call,
    fill("{{'function_call': {it}}}", it=one(call_dict, call)),
    answer,
    fill("{{'function_response': {it}}}", it=one(answer_dict, answer)),
    fill("protos.Part(function_response={answer})", answer=answer),
)
# Parts of a `protos.Content`, whose constructor takes messages.
message_part = one(fill("protos.Part(text={word})", word=word), fill("protos.Part(inline_data={blob})", blob=blob))
role = one("'user'", "'model'")
turn = one(
    fill("{{'role': {role}, 'parts': {word}}}", role=role, word=word),
    fill("{{'role': {role}, 'parts': [{parts}]}}", role=role, parts=several(part)),
    fill("{{'role': {role}, 'parts': ({parts})}}", role=role, parts=several(part)),
    fill("protos.Content(role={role}, parts=[{parts}])", role=role, parts=several(message_part)),
)
bare_turn = one(
    fill("{{'parts': [{parts}]}}", parts=several(part)),
    fill("{{'parts': {word}}}", word=word),
    fill("protos.Content(parts=[{parts}])", parts=several(message_part)),
)
content = one(
    part,
    fill("[{parts}]", parts=several(part)),
    fill("({parts})", parts=several(part)),
    turn,
    bare_turn,
)
contents = one(
    content,
    fill("[{turns}]", turns=several(turn)),
    fill("({turns})", turns=several(turn)),
    fill("iter([{turns}])", turns=several(turn)),
    fill("[{turns}{last}]", turns=several(turn, 0), last=bare_turn),
    fill("iter([{parts}])", parts=several(part, 2)),
    fill("{{'role': 'user', 'parts': {part}}}", part=one("{'text': 'Hi'}", "protos.Part(text='Hi')", image)),
)
history = one(
    fill("[{turns}]", turns=several(turn, 0, 4)),
    fill("({turns})", turns=several(turn)),
    fill("iter([{turns}])", turns=several(turn)),
    fill("[{turns}{last}]", turns=several(turn), last=bare_turn),
    fill("[{parts}]", parts=several(part)),
    "None",
    "'Hi'",
)
