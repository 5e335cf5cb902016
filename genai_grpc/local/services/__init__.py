"""The gRPC services of the local server."""
