"""From what a person passes to protos: pure functions, one file a noun."""
