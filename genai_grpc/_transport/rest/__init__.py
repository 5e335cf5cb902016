"""Calls over HTTP/JSON."""
