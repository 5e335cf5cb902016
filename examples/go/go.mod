module genai-grpc.internal/examples/go

go 1.19

require genai-grpc.internal/go v0.0.0

replace genai-grpc.internal/go => ../../generated/go
