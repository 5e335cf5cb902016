"""The API's gRPC services, over the engines and the stored state."""
