"""Programs about messages and enums themselves: truth, presence, construction, assignment, dicts, JSON, arguments."""

from __future__ import annotations

from typing import Final

__all__ = ["MESSAGES"]

MODEL: Final = "model = genai.GenerativeModel('gemini-pro')"
ASK: Final = f"{MODEL}\nresponse = model.generate_content('Hi')"
ASK_CALL: Final = repr('CALL find {"city": "Ulm", "n": [1, {"deep": 2.5}], "no": null}')
CALL: Final = f"{MODEL}\nresponse = model.generate_content({ASK_CALL})"
ARGUMENTS: Final = f"{CALL}\nargs = response.parts[0].function_call.args"
SCHEMA: Final = (
    "schema = protos.Schema({'type_': 'OBJECT', 'properties': {'a': {'type_': 'STRING', 'format_': 'date-time'}}})"
)
TURN: Final = "turn = protos.Content({'role': 'user', 'parts': [{'text': 'Hi'}, {'text': ''}]})"
PART: Final = "part = protos.Part(text='Hi')"

MESSAGES: Final[dict[str, list[str]]] = {
    "truth of messages": [
        f"{ASK}\nobserve([bool(part.function_call) for part in response.parts])",
        f"{ASK}\nobserve(bool(response.prompt_feedback))",
        f"{CALL}\nobserve([call.name for part in response.parts if (call := part.function_call)])",
        "observe([bool(value) for value in (protos.Part(), protos.Part(text=''), protos.Part(text='a'))])",
        "observe([bool(value) for value in (protos.Content(), protos.Content(role=''), protos.Content(parts=[{}]))])",
        "observe([bool(value) for value in (protos.Schema(), protos.Schema(nullable=False), protos.Tool())])",
    ],
    "presence": [
        f"{CALL}\nobserve([['text' in part, 'function_call' in part] for part in response.parts])",
        "observe(['text' in value for value in (protos.Part(), protos.Part(text=''), protos.Part(text='a'))])",
        "observe(['role' in value for value in (protos.Content(), protos.Content(role='user'))])",
        "observe('parts' in protos.Content(parts=[{'text': 'a'}]))",
        "observe('nothing' in protos.Part())",
    ],
    "enums": [
        f"{ASK}\nreason = response.candidates[0].finish_reason\n"
        "observe([reason.name, reason.value, reason == 1, reason == protos.Candidate.FinishReason.STOP])",
        "observe([protos.Candidate.FinishReason(1).name, protos.Candidate.FinishReason['STOP'].value])",
        "observe([kind.name for kind in protos.Type])",
        "observe([protos.Type.STRING.name, int(protos.Type.STRING), protos.Type.STRING + 1])",
        "observe([repr(protos.Type.STRING), f'{protos.Type.STRING:d}'])",
        "observe(protos.HarmCategory(7).name)",
        "observe(protos.HarmCategory(77))",
        "observe(protos.HarmCategory['NOTHING'])",
        "observe(isinstance(protos.Schema(type='STRING').type_, protos.Type))",
        "observe({protos.Type.STRING: 'a'}[protos.Schema(type='STRING').type_])",
    ],
    "construction": [
        f"{TURN}\nobserve(turn)",
        f"{PART}\nother = protos.Part(part)\nother.text = 'there'\nobserve([part.text, other.text])",
        f"{PART}\nturn = protos.Content(parts=[part, {{'text': 'a'}}])\nturn.parts[0].text = 'b'\n"
        "observe([part.text, turn])",
        "observe(protos.Part({'text': 'a'}, text='b'))",
        "observe(protos.Content({'nothing': 1}))",
        "observe(protos.Content({'nothing': 1, 'role': 'user'}, ignore_unknown_fields=True))",
        "observe(protos.Part(function_response={'name': 'f', 'response': {'a': [1, None, {'b': True}]}}))",
        "observe(protos.Part(function_call=protos.FunctionCall(name='f', args={'a': 1, 'b': 'x'})))",
        "observe(protos.CachedContent(ttl=datetime.timedelta(seconds=90)))",
        "observe(protos.CachedContent(expire_time=datetime.datetime(2030, 1, 2, tzinfo=datetime.timezone.utc)))",
        "observe(protos.Candidate(finish_reason='STOP') == protos.Candidate(finish_reason=1))",
        f"{PART}\nobserve([part == protos.Part(text='Hi'), part != protos.Part(text='Ho')])",
    ],
    "assignment": [
        f"{TURN}\nturn.parts = [protos.Part(text='a'), {{'text': 'b'}}]\nobserve(turn)",
        f"{PART}\npart.inline_data = protos.Blob(mime_type='image/png', data=b'x')\nobserve([part, 'text' in part])",
        f"{PART}\npart.function_response = {{'name': 'f', 'response': {{'a': 1}}}}\nobserve(part)",
        f"{PART}\ndel part.text\nobserve(['text' in part, bool(part)])",
        f"{TURN}\nturn.nothing = 1",
        f"{SCHEMA}\nschema.type_ = protos.Type.STRING\nschema.enum = ['a', 'b']\nobserve(schema)",
        f"{SCHEMA}\nobserve([schema.type_.name, schema.properties['a'].format_, list(schema.properties)])",
        "config = protos.GenerationConfig()\nconfig.temperature = 0.5\nconfig.stop_sequences.append('x')\n"
        "observe(config)",
        f"{TURN}\nturn.parts.append(protos.Part(text='a'))\nobserve([part.text for part in turn.parts])",
        f"{TURN}\nturn.parts.extend([protos.Part(text='a')])\ndel turn.parts[0]\nobserve(turn)",
        f"{TURN}\nturn.parts[0] = protos.Part(text='a')",
        f"{TURN}\nturn.parts.append({{'text': 'a'}})",
    ],
    "dicts and JSON": [
        f"{TURN}\nobserve(type(turn).to_dict(turn))",
        f"{ASK}\nobserve(type(response.candidates[0]).to_dict(response.candidates[0])['content'])",
        f"{SCHEMA}\nobserve(protos.Schema.to_dict(schema, including_default_value_fields=False))",
        f"{SCHEMA}\nobserve(protos.Schema.to_dict(schema, use_integers_for_enums=False)['type_'])",
        f"{CALL}\ncall = response.parts[0].function_call\nobserve(type(call).to_dict(call))",
        f"{TURN}\nobserve(protos.Content.from_json(protos.Content.to_json(turn)) == turn)",
        f"{TURN}\nimport json\nobserve(json.loads(protos.Content.to_json(turn, including_default_value_fields=False)))",
        f"{SCHEMA}\nimport json\n"
        "observe(json.loads(protos.Schema.to_json(schema, including_default_value_fields=False, "
        "use_integers_for_enums=False)))",
        f"{TURN}\nobserve(protos.Content.deserialize(protos.Content.serialize(turn)) == turn)",
        f"{TURN}\nother = protos.Content()\nprotos.Content.copy_from(other, turn)\nobserve(other)",
        f"{TURN}\nobserve(protos.Content.pb(turn).SerializeToString() == protos.Content.serialize(turn))",
    ],
    "arguments of calls": [
        f"{ARGUMENTS}\nobserve([args['city'], args.get('city'), args.get('x', 5), 'x' in args, len(args), args['no']])",
        f"{ARGUMENTS}\nargs['missing']",
        f"{ARGUMENTS}\nargs.get('missing')\nobserve(sorted(args))",
        f"{ARGUMENTS}\nobserve(sorted(dict(args)))\nobserve(sorted(key for key, _ in args.items()))",
        f"{ARGUMENTS}\ndef find(city, n, no): return [city, n[0], n[1]['deep'], no]\nobserve(find(**args))",
        f"{ARGUMENTS}\nobserve([args['n'][0], dict(args['n'][1]), len(args['n'])])\n"
        "observe([type(item).__name__ for item in args['n']][0])",
        f"{ARGUMENTS}\nargs['n'].append(1)\nargs['city'] = 'Bonn'\nobserve(args['city'])",
    ],
}
