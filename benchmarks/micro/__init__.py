"""Microbenchmarks of single parts of the client, each a command that prints its result."""
