"""I/O: client options, credentials, metadata, and the sync and async transports that perform calls."""
