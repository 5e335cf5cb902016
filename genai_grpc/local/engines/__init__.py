"""The engines: what generates the local server's responses."""
