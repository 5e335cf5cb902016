"""HTTP beside gRPC: the upload and the download of files."""
