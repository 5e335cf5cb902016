"""The transports over gRPC: channels, attempts, streams and their idle timeouts."""
