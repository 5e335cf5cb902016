"""What answers the requests of the local server."""
