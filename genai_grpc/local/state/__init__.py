"""What the local server stores between requests."""
