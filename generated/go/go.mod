module genai-grpc.internal/go

go 1.19
