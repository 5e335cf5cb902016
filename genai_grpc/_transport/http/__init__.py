"""HTTP requests of operations: the content of files."""
