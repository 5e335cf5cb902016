"""Benchmarks of the client against a plain gRPC stub and Google's clients, on a server that uses little CPU."""
