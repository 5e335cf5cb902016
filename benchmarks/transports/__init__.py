"""Other transports than gRPC's, for docs/transports.md: `costs` of calls, and `conformance` with gRPC."""
