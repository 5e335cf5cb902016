"""Performs calls: configuration, credentials, metadata, and the sync and async transports."""
