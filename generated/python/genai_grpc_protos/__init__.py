"""Stubs of `google.ai.generativelanguage.v1beta`, in a private descriptor pool.

`genai_grpc_protos.v1beta` holds the messages (`*_pb2`) and the service stubs (`*_pb2_grpc`); `.protobuf`, `.rpc`,
`.type` and `.longrunning` hold the well-known types that they refer to, from the same pool. Because the pool is
private, they coexist with Google's own packages, which register the same names in the default pool.

>>> from genai_grpc_protos.v1beta import content_pb2
>>> content_pb2.Part(text="Hello").text
'Hello'
"""
