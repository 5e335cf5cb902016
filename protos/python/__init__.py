"""Stubs of `google.ai.generativelanguage.v1beta` and `google.cloud.aiplatform.v1`, in a private descriptor pool.

`genai_grpc_protos.v1beta` holds the messages (`*_pb2`) and the service stubs (`*_pb2_grpc`) of the Gemini API,
`genai_grpc_protos.aiplatform_v1` those of Vertex AI; `.protobuf`, `.rpc`, `.type` and `.longrunning` hold the
well-known types that they refer to, from the same pool. Because the pool is private, they coexist with Google's own
packages, which register the same names in the default pool. The descriptors of Vertex AI are loaded when
`aiplatform_v1` is imported.

The messages of `v1beta` and `aiplatform_v1` are plain protobuf classes with the conveniences that programs written for
proto-plus expect:

- An enum is an IntEnum, with the methods of protobuf's EnumTypeWrapper; an enum field reads as its member, which has a
  `name`. A number that this version does not define reads as an int with a `name`.
- A message is false if no field has a value that is true. `"text" in part` says whether a field is set.
- A message is built from a dict or from another message: `Content({"role": "user"})`. Values may be dicts, messages of
  another descriptor pool, datetimes and timedeltas.
- Nested and repeated fields can be assigned (by copy), and `del` or None clears a field.
- `type`, `format` and `license` are also spelled `type_`, `format_` and `license_`.
- The classes have `to_dict`, `to_json`, `from_json`, `pb`, `wrap`, `serialize`, `deserialize` and `copy_from`.
- A Struct is a mapping of Python values. A Timestamp has the attributes of a datetime in UTC, a Duration those of a
  timedelta.

Repeated fields and maps are protobuf's own containers: `content.parts.append({...})` and `content.parts[0] = part` are
errors; assign the whole field.

>>> from genai_grpc_protos.v1beta import content_pb2
>>> content_pb2.Part(text="Hello").text
'Hello'
>>> content = content_pb2.Content({"role": "user", "parts": [{"text": "Hello"}]})
>>> "role" in content, bool(content.parts[0].function_call)
(True, False)
"""
