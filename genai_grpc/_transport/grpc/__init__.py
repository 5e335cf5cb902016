"""Calls over gRPC: channels, streams and their idle timeouts."""
